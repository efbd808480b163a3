// A network bound to its arrays: batches of training, and prediction.
//
// Owns: the work buffers and the order of the kernels' calls. May not touch:
// topology (a network that was rewired is bound again, see rebind) and Python.
// Weights and optimizer state live in arrays of the caller, changed in place.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "dispatch.h"
#include "sparse_batch.h"
#include "topology.h"

namespace sklearn_set {

// Python reads the codes by the names below, which stand in the order of the enumerators.
enum LossKind : int32_t {
    BINARY_LOG_LOSS,        // one logit, labels 0 / 1
    SOFTMAX_LOG_LOSS,       // labels 0 .. n_outputs - 1
    MULTILABEL_LOG_LOSS,    // one logit per label, values in [0, 1]
    SIGMOID_SQUARED_ERROR,  // the SET reference: sigma(z) against one-hot, see head()
    SQUARED_ERROR,
    POISSON,                // exp(z) is the prediction
    HUBER,
    HAZARD                  // exp(z) is the hazard of an interval, see Targets
};
constexpr const char *LOSSES[] = {
    "binary_log_loss", "softmax_log_loss", "multilabel_log_loss", "sigmoid_squared_error",
    "squared_error", "poisson", "huber", "hazard"};

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
    template <class T> const T *data() const { return static_cast<const T *>(data_); }

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

// Dropout drops where 24 random bits are below this number. 0: no dropout, as of a
// probability that is rounded to none of them.
uint32_t dropout_threshold(double probability);

// Whether training stores the derivative of the layer's outputs, since it cannot be
// computed from them.
template <class T> bool stores_derivative(const LayerView<T> &layer) {
    return dropout_threshold(layer.dropout) > 0 ||
           !derivative_from_output(layer.activation, layer.slope);
}

// One label per row, or n_outputs values per row; sample weights or null. HAZARD has twice as
// many values: in each interval the number of events, then in each interval the exposure.
template <class T> struct Targets {
    const int32_t *labels = nullptr;
    const T *values = nullptr;
    const T *weights = nullptr;
    int32_t loss = SQUARED_ERROR;
    T huber_delta = 1;
    int32_t values_per_row(int32_t n_outputs) const {
        return loss == HAZARD ? 2 * n_outputs : n_outputs;
    }
};

struct Optimizer {
    int32_t rule;
    double rate, momentum, beta_1, beta_2, epsilon, l2, shrink;
    bool shrink_bias;
};

// Samples of one batch. With partners, shares sum to 1, and the target of row b is shares[b]
// times that of rows[b] plus 1 - shares[b] times that of the first partner. Row b weighs what
// rows[b] does: with partners drawn in proportion to the weights, a weighted row counts as much
// as a repeated one, both as the first sample of a mixture and as a partner.
template <class T> struct Batch : Rows<T> {
    uint32_t dropout_seed;
};

// How many of a layer's free places are wanted. The places of connections that `keep`
// does not mark count as free.
struct WantedPlaces {
    size_t layer;
    const uint8_t *keep;
    int64_t count;
};

// The batches starts[i] : starts[i + 1] of these rows.
template <class T> struct Batches {
    int64_t n;
    const int64_t *starts;
    Rows<T> rows;
    uint64_t dropout_seed;
    Batch<T> operator[](int64_t i) const;
};

// Where threads wait for each other. OpenMP's own barrier spins for milliseconds;
// meanwhile a thread that lost its core to another program cannot get it back. On a
// busy machine two threads took 50 times as long as one. This barrier yields.
class Barrier {
public:
    void wait(int n_threads);

private:
    std::atomic<int> arrived_{0};
    std::atomic<unsigned> round_{0};
};

// One of the threads that share a batch.
struct Member {
    int part, n_parts;
    Barrier *barrier;
    void wait() const {
        if (n_parts > 1) barrier->wait(n_parts);
    }
};

struct Range {
    int32_t begin, end;
};

// Part `part` of the rows of an index, cut so that each part holds about the
// same number of connections and rows.
Range share(const int32_t *indptr, int32_t n_rows, int part, int n_parts);

// How many of the wanted threads it takes to make this many multiply-adds fastest.
int useful_threads(int64_t work, int wanted);

template <class T> class Network {
public:
    explicit Network(std::vector<LayerView<T>> layers);

    // Takes other layers and keeps the memory of the work buffers.
    void rebind(std::vector<LayerView<T>> layers);

    // A forward and backward pass and an optimizer step for each batch. Adds the
    // weighted sum of the samples' losses and of their weights; returns the number
    // of batches done. Ends early after a loss that is not finite, or if `stop`,
    // asked by the calling thread before each batch, says so. first_step: 1 for the
    // first step ever.
    int64_t train(const Samples<T> &samples, const Targets<T> &targets,
                  const Batches<T> &batches, const Optimizer &optimizer, int64_t first_step,
                  int n_threads, const std::function<bool()> &stop, double &loss,
                  double &weight);

    // Raw outputs (before the output activation), row-major, for rows [0, n_rows).
    // Safe to call from several threads at once. Ends early, leaving rows of `out` as
    // they were, if `stop`, asked by the calling thread between blocks, returns true.
    void predict(const Samples<T> &samples, T *out, int n_threads,
                 const std::function<bool()> &stop) const;

    // The gradient of the mean loss at every connection and bias of each layer,
    // without a step; returns the mean loss.
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
    Update<T> update_for(const Optimizer &optimizer, int64_t count) const;
    void load_input(const Samples<T> &samples, const Batch<T> &batch, Work &work,
                    const Member &member) const;
    void forward(size_t layer, Work &work, bool training, uint32_t dropout_seed,
                 const Member &member) const;
    void head(const Targets<T> &targets, const Batch<T> &batch, Work &work,
              const Member &member) const;
    void backward(size_t layer, Work &work, const Member &member) const;
    void unmix_deltas(Work &work, const Member &member) const;
    void learn(size_t layer, Work &work, const Step &step, const Member &member) const;
    void begin_batch(const Samples<T> &samples, const Targets<T> &targets,
                     const Batch<T> &batch);
    void pass(const Samples<T> &samples, const Targets<T> &targets, const Batch<T> &batch,
              const Step &step, const Member &member);
    void end_batch(const Batch<T> &batch, double &loss, double &weight) const;
    double single_pass(const Samples<T> &samples, const Targets<T> &targets,
                       const Batch<T> &batch, const Step &step, int n_threads);
    std::vector<int64_t> steepest_in_layer(const WantedPlaces &wanted, const T *a) const;

    std::vector<LayerView<T>> layers_;
    const Kernels<T> &kernels_;

    // Buffers of one batch.
    struct Work {
        int64_t size = 0, stride = 0;
        bool sparse = false, training = false;
        Buffer input, mixed, first_gradient, bias_gradient, sample_loss;
        std::vector<Buffer> activation_buffers, delta_buffers;
        // Of dense input a row for each feature. Of sparse input a row for each distinct
        // sample: the sums of the first layer, later its deltas.
        T *a0 = nullptr;
        int64_t n_first = 0;      // stride of the latter
        T *mixed_deltas = nullptr;  // of sparse input, a row for each mixture
        SparseBatch<T> words;
        bool by_feature = true;  // whether the sums are formed so, or sample by sample
        // In training on sparse input, the first layer's weights and optimizer state by source,
        // as a sample's features read them; null: they lie in their own arrays.
        Buffer by_source_buffers[4];
        T *by_source[4] = {};
        std::vector<T *> activations, deltas;
        std::vector<int64_t> counting;  // 0, 1, 2 ...
        double weight = 0;
    };
    Work work_;
    void prepare(Work &work, int64_t size, bool training, bool sparse) const;
    void prepare_sparse(Work &work, const Samples<T> &samples, int64_t size,
                        int64_t n_partners, int64_t n_values) const;
    void store_by_source(Work &work) const;
    void restore_by_destination(Work &work) const;
    Parameters<T> first_parameters(const Work &work) const;
};

}  // namespace sklearn_set
