// Convolutions whose weights exist only at their connections.
//
// Owns: how images are laid out for the kernels, and threads. May not touch: Python, and which
// connections there are.
//
// Layout. The images of a group are copied into one row for each channel, line after line, with
// zeros between the lines and between the images: as many as a window can reach over an edge,
// once, because what lies behind one line lies before the next. A place of the window is then one
// shift for all pixels, and a connection one multiply-add of a shifted row:
//     out[o][j] += w * in[c][j + shift].
// What lands between the lines is not copied out. With a stride s, pixels s * q + f of each
// "phase" f make up a row of their own, so that the shift is still one for all.
#pragma once
#include <cstdint>
#include <vector>

#include "network.h"

namespace sklearn_set {

// Windows along one axis of the images.
struct Axis {
    int32_t size, out;                         // pixels of an image and of its result
    int32_t kernel, stride, padding, dilation;  // padding: zeros in front
    // Where place k of the window falls: pixel stride * (q + shift) + phase for result q.
    int32_t phase(int32_t k) const;
    int32_t shift(int32_t k) const;
};

template <class T> class Convolution {
public:
    // Connection k of output channel d reads place indices[k], (c * y.kernel + ky) * x.kernel + kx.
    Convolution(const ConnectivityView &connections, int64_t n_images, int64_t channels,
                const Axis &y, const Axis &x, const Kernels<T> &kernels);

    // All images are contiguous: (n_images, channels, y.size, x.size), results
    // (n_images, n_out, y.out, x.out). The bits do not depend on the number of threads.
    void forward(const T *weights, const T *bias, const T *images, T *out, int n_threads) const;

    // The gradient at the images; positions and destinations: the index by place.
    void input_gradient(const int32_t *indptr, const int32_t *positions,
                        const int32_t *destinations, const T *weights, const T *delta,
                        T *below, int n_threads) const;

    void gradient(const T *images, const T *delta, T *gradient, T *bias_gradient,
                  int n_threads) const;

private:
    // The pixels of one axis, as cells of one or more phases.
    struct Cells {
        int32_t size, stride;
        std::vector<int32_t> phases;
    };
    // Images or results, as planes: one for each channel and each phase of both axes.
    struct Side {
        int64_t channels;
        Cells y, x;
        int64_t planes() const { return channels * int64_t(y.phases.size() * x.phases.size()); }
    };
    // What each plane of one side sums: shifted rows of the other.
    struct Sums {
        std::vector<int32_t> indptr, offsets;
        std::vector<T> weights, start;
    };
    // `images` at a time: `n` groups of rows `pitch` apart.
    struct Groups {
        int64_t images, n, pitch;
    };

    Groups groups(int64_t planes, int n_threads) const;
    std::vector<int32_t> offsets(int64_t pitch) const;
    int64_t rows_size(const Side &side, int64_t pitch) const;
    template <class Visit>
    void each_line(const Side &side, int64_t plane, int64_t first, int64_t count,
                   const Visit &visit) const;
    void copy_in(const Side &side, int64_t begin, int64_t end, const Groups &g, int64_t group,
                 const T *source, T *rows) const;
    void sweep(const Side &from, const T *source, const Side &to, T *target, const Groups &g,
               const Sums &sums, int n_threads) const;

    ConnectivityView c_;
    Axis y_, x_;
    int64_t n_images_, lines_, width_, margin_;  // lines of an image, their width in a row
    Side images_, results_;
    const Kernels<T> &kernels_;
};

extern template class Convolution<float>;
extern template class Convolution<double>;

}  // namespace sklearn_set
