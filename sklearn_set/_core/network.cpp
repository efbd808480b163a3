#include "network.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>

namespace sklearn_set {

// Of C++17, since Windows has no aligned_alloc.
constexpr std::align_val_t CACHE_LINE{64};

Buffer::~Buffer() { ::operator delete(data_, CACHE_LINE); }

void *Buffer::reserve(size_t bytes) {
    if (bytes > size_) {
        ::operator delete(data_, CACHE_LINE);
        data_ = nullptr;
        size_ = 0;
        const size_t rounded = (bytes + 63) / 64 * 64;
        data_ = ::operator new(rounded, CACHE_LINE);
        size_ = rounded;
    }
    return data_;
}

void Barrier::wait(int n_threads) {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == n_threads) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
        return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
        if (spins >= 2000) std::this_thread::yield();  // some 20 µs
#if defined(__x86_64__)
        else __builtin_ia32_pause();
#endif
    }
}

template <class T> Batch<T> Batches<T>::operator[](int64_t i) const {
    const int64_t begin = starts[i];
    Rows<T> part = rows;
    part.rows += begin;
    part.size = starts[i + 1] - begin;
    if (part.n_partners) {
        part.partners += begin;
        part.shares += begin;
    }
    return {part, static_cast<uint32_t>(splitmix64(dropout_seed, i))};
}

namespace {

// With less than this many multiply-adds for each thread, fewer threads are faster.
constexpr int64_t MIN_WORK_PER_THREAD = 400'000;

// With fewer batches it does not pay to store the first layer by source for sparse input.
constexpr int64_t MIN_BATCHES_BY_SOURCE = 8;

// Bytes of a row of `size` values: 16, 32, or a multiple of 64.
template <class T> int64_t stride_for(int64_t size) {
    const int64_t bytes = size * static_cast<int64_t>(sizeof(T));
    const int64_t padded = bytes <= 16 ? 16 : bytes <= 32 ? 32 : (bytes + 63) / 64 * 64;
    return padded / static_cast<int64_t>(sizeof(T));
}

// Part of [0, n), cut at multiples of `grain`.
struct Span {
    int64_t begin, end;
};
Span even_share(int64_t n, int part, int n_parts, int64_t grain) {
    const int64_t grains = (n + grain - 1) / grain;
    return {std::min(n, grains * part / n_parts * grain),
            std::min(n, grains * (part + 1) / n_parts * grain)};
}

template <class T> T sigmoid(T z) {
    if (z >= 0) return 1 / (1 + std::exp(-z));
    const T e = std::exp(z);
    return e / (1 + e);
}

// log(1 + exp(z)) without overflow.
template <class T> T softplus(T z) { return std::max(z, T(0)) + std::log1p(std::exp(-std::abs(z))); }

}  // namespace

uint32_t dropout_threshold(double probability) {
    return static_cast<uint32_t>(std::lround(probability * (1 << 24)));
}

Range share(const int32_t *indptr, int32_t n_rows, int part, int n_parts) {
    if (n_parts == 1) return {0, n_rows};
    const int64_t total = int64_t{indptr[n_rows]} + n_rows;
    auto cut = [&](int p) {
        if (p == n_parts) return n_rows;
        const int64_t wanted = total * p / n_parts;
        int32_t low = 0, high = n_rows;
        while (low < high) {
            const int32_t middle = low + (high - low) / 2;
            if (int64_t{indptr[middle]} + middle < wanted) low = middle + 1;
            else high = middle;
        }
        return low;
    };
    return {cut(part), cut(part + 1)};
}

int useful_threads(int64_t work, int wanted) {
    const int64_t useful = work / MIN_WORK_PER_THREAD;
    return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(wanted, useful)));
}

// What one batch does with the deltas of its layers: an optimizer step, storing the
// gradients, or (of both null) nothing more.
template <class T> struct Network<T>::Step {
    const Update<T> *update = nullptr;
    const std::vector<T *> *weight_gradients = nullptr, *bias_gradients = nullptr;
};

template <class T>
Network<T>::Network(std::vector<LayerView<T>> layers)
    : layers_(std::move(layers)), kernels_(active_kernels<T>()) {}

template <class T> void Network<T>::rebind(std::vector<LayerView<T>> layers) {
    layers_ = std::move(layers);
    work_.stride = 0;  // nothing is prepared for them
}

template <class T> int Network<T>::threads_for(int64_t batch, int wanted) const {
    int64_t connections = 0;
    for (const auto &layer : layers_) connections += layer.connections.nnz();
    return useful_threads(connections * batch, wanted);
}

template <class T>
void Network<T>::prepare(Work &work, int64_t size, bool training, bool sparse) const {
    const size_t n_layers = layers_.size();
    work.size = size;
    const int64_t stride = stride_for<T>(size);
    if (work.stride == stride && work.training == training && work.sparse == sparse) return;
    work.stride = stride;
    work.training = training;
    work.sparse = sparse;
    const size_t row_bytes = work.stride * sizeof(T);
    const auto &first = layers_.front().connections;
    const int64_t line = 256 / sizeof(T);
    work.n_first = (first.n_out + line - 1) / line * line;
    if (!sparse) work.a0 = static_cast<T *>(work.input.reserve(first.n_in * row_bytes));
    work.counting.resize(sparse && training ? first.n_out : 0);
    std::iota(work.counting.begin(), work.counting.end(), int64_t{0});
    work.activation_buffers.resize(n_layers);
    work.delta_buffers.resize(n_layers);
    work.activations.assign(n_layers, nullptr);
    work.deltas.assign(n_layers, nullptr);
    int32_t widest = 0;
    for (const auto &layer : layers_) widest = std::max(widest, layer.connections.n_out);
    for (size_t l = 0; l < n_layers; ++l) {
        const size_t bytes = layers_[l].connections.n_out * row_bytes;
        // A prediction needs two buffers, used in turn.
        work.activations[l] =
            training ? static_cast<T *>(work.activation_buffers[l].reserve(bytes))
                     : static_cast<T *>(work.activation_buffers[l % 2].reserve(widest * row_bytes));
        if (training) work.deltas[l] = static_cast<T *>(work.delta_buffers[l].reserve(bytes));
    }
    if (!training) return;
    work.bias_gradient.reserve(widest * sizeof(T));
    work.sample_loss.reserve(stride * sizeof(double));
    if (sparse) {
        T *gradient = static_cast<T *>(work.first_gradient.reserve(first.nnz() * sizeof(T)));
        std::fill(gradient, gradient + first.nnz(), T(0));
    }
}

// Sparse samples: memory for batches of up to `size` rows that hold n_values in all.
template <class T>
void Network<T>::prepare_sparse(Work &work, const Samples<T> &samples, int64_t size,
                                int64_t n_partners, int64_t n_values) const {
    if (!samples.sparse()) return;
    if (std::max(n_values, n_partners ? size * work.n_first : 0) >= INT32_MAX)
        throw std::length_error("A batch of " + std::to_string(size) + " sparse samples of " +
                                std::to_string(n_values) +
                                " values in all is too large. Lower batch_size.");
    work.words.reserve(samples, size, n_partners, n_values, work.n_first);
    const size_t row_bytes = work.n_first * sizeof(T);
    work.a0 = static_cast<T *>(work.input.reserve(size * (1 + n_partners) * row_bytes));
    if (work.training)
        work.mixed_deltas = static_cast<T *>(work.mixed.reserve(size * row_bytes));
}

template <class T> Parameters<T> Network<T>::first_parameters(const Work &work) const {
    Parameters<T> p = layers_.front().parameters;
    if (work.by_source[0]) {
        p.weights = work.by_source[0];
        p.first = work.by_source[1];
        p.second = work.by_source[2];
        p.sensitivity = work.by_source[3];
    }
    return p;
}

// A feature's connections then follow each other: to find each of them in the order by
// destination took three quarters of the time of a step.
template <class T> void Network<T>::store_by_source(Work &work) const {
    const LayerView<T> &layer = layers_.front();
    const Parameters<T> &p = layer.parameters;
    const T *stored[4] = {p.weights, p.first, p.second, p.sensitivity};
    const int64_t nnz = layer.connections.nnz();
    T *arrays[4] = {};
    for (int a = 0; a < 4; ++a)  // all memory first: an exception leaves things as they are
        if (stored[a])
            arrays[a] = static_cast<T *>(
                work.by_source_buffers[a].reserve(std::max<size_t>(nnz * sizeof(T), 64)));
    for (int a = 0; a < 4; ++a) {
        for (int64_t k = 0; stored[a] && k < nnz; ++k)
            arrays[a][k] = stored[a][layer.by_source_positions[k]];
        work.by_source[a] = arrays[a];
    }
}

template <class T> void Network<T>::restore_by_destination(Work &work) const {
    const LayerView<T> &layer = layers_.front();
    const Parameters<T> &p = layer.parameters;
    T *const stored[4] = {p.weights, p.first, p.second, p.sensitivity};
    for (int a = 0; a < 4; ++a) {
        for (int64_t k = 0; work.by_source[a] && k < layer.connections.nnz(); ++k)
            stored[a][layer.by_source_positions[k]] = work.by_source[a][k];
        work.by_source[a] = nullptr;
    }
}

// Sparse samples are not loaded: the sums of the first layer are formed directly.
template <class T>
void Network<T>::load_input(const Samples<T> &samples, const Batch<T> &batch, Work &work,
                            const Member &member) const {
    if (!work.sparse) {
        const Span span = even_share(samples.n_features, member.part, member.n_parts, 64);
        kernels_.gather_rows(samples.x, samples.n_features, batch, work.a0, work.stride,
                             span.begin, span.end);
        return;
    }
    const LayerView<T> &layer = layers_.front();
    const Span span = even_share(work.words.size(), member.part, member.n_parts, 1);
    for (int64_t i = span.begin; i < span.end; ++i)
        std::copy(layer.parameters.bias, layer.parameters.bias + layer.connections.n_out,
                  work.a0 + i * work.n_first);
    const int32_t *positions = work.by_source[0] ? nullptr : layer.by_source_positions;
    const T *weights = first_parameters(work).weights;
    if (work.by_feature)
        kernels_.scatter(work.words.occurrences(), span.begin, span.end, layer.by_source_indptr,
                         positions, layer.by_source_indices, weights, work.a0, work.n_first);
    else
        for (int64_t i = span.begin; i < span.end; ++i)
            kernels_.scatter(work.words.occurrences_in(samples, i), 0, 1, layer.by_source_indptr,
                             positions, layer.by_source_indices, weights,
                             work.a0 + i * work.n_first, work.n_first);
}

template <class T>
void Network<T>::forward(size_t l, Work &work, bool training, uint32_t dropout_seed,
                         const Member &member) const {
    const LayerView<T> &layer = layers_[l];
    const ConnectivityView &c = layer.connections;
    const Range range = share(c.indptr, c.n_out, member.part, member.n_parts);
    Activation<T> f{layer.activation, layer.slope, nullptr, 0, T(1), 0};
    if (training) {
        if (stores_derivative(layer)) f.derivative = work.deltas[l];
        f.dropout_threshold = dropout_threshold(layer.dropout);
        f.dropout_scale = static_cast<T>(1 / (1 - layer.dropout));
        f.dropout_seed = dropout_seed + static_cast<uint32_t>(l) * 0x9E3779B9u;
    }
    const Parameters<T> &p = layer.parameters;
    if (l == 0 && work.sparse) {
        kernels_.gather_rows(work.a0, work.n_first, work.words.rows(), work.activations[0],
                             work.stride, range.begin, range.end);
        kernels_.activate(work.activations[0], work.stride, range.begin, range.end, f);
    } else {
        kernels_.product(c.indptr, c.indices, p.weights, p.bias,
                         l == 0 ? work.a0 : work.activations[l - 1], work.activations[l],
                         work.stride, range.begin, range.end, f);
    }
}

// Losses and output deltas of the lanes of one part. The loss of a sample is
// summed over its outputs (log losses, Poisson, hazard) or averaged (the others), its
// gradient is that of the sum, as in scikit-learn's MLP.
template <class T>
void Network<T>::head(const Targets<T> &targets, const Batch<T> &batch, Work &work,
                      const Member &member) const {
    const int64_t stride = work.stride;
    const int32_t k = layers_.back().connections.n_out;
    const int64_t width = targets.values_per_row(k);
    const T *z = work.activations.back();
    T *delta = work.deltas.back();
    double *sample_loss = static_cast<double *>(work.sample_loss.reserve(0));
    const Span lanes = even_share(stride, member.part, member.n_parts, 16);
    for (int64_t b = lanes.begin; b < lanes.end; ++b) {
        if (b >= batch.size) {
            for (int32_t j = 0; j < k; ++j) delta[j * stride + b] = 0;
            continue;
        }
        const int64_t row = batch.rows[b];
        const int64_t other = batch.n_partners ? batch.partners[b] : row;
        const T mix = batch.n_partners ? batch.shares[b] : T(1);
        auto target = [&](int32_t j) -> T {
            if (targets.labels) {
                if (k == 1) return mix * targets.labels[row] + (1 - mix) * targets.labels[other];
                return mix * (targets.labels[row] == j) + (1 - mix) * (targets.labels[other] == j);
            }
            return mix * targets.values[row * width + j] +
                   (1 - mix) * targets.values[other * width + j];
        };
        const T weight = targets.weights ? targets.weights[row] : T(1);
        const T scale = work.weight > 0 ? static_cast<T>(weight / work.weight) : T(0);
        double loss = 0;
        T largest = -std::numeric_limits<T>::infinity(), normaliser = 0;
        if (targets.loss == SOFTMAX_LOG_LOSS) {
            for (int32_t j = 0; j < k; ++j) largest = std::max(largest, z[j * stride + b]);
            for (int32_t j = 0; j < k; ++j) normaliser += std::exp(z[j * stride + b] - largest);
        }
        for (int32_t j = 0; j < k; ++j) {
            const T zj = z[j * stride + b], t = target(j);
            T d = 0;
            switch (targets.loss) {
                case SOFTMAX_LOG_LOSS: {
                    const T e = std::exp(zj - largest);
                    d = e / normaliser - t;
                    if (t != 0) loss += t * (std::log(normaliser) + largest - zj);
                    if (zj != zj) loss = zj;
                    break;
                }
                case BINARY_LOG_LOSS:
                case MULTILABEL_LOG_LOSS:
                    d = sigmoid(zj) - t;
                    loss += softplus(zj) - t * zj;
                    break;
                case SIGMOID_SQUARED_ERROR: {
                    // The published code applies the sigmoid's derivative to the
                    // activated output: sigma'(sigma(z)), which never vanishes.
                    const T p = sigmoid(zj), s = sigmoid(p);
                    d = (p - t) * s * (1 - s);
                    loss += (p - t) * (p - t) / k;
                    break;
                }
                case SQUARED_ERROR:
                    d = zj - t;
                    loss += d * d / (2 * k);
                    break;
                case POISSON: {
                    const T p = std::exp(zj);
                    d = p - t;
                    loss += (t > 0 ? t * (std::log(t) - zj) : T(0)) - t + p;
                    break;
                }
                case HUBER: {
                    const T r = zj - t, h = targets.huber_delta;
                    d = std::max(-h, std::min(h, r));
                    if (r != r) d = r;
                    loss += (std::abs(r) <= h ? r * r / 2 : h * (std::abs(r) - h / 2)) / k;
                    break;
                }
                case HAZARD: {
                    const T exposure = target(k + j);
                    const T p = exposure > 0 ? exposure * std::exp(zj) : T(0);
                    d = p - t;
                    loss += p - t * zj;
                    break;
                }
            }
            delta[j * stride + b] = d * scale;
        }
        sample_loss[b] = weight == 0 ? 0 : loss * weight;
    }
}

template <class T>
void Network<T>::backward(size_t l, Work &work, const Member &member) const {
    const LayerView<T> &layer = layers_[l], &below = layers_[l - 1];
    const Range range =
        share(layer.by_source_indptr, layer.connections.n_in, member.part, member.n_parts);
    const Derivative<T> f{below.activation, below.slope, work.activations[l - 1],
                          stores_derivative(below) ? work.deltas[l - 1] : nullptr};
    kernels_.transposed_product(layer.by_source_indptr, layer.by_source_positions,
                                layer.by_source_indices, layer.parameters.weights,
                                work.deltas[l], work.deltas[l - 1], work.stride, range.begin,
                                range.end, f);
}

// The deltas of the first layer in the distinct samples: what their mixtures' deltas hold of them.
template <class T>
void Network<T>::unmix_deltas(Work &work, const Member &member) const {
    const int64_t n_out = layers_.front().connections.n_out, ld = work.n_first;
    const bool mixed = work.words.rows().n_partners > 0;
    Span span = even_share(work.size, member.part, member.n_parts, 16);
    kernels_.gather_rows(work.deltas[0], work.stride, {work.counting.data(), n_out},
                         mixed ? work.mixed_deltas : work.a0, ld, span.begin, span.end);
    member.wait();
    if (!mixed) return;
    span = even_share(work.words.size(), member.part, member.n_parts, 1);
    for (int64_t i = span.begin; i < span.end; ++i) {
        const Holders<T> h = work.words.holders(i);
        kernels_.shifted_product(h.offsets, h.shares, h.n, T(0), work.mixed_deltas,
                                 work.a0 + i * ld, ld);
    }
    member.wait();
}

// Uses the deltas of layer l: steps its weights, or stores their gradients.
template <class T>
void Network<T>::learn(size_t l, Work &work, const Step &step, const Member &member) const {
    const LayerView<T> &layer = layers_[l];
    const ConnectivityView &c = layer.connections;
    const Parameters<T> &p = layer.parameters;
    const Range range = share(c.indptr, c.n_out, member.part, member.n_parts);
    if (l > 0 || !work.sparse) {
        const T *a = l == 0 ? work.a0 : work.activations[l - 1];
        if (step.update)
            kernels_.descend(c.indptr, c.indices, a, work.deltas[l], work.stride, range.begin,
                             range.end, p, *step.update);
        else
            kernels_.gradient(c.indptr, c.indices, a, work.deltas[l], (*step.weight_gradients)[l],
                              (*step.bias_gradients)[l], work.stride, range.begin, range.end);
        return;
    }
    T *gradient = step.update ? static_cast<T *>(work.first_gradient.reserve(0))
                              : (*step.weight_gradients)[0];
    T *bias_gradient = step.update ? static_cast<T *>(work.bias_gradient.reserve(0))
                                   : (*step.bias_gradients)[0];
    unmix_deltas(work, member);
    const Occurrences<T> &words = work.words.occurrences();
    const Span features = even_share(words.n, member.part, member.n_parts, 1);
    kernels_.scatter_gradient(words, features.begin, features.end, layer.by_source_indptr,
                              work.by_source[0] ? nullptr : layer.by_source_positions,
                              layer.by_source_indices, work.a0, work.n_first, gradient);
    member.wait();
    kernels_.bias_gradient(work.deltas[0], bias_gradient, work.stride, range.begin, range.end);
    if (!step.update) return;
    const Range part = work.by_source[0]
                           ? share(layer.by_source_indptr, c.n_in, member.part, member.n_parts)
                           : range;
    const int32_t *indptr = work.by_source[0] ? layer.by_source_indptr : c.indptr;
    const int64_t begin = indptr[part.begin], end = indptr[part.end];
    const Parameters<T> stepped = first_parameters(work);
    kernels_.update(gradient, stepped.weights, stepped.first, stepped.second, stepped.sensitivity,
                    begin, end, *step.update);
    if (work.by_source[0]) {
        for (int64_t t = 0; t < words.n; ++t) {  // of its own part, which it has read
            const int32_t j = words.features[t];
            if (part.begin <= j && j < part.end)
                std::fill(gradient + indptr[j], gradient + indptr[j + 1], T(0));
        }
    } else {
        std::fill(gradient + begin, gradient + end, T(0));
    }
    kernels_.update_bias(bias_gradient, p.bias, p.bias_first, p.bias_second, range.begin,
                         range.end, *step.update);
}

template <class T>
void Network<T>::begin_batch(const Samples<T> &samples, const Targets<T> &targets,
                             const Batch<T> &batch) {
    prepare(work_, batch.size, true, samples.sparse());
    if (samples.sparse()) work_.words.fill(samples, batch, true);
    work_.weight = 0;
    for (int64_t b = 0; b < batch.size; ++b)
        work_.weight += targets.weights ? targets.weights[batch.rows[b]] : T(1);
}

template <class T>
void Network<T>::pass(const Samples<T> &samples, const Targets<T> &targets,
                      const Batch<T> &batch, const Step &step, const Member &member) {
    if (work_.weight <= 0) return;  // nothing weighs anything: no step
    load_input(samples, batch, work_, member);
    member.wait();
    for (size_t l = 0; l < layers_.size(); ++l) {
        forward(l, work_, true, batch.dropout_seed, member);
        member.wait();
    }
    head(targets, batch, work_, member);
    member.wait();
    for (size_t l = layers_.size(); l-- > 0;) {
        if (l > 0) {  // propagates through the old weights, before they change
            backward(l, work_, member);
            member.wait();
        }
        if (step.update || step.weight_gradients)
            learn(l, work_, step, member);
    }
}

template <class T>
void Network<T>::end_batch(const Batch<T> &batch, double &loss, double &weight) const {
    if (work_.weight <= 0) return;
    const double *sample_loss = work_.sample_loss.template data<double>();
    for (int64_t b = 0; b < batch.size; ++b) loss += sample_loss[b];
    weight += work_.weight;
}

template <class T>
Update<T> Network<T>::update_for(const Optimizer &optimizer, int64_t count) const {
    double rate = optimizer.rate;
    if (optimizer.rule == ADAM)
        rate *= std::sqrt(1 - std::pow(optimizer.beta_2, double(count))) /
                (1 - std::pow(optimizer.beta_1, double(count)));
    return {optimizer.rule, T(rate), T(optimizer.momentum), T(optimizer.beta_1),
            T(optimizer.beta_2), T(optimizer.epsilon), T(optimizer.l2), T(optimizer.shrink),
            optimizer.shrink_bias};
}

namespace {

// Calls run(member) on each of n_threads threads.
template <class Run> void run_team(int n_threads, Run run) {
    if (n_threads == 1) return run(Member{0, 1, nullptr});
    Barrier barrier;
#pragma omp parallel num_threads(n_threads)
    run(Member{omp_get_thread_num(), omp_get_num_threads(), &barrier});
}

}  // namespace

template <class T>
int64_t Network<T>::train(const Samples<T> &samples, const Targets<T> &targets,
                          const Batches<T> &batches, const Optimizer &optimizer,
                          int64_t first_step, int n_threads, const std::function<bool()> &stop,
                          double &loss, double &weight) {
    int64_t largest = 0, n_values = 0, done = 0;
    for (int64_t i = 0; i < batches.n; ++i) {
        largest = std::max(largest, batches.starts[i + 1] - batches.starts[i]);
        if (samples.sparse())
            n_values = std::max(n_values, SparseBatch<T>::count(samples, batches[i]));
    }
    if (largest == 0) return 0;
    // All memory is taken here, where an exception can be thrown.
    prepare(work_, largest, true, samples.sparse());
    prepare_sparse(work_, samples, largest, batches.rows.n_partners, n_values);
    if (samples.sparse() && batches.n >= MIN_BATCHES_BY_SOURCE) store_by_source(work_);
    Batch<T> batch{};
    Update<T> update{};
    Step step;
    step.update = &update;
    bool go = true;
    run_team(threads_for(largest, n_threads), [&](const Member &member) {
        while (true) {
            if (member.part == 0) {
                go = done < batches.n && std::isfinite(loss) && !stop();
                if (go) {
                    batch = batches[done];
                    update = update_for(optimizer, first_step + done);
                    begin_batch(samples, targets, batch);
                }
            }
            member.wait();
            if (!go) return;
            pass(samples, targets, batch, step, member);
            member.wait();
            if (member.part == 0) {
                end_batch(batch, loss, weight);
                ++done;
            }
        }
    });
    restore_by_destination(work_);
    return done;
}

// Returns the mean loss.
template <class T>
double Network<T>::single_pass(const Samples<T> &samples, const Targets<T> &targets,
                               const Batch<T> &batch, const Step &step, int n_threads) {
    double loss = 0, weight = 0;
    prepare(work_, batch.size, true, samples.sparse());
    if (samples.sparse())
        prepare_sparse(work_, samples, batch.size, 0, SparseBatch<T>::count(samples, batch));
    begin_batch(samples, targets, batch);
    run_team(threads_for(batch.size, n_threads),
             [&](const Member &member) { pass(samples, targets, batch, step, member); });
    end_batch(batch, loss, weight);
    return weight > 0 ? loss / weight : 0;
}

template <class T>
double Network<T>::gradient(const Samples<T> &samples, const Targets<T> &targets,
                            const Batch<T> &batch, const std::vector<T *> &weights,
                            const std::vector<T *> &biases, int n_threads) {
    Step step;
    step.weight_gradients = &weights;
    step.bias_gradients = &biases;
    return single_pass(samples, targets, batch, step, n_threads);
}

namespace {

// The `count` candidates with the largest values seen so far; of equals those with
// the lower key. Keys must be offered in ascending order.
template <class T> class Largest {
public:
    explicit Largest(int64_t count) : count_(count) {}

    void offer(T value, int64_t key) {
        if (!(value > floor_)) return;  // NaN is not offered either
        candidates_.emplace_back(value, key);
        if (static_cast<int64_t>(candidates_.size()) >= 2 * count_ + 1024) shorten();
    }

    std::vector<int64_t> keys() {
        shorten();
        std::vector<int64_t> result;
        for (const auto &candidate : candidates_) result.push_back(candidate.second);
        std::sort(result.begin(), result.end());
        return result;
    }

private:
    void shorten() {
        if (static_cast<int64_t>(candidates_.size()) <= count_) return;
        auto precedes = [](const auto &a, const auto &b) {
            return a.first > b.first || (a.first == b.first && a.second < b.second);
        };
        const auto last = candidates_.begin() + (count_ - 1);
        std::nth_element(candidates_.begin(), last, candidates_.end(), precedes);
        floor_ = last->first;
        candidates_.resize(count_);
    }

    int64_t count_;
    T floor_ = 0;
    std::vector<std::pair<T, int64_t>> candidates_;
};

}  // namespace

// Reads the activations and deltas of the last batch.
template <class T>
std::vector<int64_t> Network<T>::steepest_in_layer(const WantedPlaces &wanted,
                                                   const T *a) const {
    const size_t l = wanted.layer;
    const ConnectivityView &c = layers_[l].connections;
    if (wanted.count <= 0) return {};
    std::vector<int32_t> rows(c.n_in);
    for (int32_t i = 0; i < c.n_in; ++i) rows[i] = i;
    const int32_t row_indptr[2] = {0, c.n_in};
    std::vector<T> gradient(c.n_in);
    std::vector<uint8_t> kept(c.n_in, 0);
    Largest<T> largest(wanted.count);
    T bias_gradient;
    for (int32_t d = 0; d < c.n_out; ++d) {
        kernels_.gradient(row_indptr, rows.data(), a, work_.deltas[l] + d * work_.stride,
                          gradient.data(), &bias_gradient, work_.stride, 0, 1);
        for (int32_t k = c.indptr[d]; k < c.indptr[d + 1]; ++k)
            kept[c.indices[k]] = wanted.keep[k];
        const int64_t base = int64_t{d} * c.n_in;
        for (int32_t i = 0; i < c.n_in; ++i)
            if (!kept[i]) largest.offer(std::abs(gradient[i]), base + i);
        for (int32_t k = c.indptr[d]; k < c.indptr[d + 1]; ++k) kept[c.indices[k]] = 0;
    }
    return largest.keys();
}

template <class T>
std::vector<std::vector<int64_t>> Network<T>::steepest_places(
    const Samples<T> &samples, const Targets<T> &targets, const Batch<T> &batch,
    const std::vector<WantedPlaces> &wanted, int n_threads) {
    single_pass(samples, targets, batch, Step{}, n_threads);
    Buffer dense;  // one batch of a sparse input, by feature
    const T *input = work_.a0;
    if (samples.sparse()) {
        const size_t bytes = size_t(samples.n_features) * work_.stride * sizeof(T);
        T *rows = static_cast<T *>(dense.reserve(std::max<size_t>(bytes, 64)));
        std::memset(rows, 0, bytes);
        for (int64_t b = 0; b < batch.size; ++b)
            for (int64_t k = samples.indptr[batch.rows[b]]; k < samples.indptr[batch.rows[b] + 1];
                 ++k)
                rows[samples.indices[k] * work_.stride + b] += samples.data[k];
        input = rows;
    }
    std::vector<std::vector<int64_t>> found;
    for (const WantedPlaces &w : wanted) {
        const T *a = w.layer == 0 ? input : work_.activations[w.layer - 1];
        found.push_back(work_.weight > 0 ? steepest_in_layer(w, a) : std::vector<int64_t>());
    }
    return found;
}

template <class T>
void Network<T>::predict(const Samples<T> &samples, T *out, int n_threads,
                         const std::function<bool()> &stop) const {
    // Blocks small enough that two layers of activations stay in the cache.
    int64_t widest = samples.sparse() ? 1 : std::max(1, samples.n_features);
    for (const auto &layer : layers_) widest = std::max<int64_t>(widest, layer.connections.n_out);
    const int64_t lanes = 64 / sizeof(T);
    const int64_t cache = int64_t{1} << (samples.sparse() ? 18 : 20);  // sparse sums lie there too
    int64_t block = cache / (widest * static_cast<int64_t>(sizeof(T)));
    block = std::max(2 * lanes, std::min<int64_t>(16 * lanes, block / lanes * lanes));
    block = std::max<int64_t>(1, std::min(block, samples.n_rows));
    const int64_t n_blocks = (samples.n_rows + block - 1) / block;
    n_threads = static_cast<int>(
        std::min<int64_t>(threads_for(samples.n_rows, n_threads), std::max<int64_t>(n_blocks, 1)));

    std::vector<int64_t> rows(samples.n_rows);
    for (int64_t i = 0; i < samples.n_rows; ++i) rows[i] = i;
    std::vector<Work> works(n_threads);
    int64_t n_values = 0;  // of a block, at most
    for (int64_t i = 0; samples.sparse() && i < samples.n_rows; i += block)
        n_values = std::max(n_values, samples.indptr[std::min(i + block, samples.n_rows)] -
                                          samples.indptr[i]);
    for (Work &work : works) {  // allocate here, where an exception can be thrown
        prepare(work, block, false, samples.sparse());
        prepare_sparse(work, samples, block, 0, n_values);
        work.by_feature = block >= 4 * lanes;
    }
    const int32_t k = layers_.back().connections.n_out;
    const Member alone{0, 1, nullptr};
    std::atomic<bool> stopped{false};
    run_team(n_threads, [&](const Member &member) {
        Work &work = works[member.part];
        for (int64_t i = member.part; i < n_blocks; i += member.n_parts) {
            if (member.part == 0 && stop()) stopped.store(true, std::memory_order_relaxed);
            if (stopped.load(std::memory_order_relaxed)) return;
            const int64_t begin = i * block, size = std::min(block, samples.n_rows - begin);
            const Batch<T> batch{{rows.data() + begin, size}, 0};
            if (work.sparse) work.words.fill(samples, batch, work.by_feature);
            load_input(samples, batch, work, alone);
            for (size_t l = 0; l < layers_.size(); ++l) forward(l, work, false, 0, alone);
            const T *z = work.activations.back();
            for (int64_t b = 0; b < size; ++b)
                for (int32_t j = 0; j < k; ++j)
                    out[(begin + b) * k + j] = z[j * work.stride + b];
        }
    });
}

template struct Batches<float>;
template struct Batches<double>;
template class Network<float>;
template class Network<double>;

}  // namespace sklearn_set
