#include "convolution.h"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace sklearn_set {

namespace {

// Of the rows that a thread reads again and again: what fits beside others into a core's cache.
constexpr int64_t GROUP_BYTES = 1 << 19;
constexpr int64_t ROW_BYTES = 256;  // rows are this long, or a multiple

int32_t floor_divide(int32_t a, int32_t b) { return a / b - (a % b < 0); }

int64_t round_up(int64_t n, int64_t grain) { return (n + grain - 1) / grain * grain; }

// How far windows reach over the front edge and, in cells of the result, over the back edge.
int32_t lead(const Axis &a) { return -a.shift(0); }
int32_t trail(const Axis &a) { return std::max(0, a.shift(a.kernel - 1)); }

int64_t line_length(const Axis &a) {
    const int32_t cells = (a.size + a.stride - 1) / a.stride;
    return std::max(int64_t{cells} + lead(a), int64_t{a.out} + trail(a));
}

std::vector<int32_t> phases_of(const Axis &a) {
    std::vector<int32_t> phases;
    for (int32_t k = 0; k < a.kernel; ++k) phases.push_back(a.phase(k));
    std::sort(phases.begin(), phases.end());
    phases.erase(std::unique(phases.begin(), phases.end()), phases.end());
    return phases;
}

int32_t index_of(const std::vector<int32_t> &phases, int32_t phase) {
    return int32_t(std::lower_bound(phases.begin(), phases.end(), phase) - phases.begin());
}

}  // namespace

int32_t Axis::shift(int32_t k) const { return floor_divide(k * dilation - padding, stride); }
int32_t Axis::phase(int32_t k) const { return k * dilation - padding - stride * shift(k); }

template <class T>
Convolution<T>::Convolution(const ConnectivityView &connections, int64_t n_images,
                            int64_t channels, const Axis &y, const Axis &x,
                            const Kernels<T> &kernels)
    : c_(connections), y_(y), x_(x), n_images_(n_images), lines_(line_length(y)),
      width_(line_length(x)),
      margin_(round_up((std::max(lead(y), trail(y)) + 1) * width_, 64)),
      images_{channels, {y.size, y.stride, phases_of(y)}, {x.size, x.stride, phases_of(x)}},
      results_{connections.n_out, {y.out, 1, {0}}, {x.out, 1, {0}}},
      kernels_(kernels) {}

// More groups for more threads, unless n_threads is 0.
template <class T>
typename Convolution<T>::Groups Convolution<T>::groups(int64_t planes, int n_threads) const {
    const int64_t image = lines_ * width_, grain = ROW_BYTES / int64_t(sizeof(T));
    if (planes > INT32_MAX || image > INT32_MAX ||
        (planes + 1) * round_up(image, grain) + 2 * margin_ > INT32_MAX)
        throw std::length_error("The images are too large for a sparse convolution.");
    int64_t size = GROUP_BYTES / std::max<int64_t>(1, planes * image * int64_t(sizeof(T)));
    size = std::clamp<int64_t>(size, 1, n_images_);
    int64_t n = (n_images_ + size - 1) / size;
    if (n_threads > 0) n = std::min(n_images_, round_up(n, n_threads));
    size = (n_images_ + n - 1) / n;  // all about the same
    return {size, (n_images_ + size - 1) / size, round_up(size * image, grain)};
}

template <class T> int64_t Convolution<T>::rows_size(const Side &side, int64_t pitch) const {
    return side.planes() * pitch + 2 * margin_;
}

// The place of each connection in the rows of images.
template <class T> std::vector<int32_t> Convolution<T>::offsets(int64_t pitch) const {
    const auto &ys = images_.y.phases, &xs = images_.x.phases;
    std::vector<int32_t> of_place;
    of_place.reserve(c_.n_in);
    for (int64_t channel = 0; channel < images_.channels; ++channel)
        for (int32_t ky = 0; ky < y_.kernel; ++ky)
            for (int32_t kx = 0; kx < x_.kernel; ++kx) {
                const int64_t plane = (channel * ys.size() + index_of(ys, y_.phase(ky))) *
                                          xs.size() + index_of(xs, x_.phase(kx));
                of_place.push_back(
                    int32_t(plane * pitch + y_.shift(ky) * width_ + x_.shift(kx)));
            }
    std::vector<int32_t> result(c_.nnz());
    for (size_t k = 0; k < result.size(); ++k) result[k] = of_place[c_.indices[k]];
    return result;
}

// Calls visit(pixel, lane, n) for each line of a plane in the images [first, first + count):
// its n cells lie at `lane` of the row, and `stride` pixels apart from `pixel` on.
template <class T>
template <class Visit>
void Convolution<T>::each_line(const Side &side, int64_t plane, int64_t first, int64_t count,
                               const Visit &visit) const {
    const auto &[channels, y, x] = side;
    const int64_t fx = x.phases[plane % x.phases.size()];
    const int64_t rest = plane / x.phases.size();
    const int64_t fy = y.phases[rest % y.phases.size()], channel = rest / y.phases.size();
    const int64_t n = (x.size - fx + x.stride - 1) / x.stride;
    if (n <= 0) return;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t image = ((first + i) * channels + channel) * y.size * x.size;
        for (int64_t q = 0, at = fy; at < y.size; ++q, at += y.stride)
            visit(image + at * x.size + fx, (i * lines_ + q) * width_, n);
    }
}

// The planes [begin, end) of a group into its rows; images that are missing are zero.
template <class T>
void Convolution<T>::copy_in(const Side &side, int64_t begin, int64_t end, const Groups &g,
                             int64_t group, const T *source, T *rows) const {
    const int64_t first = group * g.images, count = std::min(g.images, n_images_ - first);
    const int64_t stride = side.x.stride, image = lines_ * width_;
    for (int64_t plane = begin; plane < end; ++plane) {
        T *row = rows + margin_ + plane * g.pitch;
        each_line(side, plane, first, count, [&](int64_t pixel, int64_t lane, int64_t n) {
            if (stride == 1) std::memcpy(row + lane, source + pixel, n * sizeof(T));
            else for (int64_t i = 0; i < n; ++i) row[lane + i] = source[pixel + i * stride];
        });
        std::fill(row + count * image, row + g.images * image, T(0));
    }
}

// target = the sums over the rows of source, both as images.
template <class T>
void Convolution<T>::sweep(const Side &from, const T *source, const Side &to, T *target,
                           const Groups &g, const Sums &sums, int n_threads) const {
    const int64_t stride = to.x.stride, n_rows = rows_size(from, g.pitch);
    const int n_parts = int((n_threads + g.n - 1) / g.n);  // of a group, where groups are few
    std::vector<Buffer> buffers(n_threads);
    for (Buffer &buffer : buffers) buffer.reserve((n_rows + g.pitch) * sizeof(T));
#pragma omp parallel num_threads(n_threads)
    {
        T *rows = static_cast<T *>(buffers[omp_get_thread_num()].reserve(0));
        T *found = rows + n_rows;
        std::fill(rows, found, T(0));
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < g.n * n_parts; ++task) {
            const int64_t group = task / n_parts, first = group * g.images;
            const int64_t count = std::min(g.images, n_images_ - first);
            const Range part = share(sums.indptr.data(), int32_t(to.planes()),
                                     int(task % n_parts), n_parts);
            copy_in(from, 0, from.planes(), g, group, source, rows);
            for (int32_t plane = part.begin; plane < part.end; ++plane) {
                const int32_t k = sums.indptr[plane], n = sums.indptr[plane + 1] - k;
                kernels_.shifted_product(sums.offsets.data() + k, sums.weights.data() + k, n,
                                         sums.start[plane], rows + margin_, found, g.pitch);
                each_line(to, plane, first, count, [&](int64_t pixel, int64_t lane, int64_t m) {
                    T *out = target + pixel;
                    if (stride == 1) std::memcpy(out, found + lane, m * sizeof(T));
                    else for (int64_t i = 0; i < m; ++i) out[i * stride] = found[lane + i];
                });
            }
        }
    }
}

template <class T>
void Convolution<T>::forward(const T *weights, const T *bias, const T *images, T *out,
                             int n_threads) const {
    if (n_images_ == 0) return;
    n_threads = useful_threads(c_.nnz() * n_images_ * y_.out * x_.out, n_threads);
    const Groups g = groups(images_.planes(), n_threads);
    const Sums sums{{c_.indptr, c_.indptr + c_.n_out + 1}, offsets(g.pitch),
                    {weights, weights + c_.nnz()}, {bias, bias + c_.n_out}};
    sweep(images_, images, results_, out, g, sums, n_threads);
}

template <class T>
void Convolution<T>::input_gradient(const int32_t *indptr, const int32_t *positions,
                                    const int32_t *destinations, const T *weights,
                                    const T *delta, T *below, int n_threads) const {
    if (n_images_ == 0) return;
    n_threads = useful_threads(c_.nnz() * n_images_ * y_.out * x_.out, n_threads);
    const Groups g = groups(results_.planes(), n_threads);
    const auto &ys = images_.y.phases, &xs = images_.x.phases;
    const bool whole = int32_t(ys.size()) == y_.stride && int32_t(xs.size()) == x_.stride;
    if (!whole) std::fill_n(below, n_images_ * images_.channels * y_.size * x_.size, T(0));
    Sums sums{{0}, {}, {}, std::vector<T>(images_.planes())};
    sums.offsets.reserve(c_.nnz());
    sums.weights.reserve(c_.nnz());
    for (int64_t channel = 0; channel < images_.channels; ++channel)
        for (int32_t fy : ys)
            for (int32_t fx : xs) {
                for (int32_t ky = 0; ky < y_.kernel; ++ky)
                    for (int32_t kx = 0; kx < x_.kernel; ++kx) {
                        if (y_.phase(ky) != fy || x_.phase(kx) != fx) continue;
                        const int64_t place = (channel * y_.kernel + ky) * x_.kernel + kx;
                        const int64_t shift = y_.shift(ky) * width_ + x_.shift(kx);
                        for (int32_t k = indptr[place]; k < indptr[place + 1]; ++k) {
                            sums.offsets.push_back(int32_t(destinations[k] * g.pitch - shift));
                            sums.weights.push_back(weights[positions[k]]);
                        }
                    }
                sums.indptr.push_back(int32_t(sums.offsets.size()));
            }
    sweep(results_, delta, images_, below, g, sums, n_threads);
}

template <class T>
void Convolution<T>::gradient(const T *images, const T *delta, T *gradient, T *bias_gradient,
                              int n_threads) const {
    std::fill_n(gradient, c_.nnz(), T(0));
    std::fill_n(bias_gradient, c_.n_out, T(0));
    if (n_images_ == 0) return;
    n_threads = useful_threads(c_.nnz() * n_images_ * y_.out * x_.out, n_threads);
    const Groups g = groups(std::max(images_.planes(), results_.planes()), 0);
    const std::vector<int32_t> offsets = this->offsets(g.pitch);
    const int64_t n_inputs = rows_size(images_, g.pitch), n_deltas = rows_size(results_, g.pitch);
    Buffer buffer;
    T *inputs = static_cast<T *>(buffer.reserve((n_inputs + n_deltas) * sizeof(T)));
    T *deltas = inputs + n_inputs;
    std::vector<T> of_bias(c_.n_out);
    std::fill_n(inputs, n_inputs + n_deltas, T(0));
#pragma omp parallel num_threads(n_threads)
    {
        const int part = omp_get_thread_num(), n_parts = omp_get_num_threads();
        const Range own = share(c_.indptr, c_.n_out, part, n_parts);
        for (int64_t group = 0; group < g.n; ++group) {
            for (auto [side, source, rows] :
                 {std::tuple{&images_, images, inputs}, std::tuple{&results_, delta, deltas}}) {
                const int64_t n = side->planes();
                copy_in(*side, n * part / n_parts, n * (part + 1) / n_parts, g, group, source,
                        rows);
            }
#pragma omp barrier
            for (int32_t d = own.begin; d < own.end; ++d) {
                const int32_t k = c_.indptr[d];
                kernels_.shifted_dots(offsets.data() + k, c_.indptr[d + 1] - k, inputs + margin_,
                                      deltas + margin_ + d * g.pitch, g.pitch, gradient + k);
            }
            kernels_.bias_gradient(deltas + margin_, of_bias.data(), g.pitch, own.begin, own.end);
            for (int32_t d = own.begin; d < own.end; ++d) bias_gradient[d] += of_bias[d];
#pragma omp barrier
        }
    }
}

template class Convolution<float>;
template class Convolution<double>;

}  // namespace sklearn_set
