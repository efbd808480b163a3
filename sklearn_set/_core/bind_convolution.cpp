// Convolutions for layers of PyTorch.
//
// Owns: the checks of their arrays. May not touch: numbers.
#include <nanobind/stl/string.h>

#include "arrays.h"
#include "bindings.h"
#include "convolution.h"

namespace sklearn_set {

using namespace nb::literals;

namespace {

template <class T> using In4 = Contiguous<const T, 4>;
template <class T> using Out4 = Contiguous<T, 4>;

// `window` holds kernel, stride, padding (in front) and dilation, of each the vertical first.
template <class A, class B>
std::pair<Axis, Axis> axes(const In1<int32_t> &window, const A &images, const B &results) {
    require_size("window", window.shape(0), 8);
    require_size("results", results.shape(0), images.shape(0));
    Axis found[2];
    for (int i = 0; i < 2; ++i) {
        const int64_t size = images.shape(2 + i), out = results.shape(2 + i);
        const int32_t *w = window.data() + i;  // kernel, stride, padding, dilation
        if (w[0] < 1 || w[2] < 1 || w[4] < 0 || w[6] < 1)
            fail("kernel, stride and dilation must be >= 1, padding >= 0.");
        for (int64_t n : {size, out, int64_t{w[0]} * w[6], int64_t{w[2]}, int64_t{w[4]}})
            if (n >= 1 << 20)
                fail(std::to_string(n) + " pixels along an axis are too large an image or window.");
        found[i] = {int32_t(size), int32_t(out), w[0], w[2], w[4], w[6]};
    }
    return {found[0], found[1]};
}

template <class T, class A, class B>
Convolution<T> checked(const In1<int32_t> &indptr, const In1<int32_t> &indices,
                       const In1<int32_t> &window, const A &images, const B &results,
                       const std::string &isa) {
    const auto [y, x] = axes(window, images, results);
    const int64_t channels = images.shape(1);
    const ConnectivityView c =
        connectivity(indptr, indices, channels * y.kernel * x.kernel);
    require_size("results", results.shape(1), c.n_out);
    return {c, int64_t(images.shape(0)), channels, y, x, kernels_named<T>(isa)};
}

template <class T>
void py_convolve(In1<int32_t> indptr, In1<int32_t> indices, In1<T> weights, In1<T> bias,
                 In1<int32_t> window, In4<T> images, Out4<T> out, const std::string &isa, int n_threads) {
    const auto convolution = checked<T>(indptr, indices, window, images, out, isa);
    require_size("weights", weights.shape(0), indices.shape(0));
    require_size("bias", bias.shape(0), out.shape(1));
    nb::gil_scoped_release release;
    convolution.forward(weights.data(), bias.data(), images.data(), out.data(), n_threads);
}

template <class T>
void py_input_gradient(In1<int32_t> indptr, In1<int32_t> indices,
                       In1<int32_t> by_place_indptr, In1<int32_t> by_place_positions,
                       In1<int32_t> by_place_indices, In1<T> weights, In1<int32_t> window,
                       In4<T> delta, Out4<T> below, const std::string &isa, int n_threads) {
    const auto convolution = checked<T>(indptr, indices, window, below, delta, isa);
    const int64_t nnz = indices.shape(0);
    require_size("weights", weights.shape(0), nnz);
    const ConnectivityView c = connectivity(by_place_indptr, by_place_indices, delta.shape(1));
    require_size("by_place_indptr", c.n_out, below.shape(1) * window.data()[0] * window.data()[1]);
    check_index("by_place_positions", c.indptr, c.n_out, by_place_positions.data(),
                by_place_positions.shape(0), nnz);
    nb::gil_scoped_release release;
    convolution.input_gradient(c.indptr, by_place_positions.data(), c.indices, weights.data(),
                               delta.data(), below.data(), n_threads);
}

template <class T>
void py_gradient(In1<int32_t> indptr, In1<int32_t> indices, In1<int32_t> window, In4<T> images,
                 In4<T> delta, Out1<T> gradient, Out1<T> bias_gradient, const std::string &isa, int n_threads) {
    const auto convolution = checked<T>(indptr, indices, window, images, delta, isa);
    require_size("gradient", gradient.shape(0), indices.shape(0));
    require_size("bias_gradient", bias_gradient.shape(0), delta.shape(1));
    nb::gil_scoped_release release;
    convolution.gradient(images.data(), delta.data(), gradient.data(), bias_gradient.data(),
                         n_threads);
}

template <class T> void bind_convolution_of(nb::module_ &m) {
    m.def("convolve", &py_convolve<T>, "indptr"_a.noconvert(), "indices"_a.noconvert(),
          "weights"_a.noconvert(), "bias"_a.noconvert(), "window"_a.noconvert(),
          "images"_a.noconvert(), "out"_a.noconvert(), "isa"_a = "", "n_threads"_a = 1);
    m.def("convolution_input_gradient", &py_input_gradient<T>, "indptr"_a.noconvert(),
          "indices"_a.noconvert(), "by_place_indptr"_a.noconvert(),
          "by_place_positions"_a.noconvert(), "by_place_indices"_a.noconvert(),
          "weights"_a.noconvert(), "window"_a.noconvert(), "delta"_a.noconvert(),
          "below"_a.noconvert(), "isa"_a = "", "n_threads"_a = 1);
    m.def("convolution_gradient", &py_gradient<T>, "indptr"_a.noconvert(),
          "indices"_a.noconvert(), "window"_a.noconvert(), "images"_a.noconvert(),
          "delta"_a.noconvert(), "gradient"_a.noconvert(), "bias_gradient"_a.noconvert(),
          "isa"_a = "", "n_threads"_a = 1);
}

}  // namespace

void bind_convolution(nb::module_ &m) {
    bind_convolution_of<float>(m);
    bind_convolution_of<double>(m);
}

}  // namespace sklearn_set
