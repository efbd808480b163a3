// Single kernels, for layers of PyTorch and for tests.
//
// Owns: the checks of their arrays. May not touch: numbers. `repeat` is how often a kernel is
// called after one check of its arrays, for timing.
#include <nanobind/stl/string.h>
#include <omp.h>

#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "network.h"

namespace sklearn_set {

using namespace nb::literals;

namespace {

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

template <class T>
Numpy<T> py_carry(In1<T> values, In1<int32_t> source, std::optional<In1<T>> new_values,
                  const std::string &isa) {
    const int32_t n = static_cast<int32_t>(values.shape(0)), *from = source.data();
    const int64_t n_after = source.shape(0);
    const Kernels<T> &k = kernels_named<T>(isa);
    const int64_t n_new = k.count_new(from, n_after, n);
    if (n_new < 0) fail("source points behind the values.");
    if (new_values) require_size("new_values", new_values->shape(0), n_new);
    Array<T> moved(n_after);
    {
        nb::gil_scoped_release release;
        k.carry(values.data(), n, from, n_after, new_values ? new_values->data() : nullptr,
                n_new, moved.data());
    }
    return to_numpy(std::move(moved));
}

template <class T> void bind_kernels_of(nb::module_ &m) {
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
    m.def("carry", &py_carry<T>, "values"_a.noconvert(), "source"_a.noconvert(),
          "new_values"_a.noconvert().none() = nb::none(), "isa"_a = "");
}

}  // namespace

void bind_kernels(nb::module_ &m) {
    bind_kernels_of<float>(m);
    bind_kernels_of<double>(m);
}

}  // namespace sklearn_set
