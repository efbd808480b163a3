// A network bound to its arrays: batches of training, and prediction.
//
// Owns: the work buffers and the order of the kernels' calls. May not touch:
// topology (a rewired network is a new one) and Python. Weights and optimizer
// state live in arrays of the caller, changed in place.
#pragma once
#include <cstdint>
#include <vector>

#include "dispatch.h"
#include "topology.h"

namespace sklearn_set {

enum LossKind : int32_t {
    BINARY_LOG_LOSS,      // one logit, labels 0 / 1
    SOFTMAX_LOG_LOSS,     // labels 0 .. n_outputs - 1
    MULTILABEL_LOG_LOSS,  // one logit per label, values in [0, 1]
    SIGMOID_SQUARED,      // the SET reference: sigma(z) against one-hot, see head()
    SQUARED_ERROR,
    POISSON,              // exp(z) is the prediction
    HUBER
};

// 64-byte aligned memory, grown on demand, never shrunk.
class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    Buffer(Buffer &&other) noexcept : data_(other.data_), size_(other.size_) {
        other.data_ = nullptr;
        other.size_ = 0;
    }
    ~Buffer();
    void *reserve(size_t bytes);

private:
    void *data_ = nullptr;
    size_t size_ = 0;
};

template <class T> struct LayerView {
    ConnectivityView connections;
    const int32_t *by_source_indptr, *by_source_positions, *by_source_indices;
    Parameters<T> parameters;
    int32_t activation;
    T slope;
    double dropout;  // of this layer's outputs, while training
};

// Rows of samples: dense (x) or CSR (data, indices, indptr).
template <class T> struct Samples {
    int64_t n_rows = 0;
    int32_t n_features = 0;
    const T *x = nullptr;
    const T *data = nullptr;
    const int32_t *indices = nullptr;
    const int64_t *indptr = nullptr;
    bool sparse() const { return indptr != nullptr; }
};

// One label per row, or n_outputs values per row; sample weights or null.
template <class T> struct Targets {
    const int32_t *labels = nullptr;
    const T *values = nullptr;
    const T *weights = nullptr;
    int32_t loss = SQUARED_ERROR;
    T huber_delta = 1;
};

struct Optimizer {
    int32_t rule;
    double rate, momentum, beta_1, beta_2, epsilon, l2, shrink;
    bool shrink_bias;
};

// Samples of one batch; with partners, row b is mix[b] of rows[b] and the rest
// of partners[b], features and targets alike. It weighs as much as rows[b]: with
// partners drawn in proportion to the weights, a weighted row then counts as much
// as a repeated one, as first of a pair and as second.
template <class T> struct Batch {
    const int64_t *rows;
    int64_t size;
    const int64_t *partners;  // or null
    const T *mix;             // or null
    uint32_t dropout_seed;
};

// How many of a layer's free places are wanted; connections that `keep` does not
// mark leave their places free.
struct WantedPlaces {
    size_t layer;
    const uint8_t *keep;
    int64_t count;
};

template <class T> class Network {
public:
    explicit Network(std::vector<LayerView<T>> layers);

    // One forward and backward pass and an optimizer step. Adds the weighted sum
    // of the samples' losses and of their weights. step: 1 for the first ever.
    void train_batch(const Samples<T> &samples, const Targets<T> &targets,
                     const Batch<T> &batch, const Optimizer &optimizer, int64_t step,
                     int n_threads, double &loss, double &weight);

    // Raw outputs (before the output activation), row-major, for rows [0, n_rows).
    // Safe to call from several threads at once.
    void predict(const Samples<T> &samples, T *out, int n_threads) const;

    // The loss gradient at every connection, without a step (a layer's
    // gradients lie one after another, then its biases'); returns the mean loss.
    double gradient(const Samples<T> &samples, const Targets<T> &targets,
                    const Batch<T> &batch, const std::vector<T *> &weights,
                    const std::vector<T *> &biases, int n_threads);

    // The free places (flat keys destination * n_in + source, ascending) with the
    // largest absolute gradient on one batch; of equals the lower key. Places whose
    // gradient is zero are never among them, so that there may be fewer than wanted.
    // The gradient of all places is formed for one destination at a time.
    std::vector<std::vector<int64_t>> steepest_places(const Samples<T> &samples,
                                                      const Targets<T> &targets,
                                                      const Batch<T> &batch,
                                                      const std::vector<WantedPlaces> &wanted,
                                                      int n_threads);

    const std::vector<LayerView<T>> &layers() const { return layers_; }

private:
    struct Work;
    struct Step;

    int threads_for(int64_t batch, int wanted) const;
    void load_input(const Samples<T> &samples, const Batch<T> &batch, Work &work, int part,
                    int n_parts) const;
    void compact_input(const Samples<T> &samples, const Batch<T> &batch, Work &work) const;
    void forward(size_t layer, Work &work, bool training, uint32_t dropout_seed, int part,
                 int n_parts) const;
    void head(const Targets<T> &targets, const Batch<T> &batch, Work &work, int part,
              int n_parts) const;
    void backward(size_t layer, Work &work, int part, int n_parts) const;
    void descend(size_t layer, Work &work, const Update<T> &update, int part, int n_parts) const;
    void learn(size_t layer, Work &work, const Step &step, int part, int n_parts) const;
    void run_batch(const Samples<T> &samples, const Targets<T> &targets, const Batch<T> &batch,
                   const Step &step, int n_threads, double &loss, double &weight);
    std::vector<int64_t> steepest_in_layer(const WantedPlaces &wanted) const;

    std::vector<LayerView<T>> layers_;
    const Kernels<T> &kernels_;

    // Buffers of one batch.
    struct Work {
        int64_t size = 0, stride = 0;
        bool sparse = false, training = false;
        Buffer input, compact_gradient, bias_gradient, sample_loss;
        std::vector<Buffer> activation_buffers, delta_buffers;
        T *a0 = nullptr;
        std::vector<T *> activations, deltas;
        std::vector<int32_t> active;      // features that occur in a sparse batch
        std::vector<int32_t> compact_row; // of each feature
        std::vector<uint64_t> seen;       // bit set over the features
        double weight = 0;
    };
    Work work_;
    void prepare(Work &work, int64_t size, bool training, bool sparse) const;
};

}  // namespace sklearn_set
