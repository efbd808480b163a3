// The kernels of one instruction set, behind a table of function pointers.
//
// Owns: arithmetic on arrays that the caller provides. May not touch: memory
// allocation, threads, Python, the C++ standard library (an inline function of
// it, compiled here for AVX-512, could be the one copy that the linker keeps
// for every machine).
//
// Layout. Activations are neuron-major: row i holds neuron i for the whole
// batch, `stride` values, of which the first `batch` count; the remaining lanes
// are padding: arbitrary finite values in activations, zeros in deltas. A row takes
// 16 or 32 bytes or a multiple of 64; the base is 64-byte aligned. Connections are
// stored by destination neuron (CSC of the (fan_in, fan_out) matrix), sources
// ascending. `begin, end` is the range of rows that one thread computes: every
// element is summed by one thread, in one order, so that the bits do not depend
// on the number of threads.
#pragma once
#include <stdint.h>

namespace sklearn_set {

// Python reads the codes by these names, which stand in the order of the enumerators.
enum ActivationKind : int32_t { IDENTITY, RELU, LEAKY_RELU, TANH, LOGISTIC, GELU };
constexpr const char *ACTIVATIONS[] = {"identity", "relu",     "leaky_relu",
                                       "tanh",     "logistic", "gelu"};

enum UpdateRule : int32_t { SGD, NESTEROV, ADAM };
constexpr const char *OPTIMIZERS[] = {"sgd", "nesterov", "adam"};

// Whether f'(z) can be computed from f(z): not of functions that take a value twice.
// (Internal linkage: see above.)
static constexpr bool derivative_from_output(int32_t activation, double slope) {
    return activation != GELU && !(activation == LEAKY_RELU && slope < 0);
}

// Draw `counter` of the stream `seed`.
static inline uint64_t splitmix64(uint64_t seed, uint64_t counter) {
    uint64_t z = seed + (counter + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// What happens to a row once it is summed. `derivative`, if not null, receives
// f'(z) times the dropout factor (the rows have the layout of z).
template <class T> struct Activation {
    int32_t kind;
    T slope;                  // of LEAKY_RELU where z <= 0; may be negative
    T *derivative;            // or null
    uint32_t dropout_threshold;  // drop where (hash >> 8) < threshold; 0: no dropout
    T dropout_scale;          // 1 / (1 - p)
    uint32_t dropout_seed;    // of this batch and layer
};

// How a row of propagated deltas is multiplied by f'. With `derivative` the
// factor is read from there (it may be the very row that is written);
// otherwise it is computed from the activation f(z) (derivative_from_output).
template <class T> struct Derivative {
    int32_t kind;
    T slope;
    const T *activation;
    const T *derivative;      // or null
};

// One optimizer step on a weight w with gradient g (the raw gradient):
//   g' = g + l2 * w
//   SGD       v = momentum * v - rate * g';            w += v - shrink * w
//   NESTEROV  v = momentum * v - rate * g';            w += momentum * v - rate * g' - shrink * w
//   ADAM      m = b1 m + (1-b1) g'; v = b2 v + (1-b2) g'^2;
//                                                      w += -rate * m / (sqrt(v) + eps) - shrink * w
// (rate of ADAM already holds the bias correction.) Biases: l2 is taken as 0,
// and shrink as 0 unless shrink_bias.
template <class T> struct Update {
    int32_t rule;
    T rate, momentum, beta_1, beta_2, epsilon, l2, shrink;
    int32_t shrink_bias;
};

// The weights of a layer with the optimizer's state, aligned by position.
template <class T> struct Parameters {
    T *weights, *first, *second;        // first: velocity or m; second: v (ADAM)
    T *bias, *bias_first, *bias_second;
    T *sensitivity;                     // or null: += |w * g|, w before the step
};

// Rows of some samples x: row b is x[rows[b]] or, with partners, the sum of shares[b] *
// x[rows[b]] and, for each partner p, of shares[(p + 1) * ld + b] * x[partners[p * ld + b]].
template <class T> struct Rows {
    const int64_t *rows;
    int64_t size;
    int64_t n_partners = 0;
    const int64_t *partners = nullptr;
    const T *shares = nullptr;
    int64_t ld = 0;

    // Calls visit(row, share) for each row of x that makes up row b.
    template <class Visit> void each(int64_t b, Visit visit) const {
        visit(rows[b], n_partners ? shares[b] : T(1));
        for (int64_t p = 0, k = b; p < n_partners; ++p, k += ld) visit(partners[k], shares[k + ld]);
    }
};

// Where features occur in some sparse samples: features[t], of which n ascend, in the samples
// samples[o] with values[o], for o from starts[t] to before starts[t + 1].
template <class T> struct Occurrences {
    int64_t n;
    const int32_t *features, *starts, *samples;
    const T *values;
};

// What merge_row() merges: the connections begin .. end - 1 of a row that `keep` marks, and the
// places (see topology.cpp) of that row, whose first one has the key `base`. It writes `indices`
// and `source` (see Rewired) and moves on: behind what is written, and to the next row's places.
struct MergedRow {
    const int32_t *before;
    const uint8_t *keep;
    int32_t begin, end, n_in;
    bool by_rank;
    const int64_t *places;
    int64_t base, n_kept;  // the latter of all rows so far
    int32_t *work;         // three times `n_work` values: the connections of a row and MERGE_SLACK
    int64_t n_work;
    int32_t *indices, *source;
};
constexpr int MERGE_SLACK = 32;  // values past their end that `indices` and `source` have room for

// The bits of a number without its sign: they have the order of the magnitudes.
template <class T> struct MagnitudeOf;
template <> struct MagnitudeOf<float> { typedef uint32_t type; };
template <> struct MagnitudeOf<double> { typedef uint64_t type; };
template <class T> using Magnitude = typename MagnitudeOf<T>::type;
template <class T> constexpr Magnitude<T> SIGN = Magnitude<T>(1) << (8 * sizeof(T) - 1);

// What collect() finds of the magnitudes begin .. begin + size - 1, apart for either sign (0:
// those without the sign bit).
template <class T> struct Collected {
    Magnitude<T> begin, size;
    Magnitude<T> *inside[2];  // those in the range; room for all values and MERGE_SLACK more
    int64_t n_inside[2] = {}, n_below[2] = {};
};

template <class T> struct Kernels {
    // z[d] = f(bias[d] + sum over the connections k of d of weights[k] * a[indices[k]]),
    // d in [begin, end); one chain of fused multiply-adds per element, starting
    // at the bias, in storage order.
    void (*product)(const int32_t *indptr, const int32_t *indices, const T *weights,
                    const T *bias, const T *a, T *z, int64_t stride,
                    int32_t begin, int32_t end, const Activation<T> &f);

    // out[s] = (sum over the connections k of s, destinations ascending, of
    // weights[positions[k]] * delta[indices[k]]) * f', s in [begin, end). indptr,
    // positions and indices are the index by source neuron.
    void (*transposed_product)(const int32_t *indptr, const int32_t *positions,
                               const int32_t *indices, const T *weights, const T *delta,
                               T *out, int64_t stride, int32_t begin, int32_t end,
                               const Derivative<T> &f);

    // gradient[k] = sum over the batch of a[indices[k]] * delta[d] for the
    // connections k of the destinations d in [begin, end); bias_gradient[d] =
    // sum of delta[d].
    void (*gradient)(const int32_t *indptr, const int32_t *indices, const T *a,
                     const T *delta, T *gradient, T *bias_gradient, int64_t stride,
                     int32_t begin, int32_t end);

    // gradient followed by the update, without storing the gradient; same bits
    // as gradient then update.
    void (*descend)(const int32_t *indptr, const int32_t *indices, const T *a,
                    const T *delta, int64_t stride, int32_t begin, int32_t end,
                    const Parameters<T> &parameters, const Update<T> &rule);

    // The optimizer step for weights begin..end from a stored gradient.
    void (*update)(const T *gradient, T *weights, T *first, T *second, T *sensitivity,
                   int64_t begin, int64_t end, const Update<T> &rule);

    // The same for biases (l2 = 0, shrink only if shrink_bias).
    void (*update_bias)(const T *gradient, T *bias, T *first, T *second,
                        int64_t begin, int64_t end, const Update<T> &rule);

    // a[j, b] = feature j of row b, for j in [begin, end); the lanes after the last
    // row become 0. x has row stride ld.
    void (*gather_rows)(const T *x, int64_t ld, const Rows<T> &rows, T *a, int64_t stride,
                        int64_t begin, int64_t end);

    // f on rows [begin, end) of sums, in place.
    void (*activate)(T *z, int64_t stride, int32_t begin, int32_t end, const Activation<T> &f);

    // Sparse input: sums[i * ld + d] += value * w for the occurrences in the samples i of
    // [begin, end), features ascending, and the connections of their features to d: the same
    // sum as `product`'s. indptr, positions, indices: the index by source; positions are null
    // if the weights are stored in its order.
    void (*scatter)(const Occurrences<T> &occurrences, int64_t begin, int64_t end,
                    const int32_t *indptr, const int32_t *positions, const int32_t *indices,
                    const T *weights, T *sums, int64_t ld);

    // gradient[positions[k]] (or gradient[k]) = sum over the occurrences of a feature of value *
    // delta[i * ld + d], for the connections k of the features begin .. end - 1 of those that
    // occur.
    void (*scatter_gradient)(const Occurrences<T> &occurrences, int64_t begin, int64_t end,
                             const int32_t *indptr, const int32_t *positions,
                             const int32_t *indices, const T *delta, int64_t ld, T *gradient);

    // bias_gradient[d] = sum over the batch of delta[d].
    void (*bias_gradient)(const T *delta, T *bias_gradient, int64_t stride,
                          int32_t begin, int32_t end);

    // Convolutions: sums over rows that start anywhere, see convolution.h. `length` is a
    // multiple of 256 bytes, and `out` and `row` are aligned as rows are.
    // out[j] = start + sum over k < n, ascending, of weights[k] * base[offsets[k] + j].
    void (*shifted_product)(const int32_t *offsets, const T *weights, int64_t n, T start,
                            const T *base, T *out, int64_t length);
    // sums[k] += sum over j of base[offsets[k] + j] * row[j], for k < n.
    void (*shifted_dots)(const int32_t *offsets, int64_t n, const T *base, const T *row,
                         int64_t length, T *sums);

    // moved[k] = values[source[k]] for k < n or, where source[k] < 0, the next value of
    // `fresh` (null: 0). Fastest if the sources that are not negative ascend.
    void (*carry)(const T *values, int64_t n_values, const int32_t *source, int64_t n,
                  const T *fresh, int64_t n_fresh, T *moved);

    // Whether all indices lie in [0, end).
    bool (*all_inside)(const int32_t *indices, int64_t n, int32_t end);

    // The number of negative sources; -1 if one is n_values or more.
    int64_t (*count_new)(const int32_t *source, int64_t n, int32_t n_values);

    void (*merge_row)(MergedRow &row);

    // Numbers of the values: negative, zero with the sign bit, zero without it, positive.
    void (*count_signs)(const T *values, int64_t n, int64_t counts[4]);

    void (*collect)(const T *values, int64_t n, Collected<T> &range);

    // keep[k] = whether values[k] lies outside of [low, high].
    void (*mark_outside)(const T *values, int64_t n, T low, T high, uint8_t *keep);

    // gaps[i] = an exponential variate of mean 2^32 / log(2) from draw first + i of a stream, i < n.
    void (*draw_gaps)(uint64_t seed, uint64_t first, int64_t n, int64_t *gaps);
};

}  // namespace sklearn_set

// The tables, one pair per instruction set (kernels.cpp is compiled once each).
#define SKLEARN_SET_DECLARE(isa)                                              \
    extern "C" const sklearn_set::Kernels<float> *sklearn_set_f32_##isa();    \
    extern "C" const sklearn_set::Kernels<double> *sklearn_set_f64_##isa();
SKLEARN_SET_DECLARE(baseline)
SKLEARN_SET_DECLARE(avx2)
SKLEARN_SET_DECLARE(avx512)
#undef SKLEARN_SET_DECLARE
