// The Python module _native: checks what it is given, then calls the core.
//
// Owns: the conversion between NumPy arrays and views, and every check that
// keeps a wrong array from being read out of bounds. May not touch: numbers.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <omp.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "network.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace sklearn_set;

namespace {

// An array whose values lie at multiples of their size: compiled loops rely on it.
template <class A> struct Aligned : A {
    using A::A;
    Aligned(A &&array) : A(std::move(array)) {}
};

}  // namespace

namespace nanobind::detail {
template <class A> struct type_caster<Aligned<A>> {
    NB_TYPE_CASTER(Aligned<A>, make_caster<A>::Name)

    template <class Flags>
    bool from_python(handle source, Flags flags, cleanup_list *cleanup) noexcept {
        make_caster<A> caster;
        if (!caster.from_python(source, flags, cleanup)) return false;
        value = std::move(caster.value);
        return reinterpret_cast<uintptr_t>(value.data()) % sizeof(typename A::Scalar) == 0;
    }
    static handle from_cpp(const A &array, rv_policy policy, cleanup_list *cleanup) noexcept {
        return make_caster<A>::from_cpp(array, policy, cleanup);
    }
};
}  // namespace nanobind::detail

namespace {

template <class T, size_t N>
using Contiguous = Aligned<nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>>;
template <class T> using In1 = Contiguous<const T, 1>;
template <class T> using In2 = Contiguous<const T, 2>;
template <class T> using Out1 = Contiguous<T, 1>;
template <class T> using Out2 = Contiguous<T, 2>;
template <class T> using Numpy = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

[[noreturn]] void fail(const std::string &what) { throw nb::value_error(what.c_str()); }

void require_size(const char *name, int64_t actual, int64_t wanted) {
    if (actual != wanted)
        fail(std::string(name) + " has " + std::to_string(actual) + " entries, " +
             std::to_string(wanted) + " are needed.");
}

template <size_t N>
void check_code(const char *what, int64_t code, const char *const (&)[N]) {
    if (code < 0 || code >= int64_t(N)) fail("unknown " + std::string(what) + ".");
}

// {name: code}
template <size_t N> nb::dict codes(const char *const (&names)[N]) {
    nb::dict result;
    for (size_t code = 0; code < N; ++code) result[names[code]] = code;
    return result;
}

// `value` as an array of exactly this type, never a converted copy.
template <class A> A as_array(nb::handle value, const std::string &name) {
    A array;
    if (!nb::try_cast<A>(value, array, /*convert=*/false))
        throw nb::type_error(
            (name + " is not an array of the right type, rank and layout, or is read-only or "
                    "misaligned.").c_str());
    return array;
}

// The attribute `name` as a number of this type.
template <class T> T number(nb::handle object, const char *name) {
    T value;
    if (!nb::try_cast<T>(nb::getattr(object, name), value))
        throw nb::type_error((std::string(name) + " is not a number of the right type.").c_str());
    return value;
}

template <class T> Numpy<T> to_numpy(Array<T> &&values) {
    auto *owned = new Array<T>(std::move(values));
    nb::capsule owner(owned, [](void *p) noexcept { delete static_cast<Array<T> *>(p); });
    return Numpy<T>(owned->data(), {owned->size()}, owner);
}

template <class I>
void check_index(const char *name, const I *indptr, int64_t n_rows, const int32_t *indices,
                 int64_t n_indices, int64_t bound) {
    if (indptr[0] != 0) fail(std::string(name) + ": indptr must start with 0.");
    bool monotone = true;
    for (int64_t i = 0; i < n_rows; ++i) monotone &= indptr[i] <= indptr[i + 1];
    if (!monotone) fail(std::string(name) + ": indptr must not decrease.");
    if (indptr[n_rows] != n_indices)
        fail(std::string(name) + ": indptr ends with " + std::to_string(indptr[n_rows]) +
             " but there are " + std::to_string(n_indices) + " indices.");
    const int32_t largest = static_cast<int32_t>(std::min<int64_t>(bound, INT32_MAX)) - 1;
    int32_t outside = 0;
    for (int64_t k = 0; k < n_indices; ++k) outside |= (indices[k] < 0) | (indices[k] > largest);
    if (outside)
        fail(std::string(name) + ": an index lies outside of [0, " + std::to_string(bound) + ").");
}

ConnectivityView connectivity(const In1<int32_t> &indptr, const In1<int32_t> &indices,
                              int64_t n_in) {
    if (indptr.shape(0) < 1) fail("indptr is empty; it needs one entry more than destinations.");
    if (n_in < 0 || n_in > INT32_MAX)
        fail("n_in=" + std::to_string(n_in) + " is not in [0, 2**31 - 1].");
    const int64_t n_out = static_cast<int64_t>(indptr.shape(0)) - 1;
    check_index("connectivity", indptr.data(), n_out, indices.data(), indices.shape(0), n_in);
    return {indptr.data(), indices.data(), int32_t(n_in), int32_t(n_out)};
}

nb::tuple rewired(Rewired &&r) {
    return nb::make_tuple(to_numpy(std::move(r.indptr)), to_numpy(std::move(r.indices)),
                          to_numpy(std::move(r.source)));
}

// ---------------------------------------------------------------- topology

nb::tuple py_erdos_renyi(int64_t n_in, int64_t n_out, int64_t draws, uint64_t seed) {
    if (n_in < 0 || n_out < 0 || draws < 0 || n_in > INT32_MAX || n_out > INT32_MAX - 1)
        fail("erdos_renyi needs 0 <= n_in, n_out < 2**31 - 1 and draws >= 0.");
    const int64_t places = n_in * n_out;  // so many draws fill the layer without drawing
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
    int64_t kept = 0;
    for (int64_t k = 0; k < before.nnz(); ++k) {
        bits |= keep.data()[k];
        kept += keep.data()[k];
    }
    if (bits > 1) fail("keep must hold 0 and 1 only.");
    return kept;
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

template <class T>
Numpy<uint8_t> py_drop_nearest_zero(In1<T> weights, int64_t n_negative, int64_t n_positive) {
    int64_t counts[3];
    count_signs(weights.data(), weights.shape(0), counts);
    if (n_negative < 0 || n_positive < 0 || n_negative > counts[0] || n_positive > counts[2])
        fail("Cannot drop " + std::to_string(n_negative) + " negative and " +
             std::to_string(n_positive) + " positive weights of " + std::to_string(counts[0]) +
             " and " + std::to_string(counts[2]) + ".");
    Array<uint8_t> keep(weights.shape(0));
    drop_nearest_zero(weights.data(), weights.shape(0), n_negative, n_positive, keep.data());
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

template <class T>
Numpy<T> py_carry(In1<T> values, In1<int32_t> source, std::optional<In1<T>> new_values) {
    const int32_t n = static_cast<int32_t>(values.shape(0));
    const int64_t n_after = source.shape(0);
    const int32_t *from = source.data();
    int32_t behind = 0, n_new = 0;
    for (int64_t k = 0; k < n_after; ++k) {
        behind |= from[k] >= n;
        n_new += from[k] < 0;
    }
    if (behind) fail("source points behind the values.");
    if (new_values) require_size("new_values", new_values->shape(0), n_new);
    Array<T> moved(n_after);
    // Masks instead of branches, since which are new is random: a new one reads the
    // first value too, an old one the next new value.
    using Word = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    const T zero = 0;
    const T *old = n ? values.data() : &zero;
    const bool given = new_values && n_new;
    const T *fresh = given ? new_values->data() : &zero;
    const int32_t last = given ? n_new - 1 : 0;
    int32_t i = 0;
    for (int64_t k = 0; k < n_after; ++k) {
        const int32_t is_new = from[k] >> 31;
        const Word mask = static_cast<Word>(int64_t{is_new});
        Word kept, next;
        std::memcpy(&kept, old + (from[k] & ~is_new), sizeof kept);
        std::memcpy(&next, fresh + std::min(i, last), sizeof next);
        kept = (kept & ~mask) | (next & mask);
        std::memcpy(&moved[k], &kept, sizeof kept);
        i -= is_new;
    }
    return to_numpy(std::move(moved));
}

Numpy<int64_t> py_sample(int64_t bound, int64_t count, uint64_t seed) {
    if (count < 0 || count > bound) fail("count must lie in [0, bound].");
    if (std::min(count, bound - count) > INT32_MAX) fail("count exceeds 2**31 - 1.");
    return to_numpy(sample_without_replacement(bound, count, seed));
}

// ----------------------------------------------------------------- networks

// Samples with their targets, kept alive while a network reads them.
template <class T> struct Data {
    Samples<T> samples;
    Targets<T> targets;
    int64_t n_values = 0;  // columns of targets.values
    int64_t n_labels = 0;  // one more than the largest label
    std::vector<nb::object> owners;

    Data(std::optional<In2<T>> x, std::optional<In1<T>> data, std::optional<In1<int32_t>> indices,
         std::optional<In1<int64_t>> indptr, int64_t n_features) {
        if (n_features < 0 || n_features > INT32_MAX) fail("n_features is not in [0, 2**31 - 1].");
        samples.n_features = int32_t(n_features);
        if (x) {
            require_size("a row of x", x->shape(1), n_features);
            samples.n_rows = x->shape(0);
            samples.x = x->data();
            owners.push_back(nb::cast(*x));
            return;
        }
        if (!data || !indices || !indptr || indptr->shape(0) < 1)
            fail("Give x, or data, indices and indptr.");
        samples.n_rows = int64_t(indptr->shape(0)) - 1;
        require_size("data", data->shape(0), indices->shape(0));
        check_index("samples", indptr->data(), samples.n_rows, indices->data(),
                    indices->shape(0), n_features);
        samples.data = data->data();
        samples.indices = indices->data();
        samples.indptr = indptr->data();
        owners = {nb::cast(*data), nb::cast(*indices), nb::cast(*indptr)};
    }

    void set_targets(int32_t loss, std::optional<In1<int32_t>> labels,
                     std::optional<In2<T>> values, std::optional<In1<T>> weights,
                     double huber_delta) {
        check_code("loss", loss, LOSSES);
        if (bool(labels) == bool(values)) fail("Give labels or values.");
        if (labels) {
            require_size("labels", labels->shape(0), samples.n_rows);
            for (int64_t i = 0; i < samples.n_rows; ++i) {
                if (labels->data()[i] < 0) fail("labels must be >= 0.");
                n_labels = std::max(n_labels, int64_t{labels->data()[i]} + 1);
            }
            targets.labels = labels->data();
            owners.push_back(nb::cast(*labels));
        } else {
            require_size("values", values->shape(0), samples.n_rows);
            n_values = values->shape(1);
            targets.values = values->data();
            owners.push_back(nb::cast(*values));
        }
        if (weights) {
            require_size("weights", weights->shape(0), samples.n_rows);
            targets.weights = weights->data();
            owners.push_back(nb::cast(*weights));
        }
        targets.loss = loss;
        targets.huber_delta = T(huber_delta);
    }

    void check_against(const Network<T> &network, bool with_targets) const {
        if (network.layers().empty()) fail("The network is not bound to layers.");
        const auto &first = network.layers().front().connections;
        const int64_t n_outputs = network.layers().back().connections.n_out;
        if (samples.n_features != first.n_in)
            fail("The samples have " + std::to_string(samples.n_features) +
                 " features, the network takes " + std::to_string(first.n_in) + ".");
        if (!with_targets) return;
        if (targets.labels && n_labels > std::max<int64_t>(2, n_outputs))
            fail("a label lies outside of the network's outputs.");
        if (!targets.labels && !targets.values) fail("The data have no targets.");
        if (targets.values) require_size("a row of values", n_values, n_outputs);
    }
};

template <class T>
LayerView<T> layer_view(nb::handle object, bool by_source, bool trainable,
                        std::vector<nb::object> &owners) {
    LayerView<T> layer{};
    auto field = [&](const char *name) {
        nb::object value = nb::getattr(object, name);
        owners.push_back(value);
        return value;
    };
    auto index = [&](const char *name) {
        return as_array<In1<int32_t>>(field(name), name);
    };
    const In1<int32_t> indptr = index("indptr"), indices = index("indices");
    const int64_t n_in = number<int64_t>(object, "n_in");
    layer.connections = connectivity(indptr, indices, n_in);
    const int64_t nnz = layer.connections.nnz(), n_out = layer.connections.n_out;

    if (by_source) {
        const In1<int32_t> by_indptr = index("by_source_indptr"),
                           by_positions = index("by_source_positions"),
                           by_indices = index("by_source_indices");
        require_size("by_source_indptr", by_indptr.shape(0), n_in + 1);
        require_size("by_source_indices", by_indices.shape(0), nnz);
        check_index("by_source", by_indptr.data(), n_in, by_positions.data(),
                    by_positions.shape(0), nnz);
        check_index("by_source", by_indptr.data(), n_in, by_indices.data(), nnz, n_out);
        layer.by_source_indptr = by_indptr.data();
        layer.by_source_positions = by_positions.data();
        layer.by_source_indices = by_indices.data();
    }

    auto parameter = [&](const char *name, int64_t size) -> T * {
        nb::object value = field(name);
        if (value.is_none()) return nullptr;
        if (!trainable) {  // only read: a memory map of a stored model will do
            const In1<T> array = as_array<In1<T>>(value, name);
            require_size(name, array.shape(0), size);
            return const_cast<T *>(array.data());
        }
        Out1<T> array = as_array<Out1<T>>(value, name);
        require_size(name, array.shape(0), size);
        return array.data();
    };
    Parameters<T> &p = layer.parameters;
    p.weights = parameter("weights", nnz);
    p.first = parameter("first", nnz);
    p.second = parameter("second", nnz);
    p.bias = parameter("bias", n_out);
    p.bias_first = parameter("bias_first", n_out);
    p.bias_second = parameter("bias_second", n_out);
    p.sensitivity = parameter("sensitivity", nnz);
    if (!p.weights || !p.bias) fail("A layer needs weights and bias.");
    layer.activation = number<int32_t>(object, "activation");
    layer.slope = number<T>(object, "slope");
    layer.dropout = number<double>(object, "dropout");
    check_code("activation", layer.activation, ACTIVATIONS);
    if (!(layer.dropout >= 0 && layer.dropout < 1)) fail("dropout must lie in [0, 1).");
    return layer;
}

// Asks Python now and then, from a thread without the GIL, for signals such as
// KeyboardInterrupt. True once one has raised an exception, which is then set.
struct Signals {
    bool raised = false;

    bool operator()() {
        const auto now = std::chrono::steady_clock::now();
        if (!raised && now - checked_ > std::chrono::milliseconds(20)) {
            checked_ = now;
            nb::gil_scoped_acquire acquire;
            raised = PyErr_CheckSignals() != 0;
        }
        return raised;
    }

private:
    std::chrono::steady_clock::time_point checked_ = std::chrono::steady_clock::now();
};

void check_rows(const char *name, const int64_t *rows, size_t n, int64_t bound) {
    bool inside = true;
    for (size_t i = 0; i < n; ++i) inside &= rows[i] >= 0 && rows[i] < bound;
    if (!inside)
        fail(std::string(name) + " holds a row outside of [0, " + std::to_string(bound) + ").");
}

// Rows of samples that have n_rows of them. `shares` has a row more than `partners`.
template <class T>
Rows<T> checked_rows(int64_t n_rows, const In1<int64_t> &rows,
                     const std::optional<In2<int64_t>> &partners,
                     const std::optional<In2<T>> &shares) {
    const int64_t n = rows.shape(0);
    check_rows("order", rows.data(), n, n_rows);
    if (bool(partners) != bool(shares)) fail("Give partners and shares, or neither.");
    if (!partners) return {rows.data(), n};
    if (partners->shape(0) == 0) fail("partners has no row; give none at all instead.");
    require_size("shares", shares->shape(0), partners->shape(0) + 1);
    require_size("a row of partners", partners->shape(1), n);
    require_size("a row of shares", shares->shape(1), n);
    check_rows("partners", partners->data(), partners->size(), n_rows);
    return {rows.data(), n, int64_t(partners->shape(0)), partners->data(), shares->data(), n};
}

template <class T> class BoundNetwork {
public:
    // Layers are indexed by source neuron too where that is needed: the first one for
    // sparse samples, the others for training.
    BoundNetwork(nb::list layers, bool sparse, bool trainable)
        : trainable_(trainable), network_(views(layers, sparse, trainable, owners_)) {}

    // For a network that changed: other layers, the same work buffers. In between
    // nothing keeps the old arrays alive.
    void unbind() {
        network_.rebind({});
        owners_.clear();
    }
    void bind(nb::list layers, bool sparse, bool trainable) {
        unbind();
        trainable_ = trainable;
        network_.rebind(views(layers, sparse, trainable, owners_));
    }

    // Batches order[starts[i] : starts[i + 1]], or mixtures of these rows with
    // partners (see Rows). Returns the weighted sum of the losses, the sum of the
    // weights, the number of batches done, and the exception that a signal
    // (KeyboardInterrupt) raised between two batches, or None; stops there, and
    // after a batch whose loss is not finite.
    nb::tuple train(Data<T> &data, In1<int64_t> order, In1<int64_t> starts,
                    std::optional<In2<int64_t>> partners, std::optional<In2<T>> shares, int rule,
                    double rate, double momentum, double beta_1, double beta_2, double epsilon,
                    double l2, double shrink, bool shrink_bias, int64_t first_step,
                    uint64_t dropout_seed, int n_threads) {
        check_trainable(data);
        check_starts(order.shape(0), starts);
        const Rows<T> rows = checked_rows(data.samples.n_rows, order, partners, shares);
        check_code("optimizer", rule, OPTIMIZERS);
        if (first_step < 1 || first_step > INT64_MAX / 2) fail("first_step counts from 1.");
        for (const auto &layer : network_.layers()) {
            const Parameters<T> &p = layer.parameters;
            const bool needs_first = rule == ADAM || momentum != 0;
            if ((needs_first && (!p.first || !p.bias_first)) ||
                (rule == ADAM && (!p.second || !p.bias_second)))
                fail("The optimizer's state is missing from a layer.");
        }
        const Optimizer optimizer{rule,    rate, momentum, beta_1,     beta_2,
                                  epsilon, l2,   shrink,   shrink_bias};
        double loss = 0, weight = 0;
        const int64_t n_batches = std::max<int64_t>(0, int64_t(starts.shape(0)) - 1);
        int64_t done = 0;
        Signals signals;
        {
            nb::gil_scoped_release release;
            const Batches<T> batches{n_batches, starts.data(), rows, dropout_seed};
            done = network_.train(data.samples, data.targets, batches, optimizer, first_step,
                                  n_threads, std::ref(signals), loss, weight);
        }
        nb::object exception = nb::none();
        if (signals.raised) {
            nb::python_error error;  // takes Python's error over
            exception = nb::borrow(error.value());
        }
        return nb::make_tuple(loss, weight, done, exception);
    }

    // Gradients of the mean loss over `order` (one batch): fills the arrays,
    // returns the loss. No dropout differs from training's: it uses dropout_seed.
    double gradient(Data<T> &data, In1<int64_t> order, nb::list weight_gradients,
                    nb::list bias_gradients, uint64_t dropout_seed, int n_threads) {
        check_trainable(data);
        const int64_t n = order.shape(0);
        check_rows("order", order.data(), n, data.samples.n_rows);
        const size_t n_layers = network_.layers().size();
        require_size("weight_gradients", nb::len(weight_gradients), n_layers);
        require_size("bias_gradients", nb::len(bias_gradients), n_layers);
        std::vector<T *> weights, biases;
        for (size_t l = 0; l < n_layers; ++l) {
            const auto &c = network_.layers()[l].connections;
            const auto w = as_array<Out1<T>>(weight_gradients[l], "a weight gradient");
            const auto b = as_array<Out1<T>>(bias_gradients[l], "a bias gradient");
            require_size("a weight gradient", w.shape(0), c.nnz());
            require_size("a bias gradient", b.shape(0), c.n_out);
            std::fill(w.data(), w.data() + c.nnz(), T(0));
            std::fill(b.data(), b.data() + c.n_out, T(0));
            weights.push_back(w.data());
            biases.push_back(b.data());
        }
        if (n == 0) return 0;
        const Batch<T> batch{{order.data(), n},
                             static_cast<uint32_t>(splitmix64(dropout_seed, 0))};
        nb::gil_scoped_release release;
        return network_.gradient(data.samples, data.targets, batch, weights, biases, n_threads);
    }

    // For each listed layer the free places with the steepest gradient on `order`
    // (one batch), at most `counts` of them; see Network::steepest_places.
    nb::list steepest_places(Data<T> &data, In1<int64_t> order, const std::vector<int64_t> &layers,
                             nb::list keeps, const std::vector<int64_t> &counts,
                             uint64_t dropout_seed, int n_threads) {
        check_trainable(data);
        check_rows("order", order.data(), order.shape(0), data.samples.n_rows);
        if (order.shape(0) == 0) fail("order is empty: a gradient needs a sample.");
        require_size("keeps", nb::len(keeps), layers.size());
        require_size("counts", counts.size(), layers.size());
        std::vector<WantedPlaces> wanted;
        std::vector<In1<uint8_t>> owners;
        for (size_t i = 0; i < layers.size(); ++i) {
            if (layers[i] < 0 || layers[i] >= int64_t(network_.layers().size()))
                fail("There is no layer " + std::to_string(layers[i]) + ".");
            owners.push_back(as_array<In1<uint8_t>>(keeps[i], "keep"));
            const auto &c = network_.layers()[layers[i]].connections;
            require_size("keep", owners.back().shape(0), c.nnz());
            wanted.push_back({size_t(layers[i]), owners.back().data(),
                              std::min(counts[i], int64_t{c.n_in} * c.n_out)});
        }
        const Batch<T> batch{{order.data(), int64_t(order.shape(0))},
                             static_cast<uint32_t>(splitmix64(dropout_seed, 0))};
        std::vector<std::vector<int64_t>> found;
        {
            nb::gil_scoped_release release;
            found = network_.steepest_places(data.samples, data.targets, batch, wanted, n_threads);
        }
        nb::list result;
        for (const auto &keys : found)
            result.append(to_numpy(Array<int64_t>(keys.begin(), keys.end())));
        return result;
    }

    void predict(const Data<T> &data, Out2<T> out, int n_threads) const {
        data.check_against(network_, false);
        check_indexed(data);
        require_size("out", out.shape(0), data.samples.n_rows);
        require_size("a row of out", out.shape(1), network_.layers().back().connections.n_out);
        Signals signals;
        {
            nb::gil_scoped_release release;
            network_.predict(data.samples, out.data(), n_threads, std::ref(signals));
        }
        if (signals.raised) throw nb::python_error();
    }

private:
    static std::vector<LayerView<T>> views(nb::list layers, bool sparse, bool trainable,
                                           std::vector<nb::object> &owners) {
        std::vector<LayerView<T>> result;
        for (nb::handle layer : layers)
            result.push_back(
                layer_view<T>(layer, result.empty() ? sparse : trainable, trainable, owners));
        if (result.empty()) fail("A network needs a layer.");
        for (size_t l = 1; l < result.size(); ++l)
            require_size("the next layer's inputs", result[l].connections.n_in,
                         result[l - 1].connections.n_out);
        return result;
    }

    void check_trainable(const Data<T> &data) const {
        data.check_against(network_, true);
        if (!trainable_) fail("This network was bound for prediction only.");
        check_indexed(data);
    }

    void check_indexed(const Data<T> &data) const {
        if (data.samples.sparse() && !network_.layers().front().by_source_indptr)
            fail("Sparse samples need the first layer indexed by source.");
    }

    static void check_starts(int64_t n, const In1<int64_t> &starts) {
        for (size_t i = 0; i < starts.shape(0); ++i) {
            const int64_t start = starts.data()[i];
            if (start < 0 || start > n || (i && start <= starts.data()[i - 1]))
                fail("starts must increase within [0, len(order)].");
        }
    }

    std::vector<nb::object> owners_;
    bool trainable_;
    Network<T> network_;
};

// ------------------------------- single kernels, for layers of PyTorch and for tests
// (`repeat` calls the kernel so many times after one check of its arrays, to time it)

template <class T> const Kernels<T> &table_of(const KernelTables &tables);
template <> const Kernels<float> &table_of(const KernelTables &tables) { return *tables.f32; }
template <> const Kernels<double> &table_of(const KernelTables &tables) { return *tables.f64; }

template <class T> const Kernels<T> &kernels_named(const std::string &isa) {
    static const std::vector<KernelTables> tables = runnable_tables();
    if (isa.empty()) return active_kernels<T>();
    for (const KernelTables &t : tables)
        if (t.isa == isa) return table_of<T>(t);
    fail("isa=" + isa + " is not runnable here.");
}

template <class T> void check_rows_layout(const char *name, const T *data, int64_t stride) {
    const int64_t bytes = stride * int64_t(sizeof(T));
    if (bytes != 16 && bytes != 32 && (bytes % 64 || bytes == 0))
        fail(std::string(name) + ": a row of " + std::to_string(bytes) +
             " bytes is neither 16, 32 nor a multiple of 64.");
    if (reinterpret_cast<uintptr_t>(data) % 64)
        fail(std::string(name) + " must be aligned to 64 bytes.");
}

// Calls kernel(begin, end) on parts of the rows of an index, one for each thread that a
// batch of `stride` lanes is worth.
template <class F>
void in_parts(const ConnectivityView &c, int64_t stride, int n_threads, const F &kernel) {
    n_threads = useful_threads(c.nnz() * stride, n_threads);
    if (n_threads == 1) return kernel(0, c.n_out);
#pragma omp parallel num_threads(n_threads)
    {
        const Range rows =
            share(c.indptr, c.n_out, omp_get_thread_num(), omp_get_num_threads());
        kernel(rows.begin, rows.end);
    }
}

template <class A> auto rows_of(const char *name, const A &array, int64_t n, int64_t stride = -1) {
    require_size(name, array.shape(0), n);
    if (stride >= 0) require_size(name, array.shape(1), stride);
    check_rows_layout(name, array.data(), array.shape(1));
    return array.data();
}

template <class T>
void py_product(In1<int32_t> indptr, In1<int32_t> indices, In1<T> weights, In1<T> bias, In2<T> a,
                Out2<T> z, int activation, double slope, std::optional<Out2<T>> derivative,
                double dropout, uint32_t dropout_seed, const std::string &isa, int repeat,
                int n_threads) {
    const ConnectivityView c = connectivity(indptr, indices, a.shape(0));
    require_size("weights", weights.shape(0), c.nnz());
    require_size("bias", bias.shape(0), c.n_out);
    const int64_t stride = a.shape(1);
    check_code("activation", activation, ACTIVATIONS);
    if (!(dropout >= 0 && dropout < 1)) fail("dropout must lie in [0, 1).");
    Activation<T> f{activation, T(slope), nullptr, dropout_threshold(dropout),
                    T(1 / (1 - dropout)), dropout_seed};
    if (derivative) f.derivative = rows_of("derivative", *derivative, c.n_out, stride);
    const T *input = rows_of("a", a, c.n_in);
    T *output = rows_of("z", z, c.n_out, stride);
    const Kernels<T> &k = kernels_named<T>(isa);
    nb::gil_scoped_release release;
    for (int i = 0; i < repeat; ++i)
        in_parts(c, stride, n_threads, [&](int32_t begin, int32_t end) {
            k.product(c.indptr, c.indices, weights.data(), bias.data(), input, output, stride,
                      begin, end, f);
        });
}

template <class T>
void py_transposed_product(In1<int32_t> indptr, In1<int32_t> positions, In1<int32_t> indices,
                           In1<T> weights, In2<T> delta, Out2<T> out, int activation, double slope,
                           std::optional<In2<T>> a, std::optional<In2<T>> derivative,
                           const std::string &isa, int repeat, int n_threads) {
    const ConnectivityView c = connectivity(indptr, indices, delta.shape(0));
    check_index("positions", c.indptr, c.n_out, positions.data(), positions.shape(0), c.nnz());
    require_size("weights", weights.shape(0), c.nnz());
    const int64_t stride = delta.shape(1);
    check_code("activation", activation, ACTIVATIONS);
    Derivative<T> f{activation, T(slope), nullptr, nullptr};
    if (a) f.activation = rows_of("a", *a, c.n_out, stride);
    if (derivative) f.derivative = rows_of("derivative", *derivative, c.n_out, stride);
    if (!derivative_from_output(activation, slope) && !derivative) fail("Give derivative.");
    if (activation != IDENTITY && !a && !derivative) fail("Give a or derivative.");
    const T *input = rows_of("delta", delta, c.n_in);
    T *output = rows_of("out", out, c.n_out, stride);
    const Kernels<T> &k = kernels_named<T>(isa);
    nb::gil_scoped_release release;
    for (int i = 0; i < repeat; ++i)
        in_parts(c, stride, n_threads, [&](int32_t begin, int32_t end) {
            k.transposed_product(c.indptr, positions.data(), c.indices, weights.data(), input,
                                 output, stride, begin, end, f);
        });
}

template <class T>
void py_gradient(In1<int32_t> indptr, In1<int32_t> indices, In2<T> a, In2<T> delta,
                 Out1<T> gradient, Out1<T> bias_gradient, const std::string &isa, int repeat,
                 int n_threads) {
    const ConnectivityView c = connectivity(indptr, indices, a.shape(0));
    const int64_t stride = a.shape(1);
    const T *input = rows_of("a", a, c.n_in);
    const T *deltas = rows_of("delta", delta, c.n_out, stride);
    require_size("gradient", gradient.shape(0), c.nnz());
    require_size("bias_gradient", bias_gradient.shape(0), c.n_out);
    const Kernels<T> &k = kernels_named<T>(isa);
    nb::gil_scoped_release release;
    for (int i = 0; i < repeat; ++i)
        in_parts(c, stride, n_threads, [&](int32_t begin, int32_t end) {
            k.gradient(c.indptr, c.indices, input, deltas, gradient.data(), bias_gradient.data(),
                       stride, begin, end);
        });
}

template <class T>
void py_descend(In1<int32_t> indptr, In1<int32_t> indices, In2<T> a, In2<T> delta, Out1<T> weights,
                Out1<T> first, Out1<T> second, Out1<T> bias, Out1<T> bias_first,
                Out1<T> bias_second, std::optional<Out1<T>> sensitivity, int rule, double rate,
                double momentum, double beta_1, double beta_2, double epsilon, double l2,
                double shrink, bool shrink_bias, const std::string &isa, int repeat) {
    const ConnectivityView c = connectivity(indptr, indices, a.shape(0));
    const int64_t stride = a.shape(1), nnz = c.nnz(), n_out = c.n_out;
    const T *input = rows_of("a", a, c.n_in);
    const T *deltas = rows_of("delta", delta, n_out, stride);
    require_size("weights", weights.shape(0), nnz);
    require_size("first", first.shape(0), nnz);
    require_size("second", second.shape(0), nnz);
    require_size("bias", bias.shape(0), n_out);
    require_size("bias_first", bias_first.shape(0), n_out);
    require_size("bias_second", bias_second.shape(0), n_out);
    if (sensitivity) require_size("sensitivity", sensitivity->shape(0), nnz);
    check_code("optimizer", rule, OPTIMIZERS);
    const Parameters<T> p{weights.data(),    first.data(),       second.data(),
                          bias.data(),       bias_first.data(),  bias_second.data(),
                          sensitivity ? sensitivity->data() : nullptr};
    const Update<T> u{rule,      T(rate),    T(momentum), T(beta_1),  T(beta_2),
                      T(epsilon), T(l2), T(shrink), shrink_bias};
    const Kernels<T> &k = kernels_named<T>(isa);
    nb::gil_scoped_release release;
    for (int i = 0; i < repeat; ++i)
        k.descend(c.indptr, c.indices, input, deltas, stride, 0, c.n_out, p, u);
}

template <class T>
void py_gather_rows(In2<T> x, In1<int64_t> order, std::optional<In2<int64_t>> partners,
                    std::optional<In2<T>> shares, Out2<T> a, const std::string &isa) {
    T *out = rows_of("a", a, x.shape(1));
    if (order.shape(0) > a.shape(1)) fail("a has fewer lanes than rows.");
    const Rows<T> rows = checked_rows(x.shape(0), order, partners, shares);
    kernels_named<T>(isa).gather_rows(x.data(), x.shape(1), rows, out, a.shape(1), 0, x.shape(1));
}

template <class T> void bind(nb::module_ &m, const char *suffix) {
    const std::string s(suffix);
    m.def("count_signs", &py_count_signs<T>, "weights"_a.noconvert());
    m.def("drop_nearest_zero", &py_drop_nearest_zero<T>, "weights"_a.noconvert(), "n_negative"_a,
          "n_positive"_a);
    m.def("drop_smallest", &py_drop_smallest<T>, "scores"_a.noconvert(), "n_drop"_a);
    m.def("carry", &py_carry<T>, "values"_a.noconvert(), "source"_a.noconvert(),
          "new_values"_a.noconvert().none() = nb::none());

    nb::class_<Data<T>>(m, ("Data" + s).c_str())
        .def(nb::init<std::optional<In2<T>>, std::optional<In1<T>>, std::optional<In1<int32_t>>,
                      std::optional<In1<int64_t>>, int64_t>(),
             "x"_a.noconvert().none(), "data"_a.noconvert().none(), "indices"_a.noconvert().none(),
             "indptr"_a.noconvert().none(), "n_features"_a)
        .def("set_targets", &Data<T>::set_targets, "loss"_a, "labels"_a.noconvert().none(),
             "values"_a.noconvert().none(), "weights"_a.noconvert().none(), "huber_delta"_a);
    nb::class_<BoundNetwork<T>>(m, ("Network" + s).c_str())
        .def(nb::init<nb::list, bool, bool>(), "layers"_a, "sparse"_a, "trainable"_a)
        .def("unbind", &BoundNetwork<T>::unbind)
        .def("bind", &BoundNetwork<T>::bind, "layers"_a, "sparse"_a, "trainable"_a)
        .def("train", &BoundNetwork<T>::train, "data"_a, "order"_a.noconvert(),
             "starts"_a.noconvert(), "partners"_a.noconvert().none(), "shares"_a.noconvert().none(),
             "rule"_a, "rate"_a, "momentum"_a, "beta_1"_a, "beta_2"_a, "epsilon"_a, "l2"_a,
             "shrink"_a, "shrink_bias"_a, "first_step"_a, "dropout_seed"_a, "n_threads"_a)
        .def("gradient", &BoundNetwork<T>::gradient, "data"_a, "order"_a.noconvert(),
             "weight_gradients"_a, "bias_gradients"_a, "dropout_seed"_a, "n_threads"_a)
        .def("steepest_places", &BoundNetwork<T>::steepest_places, "data"_a,
             "order"_a.noconvert(), "layers"_a, "keeps"_a, "counts"_a, "dropout_seed"_a,
             "n_threads"_a)
        .def("predict", &BoundNetwork<T>::predict, "data"_a, "out"_a.noconvert(), "n_threads"_a);

    m.def("product", &py_product<T>, "indptr"_a.noconvert(), "indices"_a.noconvert(),
          "weights"_a.noconvert(), "bias"_a.noconvert(), "a"_a.noconvert(), "z"_a.noconvert(),
          "activation"_a = int(IDENTITY), "slope"_a = 0.0,
          "derivative"_a.noconvert() = nb::none(), "dropout"_a = 0.0, "dropout_seed"_a = 0,
          "isa"_a = "", "repeat"_a = 1, "n_threads"_a = 1);
    m.def("transposed_product", &py_transposed_product<T>, "indptr"_a.noconvert(),
          "positions"_a.noconvert(), "indices"_a.noconvert(), "weights"_a.noconvert(),
          "delta"_a.noconvert(), "out"_a.noconvert(), "activation"_a = int(IDENTITY),
          "slope"_a = 0.0, "a"_a.noconvert() = nb::none(),
          "derivative"_a.noconvert() = nb::none(), "isa"_a = "", "repeat"_a = 1,
          "n_threads"_a = 1);
    m.def("gradient", &py_gradient<T>, "indptr"_a.noconvert(), "indices"_a.noconvert(),
          "a"_a.noconvert(), "delta"_a.noconvert(), "gradient"_a.noconvert(),
          "bias_gradient"_a.noconvert(), "isa"_a = "", "repeat"_a = 1, "n_threads"_a = 1);
    m.def("descend", &py_descend<T>, "indptr"_a.noconvert(), "indices"_a.noconvert(),
          "a"_a.noconvert(), "delta"_a.noconvert(), "weights"_a.noconvert(),
          "first"_a.noconvert(), "second"_a.noconvert(), "bias"_a.noconvert(),
          "bias_first"_a.noconvert(), "bias_second"_a.noconvert(),
          "sensitivity"_a.noconvert().none(), "rule"_a, "rate"_a, "momentum"_a = 0.0,
          "beta_1"_a = 0.9, "beta_2"_a = 0.999, "epsilon"_a = 1e-8, "l2"_a = 0.0,
          "shrink"_a = 0.0, "shrink_bias"_a = false, "isa"_a = "", "repeat"_a = 1);
    m.def("gather_rows", &py_gather_rows<T>, "x"_a.noconvert(), "order"_a.noconvert(),
          "partners"_a.noconvert().none(), "shares"_a.noconvert().none(), "a"_a.noconvert(),
          "isa"_a = "");
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The native core of sklearn_set: kernels, topology and training batches.";
    m.attr("ACTIVATIONS") = codes(ACTIVATIONS);
    m.attr("LOSSES") = codes(LOSSES);
    m.attr("OPTIMIZERS") = codes(OPTIMIZERS);
    m.def("isa", [] { return active_tables().isa; });
    m.def("runnable_isas", [] {
        std::vector<std::string> names;
        for (const KernelTables &t : runnable_tables()) names.push_back(t.isa);
        return names;
    });
    m.def("max_threads", [] { return omp_get_max_threads(); });
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
    bind<float>(m, "F32");
    bind<double>(m, "F64");
}
