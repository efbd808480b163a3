// Changes of a layer's connections, for Python.
//
// Owns: every check that keeps topology.h from reading out of bounds. May not touch: what a
// change does.
#include <cstring>
#include <type_traits>

#include "arrays.h"
#include "bindings.h"

namespace sklearn_set {

using namespace nb::literals;

namespace {

nb::tuple rewired(Rewired &&r) {
    return nb::make_tuple(to_numpy(std::move(r.indptr)), to_numpy(std::move(r.indices)),
                          to_numpy(std::move(r.source)));
}

nb::tuple py_erdos_renyi(int64_t n_in, int64_t n_out, int64_t draws, uint64_t seed) {
    if (n_in < 0 || n_out < 0 || draws < 0 || n_in > INT32_MAX || n_out > INT32_MAX - 1)
        fail("erdos_renyi needs 0 <= n_in, n_out < 2**31 - 1 and draws >= 0.");
    const int64_t places = n_in * n_out;  // 50 draws a place fill the layer without drawing
    if ((draws / 50 >= places ? places : draws) > INT32_MAX)
        fail("A layer of " + std::to_string(n_in) + " x " + std::to_string(n_out) + " with " +
             std::to_string(draws) + " draws may exceed 2**31 - 1 connections; lower epsilon.");
    Rewired r;
    {
        nb::gil_scoped_release release;
        if (n_in * n_out == 0) r.indptr.assign(n_out + 1, 0);
        else r = erdos_renyi(int32_t(n_in), int32_t(n_out), draws, seed);
    }
    return nb::make_tuple(to_numpy(std::move(r.indptr)), to_numpy(std::move(r.indices)));
}

int64_t count_kept(const ConnectivityView &before, const In1<uint8_t> &keep) {
    require_size("keep", keep.shape(0), before.nnz());
    uint8_t bits = 0;
    for (int64_t k = 0; k < before.nnz(); ++k) bits |= keep.data()[k];
    if (bits > 1) fail("keep must hold 0 and 1 only.");
    return count_ones(keep.data(), before.nnz());
}

nb::tuple py_grow_random(In1<int32_t> indptr, In1<int32_t> indices, int64_t n_in,
                         In1<uint8_t> keep, int64_t n_new, bool regrow_dropped, uint64_t seed) {
    const ConnectivityView before = connectivity(indptr, indices, n_in);
    const int64_t kept = count_kept(before, keep);
    const int64_t n_free =
        int64_t{before.n_in} * before.n_out - (regrow_dropped ? kept : before.nnz());
    if (n_new < 0 || n_new > n_free)
        fail("n_new=" + std::to_string(n_new) + " connections do not fit into " +
             std::to_string(n_free) + " free places.");
    if (kept + n_new > INT32_MAX) fail("A layer holds at most 2**31 - 1 connections.");
    Rewired result;
    {
        nb::gil_scoped_release release;
        result = grow_random(before, keep.data(), n_new, regrow_dropped, seed);
    }
    return rewired(std::move(result));
}

nb::tuple py_grow_at(In1<int32_t> indptr, In1<int32_t> indices, int64_t n_in, In1<uint8_t> keep,
                     In1<int64_t> keys) {
    const ConnectivityView before = connectivity(indptr, indices, n_in);
    const int64_t places = int64_t{before.n_in} * before.n_out;
    for (size_t i = 0; i < keys.shape(0); ++i)
        if (keys.data()[i] < 0 || keys.data()[i] >= places ||
            (i && keys.data()[i] <= keys.data()[i - 1]))
            fail("keys must be distinct, ascending and inside the layer.");
    if (count_kept(before, keep) + int64_t(keys.shape(0)) > INT32_MAX)
        fail("A layer holds at most 2**31 - 1 connections.");
    Rewired result = grow_at(before, keep.data(), keys.data(), keys.shape(0));
    for (int32_t d = 0; d < before.n_out; ++d)
        for (int64_t k = result.indptr[d] + 1; k < result.indptr[d + 1]; ++k)
            if (result.indices[k] == result.indices[k - 1])
                fail("a key names a place that is kept; keys must be free places.");
    return rewired(std::move(result));
}

nb::tuple py_remove_neurons(In1<int32_t> indptr, In1<int32_t> indices, int64_t n_in,
                            std::optional<In1<uint8_t>> keep_in,
                            std::optional<In1<uint8_t>> keep_out) {
    const ConnectivityView before = connectivity(indptr, indices, n_in);
    if (keep_in) require_size("keep_in", keep_in->shape(0), before.n_in);
    if (keep_out) require_size("keep_out", keep_out->shape(0), before.n_out);
    return rewired(remove_neurons(before, keep_in ? keep_in->data() : nullptr,
                                  keep_out ? keep_out->data() : nullptr));
}

nb::tuple py_transpose(In1<int32_t> indptr, In1<int32_t> indices, int64_t n_in) {
    const ConnectivityView view = connectivity(indptr, indices, n_in);
    Transposed t;
    {
        nb::gil_scoped_release release;
        t = transpose(view);
    }
    return nb::make_tuple(to_numpy(std::move(t.indptr)), to_numpy(std::move(t.positions)),
                          to_numpy(std::move(t.indices)));
}

template <class T> nb::tuple py_count_signs(In1<T> weights) {
    int64_t counts[3];
    count_signs(weights.data(), weights.shape(0), counts);
    return nb::make_tuple(counts[0], counts[1], counts[2]);
}

template <class T> bool py_all_finite(In1<T> values) {
    return all_finite(values.data(), values.shape(0));
}

template <class T>
Numpy<uint8_t> py_drop_nearest_zero(In1<T> weights, int64_t n_negative, int64_t n_positive) {
    Array<uint8_t> keep(weights.shape(0));
    if (n_negative < 0 || n_positive < 0 ||
        !drop_nearest_zero(weights.data(), weights.shape(0), n_negative, n_positive, keep.data())) {
        int64_t counts[3];
        count_signs(weights.data(), weights.shape(0), counts);
        fail("Cannot drop " + std::to_string(n_negative) + " negative and " +
             std::to_string(n_positive) + " positive weights of " + std::to_string(counts[0]) +
             " and " + std::to_string(counts[2]) + ".");
    }
    return to_numpy(std::move(keep));
}

template <class T> Numpy<uint8_t> py_drop_smallest(In1<T> scores, int64_t n_drop) {
    if (n_drop < 0 || n_drop > int64_t(scores.shape(0)))
        fail("Cannot drop " + std::to_string(n_drop) + " of " + std::to_string(scores.shape(0)) +
             " connections.");
    for (size_t k = 0; k < scores.shape(0); ++k)
        if (!(scores.data()[k] >= 0)) fail("scores must be numbers >= 0.");
    Array<uint8_t> keep(scores.shape(0));
    drop_smallest(scores.data(), scores.shape(0), n_drop, keep.data());
    return to_numpy(std::move(keep));
}

Numpy<int64_t> py_sample(int64_t bound, int64_t count, uint64_t seed) {
    if (count < 0 || count > bound) fail("count must lie in [0, bound].");
    if (std::min(count, bound - count) > INT32_MAX) fail("count exceeds 2**31 - 1.");
    return to_numpy(sample_without_replacement(bound, count, seed));
}

template <class T> void bind_weights(nb::module_ &m) {
    m.def("count_signs", &py_count_signs<T>, "weights"_a.noconvert());
    m.def("all_finite", &py_all_finite<T>, "values"_a.noconvert());
    m.def("drop_nearest_zero", &py_drop_nearest_zero<T>, "weights"_a.noconvert(), "n_negative"_a,
          "n_positive"_a);
    m.def("drop_smallest", &py_drop_smallest<T>, "scores"_a.noconvert(), "n_drop"_a);
}

}  // namespace

void bind_topology(nb::module_ &m) {
    m.def("splitmix64", &splitmix64, "seed"_a, "counter"_a);
    m.def("sample_without_replacement", &py_sample, "bound"_a, "count"_a, "seed"_a);
    m.def("erdos_renyi", &py_erdos_renyi, "n_in"_a, "n_out"_a, "draws"_a, "seed"_a);
    m.def("grow_random", &py_grow_random, "indptr"_a.noconvert(), "indices"_a.noconvert(),
          "n_in"_a, "keep"_a.noconvert(), "n_new"_a, "regrow_dropped"_a, "seed"_a);
    m.def("grow_at", &py_grow_at, "indptr"_a.noconvert(), "indices"_a.noconvert(), "n_in"_a,
          "keep"_a.noconvert(), "keys"_a.noconvert());
    m.def("remove_neurons", &py_remove_neurons, "indptr"_a.noconvert(), "indices"_a.noconvert(),
          "n_in"_a, "keep_in"_a.noconvert().none(), "keep_out"_a.noconvert().none());
    m.def("transpose", &py_transpose, "indptr"_a.noconvert(), "indices"_a.noconvert(), "n_in"_a);
    bind_weights<float>(m);
    bind_weights<double>(m);
}

}  // namespace sklearn_set
