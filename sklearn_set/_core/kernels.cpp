// The kernels of kernels.h, compiled once for each instruction set (the macro
// SKLEARN_SET_ISA names it and the compiler flags enable it).
//
// Owns: the arithmetic of one thread on its range of rows, features or weights,
// and with it the order of every sum. Everything but the two tables at the end
// is local to this file; see kernels.h for what may not be used and why.
//
// How it works. A row is cut into strips of vectors that fit in registers. The
// vectors are GCC/Clang vector extensions of the machine's width, never wider:
// wider ones spill. Every sum with a product in it is spelled fused(): whether
// -ffp-contract fuses `x * y + z` depends on where the optimizer has moved the
// product, so that two copies of one loop gave different bits.
#include "kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

namespace sklearn_set {
namespace SKLEARN_SET_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int WIDEST = 64;
#elif defined(__AVX2__)
constexpr int WIDEST = 32;
#else
constexpr int WIDEST = 16;
#endif
constexpr int WIDTH_OF_32 = WIDEST < 32 ? WIDEST : 32;  // vectors of a row of 32 bytes

// ---------------------------------------------------------------- vectors

template <class T> struct Bits;
template <> struct Bits<float> {
    typedef uint32_t Unsigned;
    static constexpr int mantissa = 23, bias = 127, terms = 6;
    static constexpr float ln2_high = 0x1.63p-1f, ln2_low = -2.12194440e-4f,
                           lowest = -80.0f, gelu_saturated = 9.6f, magic = 0x1.8p23f;
};
template <> struct Bits<double> {
    typedef uint64_t Unsigned;
    static constexpr int mantissa = 52, bias = 1023, terms = 12;
    static constexpr double ln2_high = 6.93147180369123816490e-01,
                            ln2_low = 1.90821492927058770002e-10, lowest = -700.0,
                            gelu_saturated = 21.0, magic = 0x1.8p52;
};

template <class Element, int BYTES> struct Vector {
    typedef Vector Self;  // of a Strip: one function for all counts
    typedef Element T;
    typedef T V __attribute__((vector_size(BYTES)));
    typedef typename Bits<T>::Unsigned U;
    typedef U Mask __attribute__((vector_size(BYTES)));
    static constexpr int width = BYTES / sizeof(T);
    static constexpr int block = 16 / sizeof(T);  // lanes of 128 bits, where shuffles are cheap
    static constexpr int blocks = BYTES / 16;

    INLINE V load(const T *p) {
        V v;
        __builtin_memcpy(&v, p, sizeof v);
        return v;
    }
    INLINE void store(T *p, V v) { __builtin_memcpy(p, &v, sizeof v); }
    // Of a row of activations, which is aligned.
    INLINE V load_row(const T *p) { return load((const T *)__builtin_assume_aligned(p, BYTES)); }
    INLINE void store_row(T *p, V v) { store((T *)__builtin_assume_aligned(p, BYTES), v); }
    // The first `count` lanes.
    INLINE V load_part(const T *p, int64_t count) {
        if (count >= width) return load(p);
        V v = {};
        __builtin_memcpy(&v, p, count * sizeof(T));
        return v;
    }
    INLINE void store_part(T *p, V v, int64_t count) {
        if (count >= width) store(p, v);
        else __builtin_memcpy(p, &v, count * sizeof(T));
    }
    INLINE V splat(T x) { return x - V{}; }
    INLINE V select(Mask mask, V x, V y) {
        return (V)(((Mask)x & mask) | ((Mask)y & ~mask));
    }
    // x * y + z, rounded once if the instruction set can.
    INLINE V fused(V x, V y, V z) {
#define FUSED(Type, function)                                              \
    if constexpr (BYTES == sizeof(Type) && sizeof(T) == sizeof(Type{}[0])) \
        return (V)function((Type)x, (Type)y, (Type)z);
#if defined(__AVX512F__)
        FUSED(__m512, _mm512_fmadd_ps)
        FUSED(__m512d, _mm512_fmadd_pd)
#endif
#if defined(__FMA__)
        FUSED(__m256, _mm256_fmadd_ps)
        FUSED(__m256d, _mm256_fmadd_pd)
        FUSED(__m128, _mm_fmadd_ps)
        FUSED(__m128d, _mm_fmadd_pd)
#elif defined(__aarch64__)
        typedef float32x4_t F;
        typedef float64x2_t D;
        if constexpr (sizeof(T) == 4) return (V)vfmaq_f32((F)z, (F)x, (F)y);
        else return (V)vfmaq_f64((D)z, (D)x, (D)y);
#else
        return x * y + z;
#endif
#undef FUSED
    }
};

// Vector<T, BYTES> in strips of `count`, the accumulators of one pass over a row.
template <class T, int BYTES, int COUNT> struct Strip : Vector<T, BYTES> {
    static constexpr int count = COUNT;
};

// Calls body(Strip, first column) for strips of at most MOST vectors that cover a row.
template <class T, int MOST = 8, class Body> INLINE void for_strips(int64_t stride, Body body) {
    constexpr int width = WIDEST / sizeof(T);
    int64_t bytes = stride * sizeof(T), column = 0;
    if (bytes == 16) return body(Strip<T, 16, 1>{}, column);
    if (bytes == 32) return body(Strip<T, WIDTH_OF_32, 32 / WIDTH_OF_32>{}, column);
    for (; stride - column >= MOST * width; column += MOST * width)
        body(Strip<T, WIDEST, MOST>{}, column);
    if constexpr (MOST > 8)
        if (stride - column >= 8 * width) {
            body(Strip<T, WIDEST, 8>{}, column);
            column += 8 * width;
        }
    if (stride - column >= 4 * width) {
        body(Strip<T, WIDEST, 4>{}, column);
        column += 4 * width;
    }
    if constexpr (WIDEST >= 32)
        if (stride - column >= 2 * width) {
            body(Strip<T, WIDEST, 2>{}, column);
            column += 2 * width;
        }
    if constexpr (WIDEST >= 64)
        if (stride - column >= width) body(Strip<T, WIDEST, 1>{}, column);
}

// ---------------------------------------------------------------- shuffles

template <int... I> struct Sequence {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { typedef Sequence<I...> type; };

// What a transposition does with two vectors x and y; each has a low and a high
// half of the outcome.
enum Pairing {
    ZIP_1,   // within each block of 128 bits, the lanes of x and y in turn
    ZIP_2,   // the same with pairs of lanes
    HALVES,  // the low (high) half of x, then that of y
    BLOCKS   // the even (odd) blocks of x, then those of y
};

// The lane of x followed by y that becomes lane l.
template <class X> constexpr int source(Pairing pairing, int high, int l) {
    constexpr int B = X::block, W = X::width;
    if (pairing == HALVES) return l / (W / 2) * W + l % (W / 2) + high * (W / 2);
    if (pairing == BLOCKS) return (l / B * 2 + high) * B + l % B;
    int size = pairing == ZIP_1 ? 1 : 2, offset = l % B, group = offset / size;
    return group % 2 * W + l - offset + group / 2 * size + offset % size + high * (B / 2);
}

template <class X, Pairing P, int HIGH, class V, int... I>
INLINE V shuffle(V x, V y, Sequence<I...>) {
    return __builtin_shufflevector(x, y, source<X>(P, HIGH, I)...);
}
template <class X, Pairing P> INLINE typename X::V low(typename X::V x, typename X::V y) {
    return shuffle<X, P, 0>(x, y, typename Count<X::width>::type());
}
template <class X, Pairing P> INLINE typename X::V high(typename X::V x, typename X::V y) {
    return shuffle<X, P, 1>(x, y, typename Count<X::width>::type());
}
template <class X, Pairing P> INLINE typename X::V fold(typename X::V x, typename X::V y) {
    return low<X, P>(x, y) + high<X, P>(x, y);
}

// Sums of the lanes of X::block vectors, in each block of the result apart.
template <class X> INLINE typename X::V sum_blocks(const typename X::V *r) {
    if constexpr (X::block == 2) return fold<X, ZIP_1>(r[0], r[1]);
    else return fold<X, ZIP_2>(fold<X, ZIP_1>(r[0], r[1]), fold<X, ZIP_1>(r[2], r[3]));
}

// out[i] = the sum of the lanes of r[i], for GROUP = X::width or X::block
// vectors. The tree of additions is the same for both.
template <class X, int GROUP> INLINE void sum_lanes(const typename X::V *r, typename X::T *out) {
    typename X::V part[X::blocks];
    UNROLL for (int i = 0; i < X::blocks; i++)
        part[i] = i == 0 || GROUP == X::width ? sum_blocks<X>(r + i * X::block) : part[0];
    if constexpr (X::blocks >= 2) part[0] = fold<X, HALVES>(part[0], part[1]);
    if constexpr (X::blocks == 4)
        part[0] = fold<X, BLOCKS>(part[0], fold<X, HALVES>(part[2], part[3]));
    __builtin_memcpy(out, part, GROUP * sizeof(typename X::T));
}

// Transposes X::width rows in place.
template <class X> INLINE void transpose(typename X::V *r) {
    typedef typename X::V V;
    constexpr int B = X::block, W = X::width;
    V t[W];
    UNROLL for (int i = 0; i < W; i += B) {  // the blocks of 128 bits
        V a = low<X, ZIP_1>(r[i], r[i + 1]), b = high<X, ZIP_1>(r[i], r[i + 1]);
        if constexpr (B == 2) {
            t[i] = a;
            t[i + 1] = b;
        } else {
            V c = low<X, ZIP_1>(r[i + 2], r[i + 3]), d = high<X, ZIP_1>(r[i + 2], r[i + 3]);
            t[i] = low<X, ZIP_2>(a, c);
            t[i + 1] = high<X, ZIP_2>(a, c);
            t[i + 2] = low<X, ZIP_2>(b, d);
            t[i + 3] = high<X, ZIP_2>(b, d);
        }
    }
    UNROLL for (int i = 0; i < B; i++) {  // the blocks among themselves
        if constexpr (X::blocks == 1) {
            r[i] = t[i];
        } else if constexpr (X::blocks == 2) {
            r[i] = low<X, HALVES>(t[i], t[i + B]);
            r[i + B] = high<X, HALVES>(t[i], t[i + B]);
        } else {
            V *u = t + i;
            V a = low<X, HALVES>(u[0], u[B]), b = high<X, HALVES>(u[0], u[B]);
            V c = low<X, HALVES>(u[2 * B], u[3 * B]), d = high<X, HALVES>(u[2 * B], u[3 * B]);
            r[i] = low<X, BLOCKS>(a, c);
            r[i + B] = high<X, BLOCKS>(a, c);
            r[i + 2 * B] = low<X, BLOCKS>(b, d);
            r[i + 3 * B] = high<X, BLOCKS>(b, d);
        }
    }
}

// ---------------------------------------------------------------- functions

template <class X> INLINE typename X::Mask sign_bit() {
    return (typename X::U(1) << (8 * sizeof(typename X::T) - 1)) - typename X::Mask{};
}

// exp(x) - 1 = scale * rest + (scale - 1) for x <= 0, to about 1 ulp; below
// `lowest` it is that of lowest, to stay clear of denormals (5 times slower).
template <class X>
INLINE void exponential(typename X::V x, typename X::V &scale, typename X::V &rest) {
    typedef typename X::T T;
    typedef Bits<T> B;
    static constexpr T coefficients[] = {1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720,
        1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600,
        1. / 6227020800.};
    x = X::select((typename X::Mask)(x < B::lowest), X::splat(B::lowest), x);  // NaN stays
    typename X::V shifted = X::fused(x, X::splat(1.44269504088896340736), X::splat(B::magic));
    typename X::V n = shifted - B::magic;  // rounded to an integer
    typename X::V r = X::fused(n, X::splat(-B::ln2_high), x);
    r = X::fused(n, X::splat(-B::ln2_low), r);
    scale = (typename X::V)(((typename X::Mask)shifted + B::bias) << B::mantissa);
    typename X::V sum = X::splat(coefficients[B::terms - 1]);
    UNROLL for (int i = B::terms - 2; i >= 0; i--)
        sum = X::fused(sum, r, X::splat(coefficients[i]));
    rest = X::fused(sum * r, r, r);
}

template <class X> NOINLINE typename X::V hyperbolic_tangent(typename X::V x) {
    typename X::V scale, rest, y = (typename X::V)((typename X::Mask)x | sign_bit<X>());
    exponential<X>(2 * y, scale, rest);
    typename X::V less = X::fused(scale, rest, scale - 1);
    typename X::V positive = (0 - less) / (2 + less);
    return (typename X::V)((typename X::Mask)positive | ((typename X::Mask)x & sign_bit<X>()));
}

template <class X> NOINLINE typename X::V logistic(typename X::V x) {
    typename X::V scale, rest;
    exponential<X>((typename X::V)((typename X::Mask)x | sign_bit<X>()), scale, rest);
    typename X::V power = X::fused(scale, rest, scale), inverse = 1 / (1 + power);
    return X::select((typename X::Mask)(x >= 0), inverse, power * inverse);
}

// 0.5 z (1 + tanh(u)) = z logistic(2 u) with u = sqrt(2 / pi) (z + 0.044715 z^3), the
// second of which does not cancel below 0. Beyond `saturated` the logistic function is 1 or,
// where exponential() would end, so small that 0 is returned; z^3 is not formed there.
template <class X> NOINLINE typename X::V gelu(typename X::V z, typename X::V &derivative) {
    typedef typename X::V V;
    typedef typename X::Mask Mask;
    typedef typename X::T T;
    constexpr T cubic = T(0.044715), twice = T(1.5957691216057307118);  // 2 sqrt(2 / pi)
    constexpr T saturated = Bits<T>::gelu_saturated;
    Mask below = (Mask)(z < -saturated);
    V y = X::select(below, X::splat(-saturated), z);
    y = X::select((Mask)(y > saturated), X::splat(saturated), y);
    V square = y * y;
    V share = logistic<X>(twice * y * X::fused(X::splat(cubic), square, X::splat(1)));
    V slope = twice * X::fused(X::splat(3 * cubic), square, X::splat(1));
    derivative = X::fused(y * slope * share, 1 - share, share);
    return (V)((Mask)(z * share) & ~below);
}

// All ones in the lanes that dropout keeps.
template <class X>
NOINLINE typename X::Mask kept(uint32_t neuron, uint32_t column, uint32_t seed,
                               uint32_t threshold) {
    typedef typename X::U U;
    typename X::Mask h, low = U(0xFFFFFFFFu) - typename X::Mask{};  // uint32 in any lane
    UNROLL for (int l = 0; l < X::width; l++) h[l] = l * 0x85EBCA77u;
    h = (h + U(neuron * 0x9E3779B1u + column * 0x85EBCA77u + seed)) & low;
    h = (h ^ h >> 16) * U(0x85EBCA6Bu) & low;  // murmur3's finalizer
    h = (h ^ h >> 13) * U(0xC2B2AE35u) & low;
    h ^= h >> 16;
    return (typename X::Mask)(h >> 8 >= U(threshold));
}

// The three kinds without an exponential are f = z > 0 ? z : slope * z. The mask turns RELU's
// 0 * -inf into 0. NaN stays NaN.
template <class T> struct Bend {
    T slope;
    bool relu;
    template <class F>
    explicit Bend(const F &f)
        : slope(f.kind == IDENTITY ? T(1) : f.kind == RELU ? T(0) : f.slope),
          relu(f.kind == RELU) {}
    template <class S> INLINE typename S::V value(const Bend &f, typename S::V x) {
        typedef typename S::Mask Mask;
        Mask no_relu = (typename S::U)(f.relu ? 0 : -1) - Mask{};
        return S::select((Mask)(x <= 0), (typename S::V)((Mask)(f.slope * x) & no_relu), x);
    }
    template <class S> INLINE typename S::V derivative(const Bend &f, typename S::V x) {
        return S::select((typename S::Mask)(x > 0), S::splat(1), S::splat(f.slope));
    }
};

// The epilogue of row d, of which `sums` are those from `column` on: activation, dropout,
// derivative.
template <class S>
INLINE void finish(const typename S::V *sums, typename S::T *z, int64_t stride, int32_t d,
                   int64_t column, const Activation<typename S::T> &f) {
    typedef typename S::T T;
    typedef typename S::V V;
    typedef typename S::Mask Mask;
    const Bend<T> bend(f);
    UNROLL for (int v = 0; v < S::count; v++) {
        V x = sums[v], derivative;
        if (f.kind == TANH) {
            x = hyperbolic_tangent<typename S::Self>(x);
            derivative = S::fused(-x, x, S::splat(1));
        } else if (f.kind == LOGISTIC) {
            x = logistic<typename S::Self>(x);
            derivative = x * (1 - x);
        } else if (f.kind == GELU) {
            V stored;  // apart from `derivative`, which otherwise leaves its register for all kinds
            x = gelu<typename S::Self>(x, stored);
            derivative = stored;
        } else {
            derivative = Bend<T>::template derivative<S>(bend, x);
            x = Bend<T>::template value<S>(bend, x);
        }
        int64_t at = column + v * S::width;
        if (f.dropout_threshold) {
            Mask keep = kept<typename S::Self>(d, at, f.dropout_seed, f.dropout_threshold);
            x = (V)((Mask)(x * f.dropout_scale) & keep);
            derivative = (V)((Mask)(derivative * f.dropout_scale) & keep);
        }
        S::store_row(z + d * stride + at, x);
        if (f.derivative) S::store_row(f.derivative + d * stride + at, derivative);
    }
}

// f' at `at` of the rows.
template <class S>
INLINE typename S::V derivative_at(int64_t at, const Derivative<typename S::T> &f) {
    typedef typename S::Mask Mask;
    if (f.derivative) return S::load_row(f.derivative + at);
    if (f.kind == IDENTITY) return S::splat(1);
    typename S::V a = S::load_row(f.activation + at);
    if (f.kind == TANH) return S::fused(-a, a, S::splat(1));
    if (f.kind == LOGISTIC) return a * (1 - a);
    return S::select((Mask)(a > 0), S::splat(1), S::splat(f.kind == RELU ? 0 : f.slope));
}

// ---------------------------------------------------------------- products

template <bool B> struct Flag { static constexpr bool value = B; };

template <class T>
void product(const int32_t *indptr, const int32_t *indices, const T *weights, const T *bias,
             const T *a, T *z, int64_t stride, int32_t begin, int32_t end,
             const Activation<T> &f) {
    for_strips<T>(stride, [=, &f](auto strip, int64_t column) {
        typedef decltype(strip) S;
        auto rows = [&](auto use) __attribute__((always_inline)) {
            for (int32_t d = begin; d < end; d++) {
                typename S::V sums[S::count];
                UNROLL for (int v = 0; v < S::count; v++) sums[v] = S::splat(bias[d]);
                for (int64_t k = indptr[d], last = indptr[d + 1]; k < last; k++) {
                    const T *row = a + indices[k] * stride + column;
                    typename S::V weight = S::splat(weights[k]);
                    UNROLL for (int v = 0; v < S::count; v++)
                        sums[v] = S::fused(weight, S::load_row(row + v * S::width), sums[v]);
                }
                use(sums, d);
            }
        };
        auto bent = [&](auto with_derivative) __attribute__((always_inline)) {
            rows([&, bend = Bend<T>(f)](const typename S::V *sums, int32_t d)
                     __attribute__((always_inline)) {
                const int64_t at = d * stride + column;
                UNROLL for (int v = 0; v < S::count; v++) {
                    typedef Bend<T> B;
                    S::store_row(z + at + v * S::width, B::template value<S>(bend, sums[v]));
                    if constexpr (decltype(with_derivative)::value)
                        S::store_row(f.derivative + at + v * S::width,
                                     B::template derivative<S>(bend, sums[v]));
                }
            });
        };
        // Loops of their own, since a choice for each row took a tenth of the time.
        if (f.kind <= LEAKY_RELU && !f.dropout_threshold) {
            if (f.derivative) bent(Flag<true>{});
            else bent(Flag<false>{});
        } else {
            rows([&](const typename S::V *sums, int32_t d) __attribute__((always_inline)) {
                finish<S>(sums, z, stride, d, column, f);
            });
        }
    });
}

// The epilogue of a row of propagated deltas: times f' at `at`.
template <class S>
INLINE void finish_delta(const typename S::V *sums, typename S::T *out, int64_t at,
                         const Derivative<typename S::T> &f) {
    UNROLL for (int v = 0; v < S::count; v++)
        S::store_row(out + at + v * S::width, sums[v] * derivative_at<S>(at + v * S::width, f));
}

template <class T>
void transposed_product(const int32_t *indptr, const int32_t *positions, const int32_t *indices,
                        const T *weights, const T *delta, T *out, int64_t stride, int32_t begin,
                        int32_t end, const Derivative<T> &f) {
    for_strips<T>(stride, [=, &f](auto strip, int64_t column) {
        typedef decltype(strip) S;
        auto rows = [&](auto use) __attribute__((always_inline)) {
            for (int32_t s = begin; s < end; s++) {
                typename S::V sums[S::count] = {};
                for (int64_t k = indptr[s], last = indptr[s + 1]; k < last; k++) {
                    const T *row = delta + indices[k] * stride + column;
                    typename S::V weight = S::splat(weights[positions[k]]);
                    UNROLL for (int v = 0; v < S::count; v++)
                        sums[v] = S::fused(weight, S::load_row(row + v * S::width), sums[v]);
                }
                use(sums, s * stride + column);
            }
        };
        if (f.kind <= LEAKY_RELU && !f.derivative && f.activation)
            rows([&, bend = Bend<T>(f)](const typename S::V *sums, int64_t at)
                     __attribute__((always_inline)) {
                         UNROLL for (int v = 0; v < S::count; v++) {
                             typename S::V x = S::load_row(f.activation + at + v * S::width);
                             S::store_row(out + at + v * S::width,
                                          sums[v] * Bend<T>::template derivative<S>(bend, x));
                         }
                     });
        else
            rows([&](const typename S::V *sums, int64_t at) __attribute__((always_inline)) {
                finish_delta<S>(sums, out, at, f);
            });
    });
}

template <class T>
void activate(T *z, int64_t stride, int32_t begin, int32_t end, const Activation<T> &f) {
    for_strips<T>(stride, [=, &f](auto strip, int64_t column) {
        typedef decltype(strip) S;
        typename S::V row[S::count];
        for (int32_t d = begin; d < end; d++) {
            UNROLL for (int v = 0; v < S::count; v++)
                row[v] = S::load_row(z + d * stride + column + v * S::width);
            finish<S>(row, z, stride, d, column, f);
        }
    });
}

// ---------------------------------------------------------------- sparse input

constexpr int CHUNK = 512;  // weights or gradients that are held on the stack

INLINE float fused(float x, float y, float z) {
    return Vector<float, 16>::fused(x - Vector<float, 16>::V{}, y - Vector<float, 16>::V{},
                                    z - Vector<float, 16>::V{})[0];
}
INLINE double fused(double x, double y, double z) {
    return Vector<double, 16>::fused(x - Vector<double, 16>::V{}, y - Vector<double, 16>::V{},
                                     z - Vector<double, 16>::V{})[0];
}

// Calls body(first, last) for the chunks of the connections of feature j.
template <class Body> INLINE void for_chunks(const int32_t *indptr, int32_t j, Body body) {
    for (int64_t k = indptr[j], end = indptr[j + 1]; k < end; k += CHUNK)
        body(k, k + CHUNK < end ? k + CHUNK : end);
}

// Feature by feature, whose connections then are in the nearest cache for all its occurrences.
template <class T>
void scatter(const Occurrences<T> &occurrences, int64_t begin, int64_t end, const int32_t *indptr,
             const int32_t *positions, const int32_t *indices, const T *weights, T *sums,
             int64_t ld) {
    T found[CHUNK];
    for (int64_t t = 0; t < occurrences.n; t++)
        for_chunks(indptr, occurrences.features[t], [&](int64_t k, int64_t last) {
            const T *w = weights + k;
            int64_t o = occurrences.starts[t];
            if (positions && occurrences.starts[t + 1] - o == 1) {  // as the loop below
                if (occurrences.samples[o] < begin || occurrences.samples[o] >= end) return;
                T *sum = sums + occurrences.samples[o] * ld, x = occurrences.values[o];
                for (int64_t i = k; i < last; i++)
                    sum[indices[i]] = fused(weights[positions[i]], x, sum[indices[i]]);
                return;
            }
            if (positions) {
                for (int64_t i = k; i < last; i++) found[i - k] = weights[positions[i]];
                w = found;
            }
            for (; o < occurrences.starts[t + 1]; o++) {
                if (occurrences.samples[o] < begin || occurrences.samples[o] >= end) continue;
                T *sum = sums + occurrences.samples[o] * ld, x = occurrences.values[o];
                for (int64_t i = k; i < last; i++)
                    sum[indices[i]] = fused(w[i - k], x, sum[indices[i]]);
            }
        });
}

template <class T>
void scatter_gradient(const Occurrences<T> &occurrences, int64_t begin, int64_t end,
                      const int32_t *indptr, const int32_t *positions, const int32_t *indices,
                      const T *delta, int64_t ld, T *gradient) {
    T found[CHUNK];
    for (int64_t t = begin; t < end; t++)
        for_chunks(indptr, occurrences.features[t], [&](int64_t k, int64_t last) {
            T *g = positions ? found : gradient + k;
            int64_t o = occurrences.starts[t];
            const T *row = delta + occurrences.samples[o] * ld;
            T x = occurrences.values[o];
            for (int64_t i = k; i < last; i++) g[i - k] = x * row[indices[i]];
            while (++o < occurrences.starts[t + 1]) {
                row = delta + occurrences.samples[o] * ld;
                x = occurrences.values[o];
                for (int64_t i = k; i < last; i++)
                    g[i - k] = fused(x, row[indices[i]], g[i - k]);
            }
            if (positions)
                for (int64_t i = k; i < last; i++) gradient[positions[i]] = g[i - k];
        });
}

// ---------------------------------------------------------------- gradients

constexpr int SLACK = 16;              // values that dots may write past its end
constexpr int AHEAD = 32;              // connections from a row's prefetch to its use
constexpr int64_t NEAR = 3 << 18;      // bytes of rows that stay in the second cache beside all else
constexpr int MANY_WEIGHTS = 1 << 15;  // do not stay there from one step to the next
constexpr int MANY_ROWS = 2000;        // have more lengths than the processor remembers

// Calls body(Strip) once, for a strip that divides the row.
template <class T, class Body> INLINE void for_row(int64_t stride, Body body) {
    int64_t bytes = stride * sizeof(T);
    if (bytes == 16) body(Strip<T, 16, 1>{});
    else if (bytes == 32) body(Strip<T, WIDTH_OF_32, 32 / WIDTH_OF_32>{});
    else if (bytes % (4 * WIDEST) == 0) body(Strip<T, WIDEST, 4>{});
    else if (WIDEST == 32 || bytes % (2 * WIDEST) == 0) body(Strip<T, WIDEST, 2>{});
    else body(Strip<T, WIDEST, 1>{});
}

// Two indices in one load: the processor has no more than two loads a cycle beside wide ones.
INLINE void load_pair(const int32_t *p, int64_t *pair) {
    uint64_t both;
    __builtin_memcpy(&both, p, sizeof both);
    pair[0] = both & UINT32_MAX;
    pair[1] = both >> 32;
}

// out[j] = the sum over the batch of rows[indices[j]] * factor for j < GROUP;
// PADDED: indices after `last` repeat it. Each sum runs over the vectors of a
// row in order, then over the lanes as a tree: the bits do not depend on GROUP.
template <class S, int GROUP, bool PADDED>
INLINE void dot_group(const int32_t *indices, int64_t last, const typename S::T *rows,
                      const typename S::T *factor, int64_t stride, typename S::T *out) {
    constexpr int strip = S::count * S::width;
    typename S::V sums[GROUP] = {};
    auto add = [&](int64_t at) __attribute__((always_inline)) {
        int64_t i[2];
        UNROLL for (int j = 0; j < GROUP; j++) {
            if (PADDED) i[j % 2] = indices[last < j ? last : j];
            else if (j % 2 == 0) load_pair(indices + j, i);
            const typename S::T *row = rows + i[j % 2] * stride;
            UNROLL for (int v = 0; v < S::count; v++)
                sums[j] = S::fused(S::load_row(row + at + v * S::width),
                                   S::load_row(factor + at + v * S::width), sums[j]);
        }
    };
    if (stride == strip) add(0);  // without a loop, no GROUP pointers need registers
    else for (int64_t at = 0; at < stride; at += strip) add(at);
    sum_lanes<S, GROUP>(sums, out);
}

// Starts to load the rows AHEAD connections ahead, for the next GROUP. The shuffles of
// sum_lanes fill the queues of the processor, which otherwise meets the next rows too late.
template <class S, int GROUP>
INLINE void prefetch(const int32_t *indices, const typename S::T *rows, int64_t stride) {
    constexpr int strip = S::count * S::width, line = 64 / sizeof(typename S::T);
    int64_t i[2];
    UNROLL for (int j = 0; j < GROUP; j++) {
        if (j % 2 == 0) load_pair(indices + AHEAD + j, i);
        UNROLL for (int at = 0; at < strip; at += line)
            __builtin_prefetch(rows + i[j % 2] * stride + at);
    }
}

// The same as dot_group for j < n. Writes up to SLACK - 1 values past out[n - 1]. Rows are
// prefetched up to the index `limit`; null: not at all.
template <class S>
INLINE void dots(const int32_t *indices, int64_t n, const int32_t *limit,
                 const typename S::T *rows, const typename S::T *factor, int64_t stride,
                 typename S::T *out) {
    int64_t j = 0;
    for (; j + S::width <= n; j += S::width) {
        if (limit && limit - (indices + j) >= AHEAD + S::width)
            prefetch<S, S::width>(indices + j, rows, stride);
        dot_group<S, S::width, false>(indices + j, 0, rows, factor, stride, out + j);
    }
    for (; j < n; j += S::block)
        dot_group<S, S::block, true>(indices + j, n - j - 1, rows, factor, stride, out + j);
}

// The gradients of the connections [k, last), of which the first belongs to
// destination d. `all`: the end of `indices`. Returns the first destination with connections
// after `last`.
template <class T>
NOINLINE int32_t gradients(const int32_t *indptr, const int32_t *indices, const T *a,
                           const T *delta, int64_t stride, int32_t d, int64_t k, int64_t last,
                           int64_t all, T *out) {
    const int64_t bytes = stride * sizeof(T);
    for_row<T>(stride, [&](auto strip) {
        typedef decltype(strip) S;
        for (; k < last; d++) {
            int64_t stop = indptr[d + 1] < last ? indptr[d + 1] : last;
            if (k == stop) continue;
            // The last source tells how many there are.
            const bool far = bytes >= 64 && bytes <= 128 && indices[stop - 1] * bytes > NEAR;
            dots<S>(indices + k, stop - k, far ? indices + all : nullptr, a, delta + d * stride,
                    stride, out);
            out += stop - k;
            k = stop;
        }
    });
    return d > 0 && indptr[d] > last ? d - 1 : d;
}

// out[j] = the sum over the batch of a[sources[j]] * delta[destinations[j]] for j < S::width, in
// the order of dot_group, of rows of one strip. PREFETCH: the rows of the sources.
template <class S, bool PREFETCH>
INLINE void dot_pairs(const int32_t *sources, const int32_t *destinations, const typename S::T *a,
                      const typename S::T *delta, typename S::T *out) {
    constexpr int stride = S::count * S::width, line = 64 / sizeof(typename S::T);
    typename S::V sums[S::width] = {};
    int64_t s[2], d[2];
    UNROLL for (int j = 0; j < S::width; j++) {
        if (j % 2 == 0) {
            load_pair(sources + j, s);
            load_pair(destinations + j, d);
            if (PREFETCH && stride >= line) prefetch<S, 2>(sources + j, a, stride);
        }
        const typename S::T *row = a + s[j % 2] * stride, *factor = delta + d[j % 2] * stride;
        UNROLL for (int v = 0; v < S::count; v++)
            sums[j] = S::fused(S::load_row(row + v * S::width), S::load_row(factor + v * S::width),
                               sums[j]);
    }
    sum_lanes<S, S::width>(sums, out);
}

// The same as gradients() for short rows, in groups that do not end where a destination does:
// that branch would be guessed wrong for most of many destinations.
template <class T>
NOINLINE int32_t gradients_of_many(const int32_t *indptr, const int32_t *indices, const T *a,
                                   const T *delta, int64_t stride, int32_t d, int64_t k,
                                   int64_t last, int64_t all, T *out) {
    constexpr int at_once = 32;
    int32_t destinations[CHUNK + at_once];
    const int64_t n = last - k;
    for (int64_t i = 0; i < n; d++) {
        int64_t stop = (indptr[d + 1] < last ? indptr[d + 1] : last) - k;
        for (; i < stop; i += at_once)  // past the end, which the next one overwrites
            UNROLL for (int j = 0; j < at_once; j++) destinations[i + j] = d;
        i = stop;
    }
    for_row<T>(stride, [&](auto strip) {
        typedef decltype(strip) S;
        if (stride != S::count * S::width) return;
        const int64_t far = all - k - AHEAD;
        int64_t i = 0;
        for (; i + S::width <= (n < far ? n : far); i += S::width)
            dot_pairs<S, true>(indices + k + i, destinations + i, a, delta, out + i);
        for (; i + S::width <= n; i += S::width)
            dot_pairs<S, false>(indices + k + i, destinations + i, a, delta, out + i);
        if (i == n) return;
        int32_t rest[2][S::width];
        for (int j = 0; j < S::width; j++) {
            int64_t at = i + j < n ? i + j : n - 1;
            rest[0][j] = indices[k + at];
            rest[1][j] = destinations[at];
        }
        dot_pairs<S, false>(rest[0], rest[1], a, delta, out + i);
    });
    return d > 0 && indptr[d] > last ? d - 1 : d;
}

// Calls use(gradients, k, n) for parts of the connections of the destinations in [begin, end).
template <class T, class Use>
INLINE void for_gradients(const int32_t *indptr, const int32_t *indices, const T *a,
                          const T *delta, int64_t stride, int32_t begin, int32_t end, Use use) {
    T chunk[CHUNK + SLACK];
    const bool many = end - begin >= MANY_ROWS && stride * sizeof(T) <= 2 * WIDEST;
    auto compute = many ? gradients_of_many<T> : gradients<T>;
    int32_t d = begin;
    const int64_t all = indptr[end];
    for (int64_t k = indptr[begin], last; k < all; k = last) {
        last = k + CHUNK < all ? k + CHUNK : all;
        d = compute(indptr, indices, a, delta, stride, d, k, last, all, chunk);
        use(chunk, k, last - k);
    }
}

template <class T>
void bias_gradient(const T *delta, T *out, int64_t stride, int32_t begin, int32_t end) {
    for_row<T>(stride, [=](auto strip) {
        typedef decltype(strip) S;
        for (int32_t d = begin; d < end; d += S::block) {
            typename S::V sums[S::block] = {};
            typename S::T result[S::block];
            int32_t n = end - d < S::block ? end - d : S::block;
            for (int64_t at = 0; at < stride; at += S::width)
                UNROLL for (int j = 0; j < S::block; j++)
                    sums[j] += S::load_row(delta + (d + (j < n ? j : 0)) * stride + at);
            sum_lanes<S, S::block>(sums, result);
            __builtin_memcpy(out + d, result, n * sizeof(T));
        }
    });
}

template <class T>
void gradient(const int32_t *indptr, const int32_t *indices, const T *a, const T *delta,
              T *out, T *bias_out, int64_t stride, int32_t begin, int32_t end) {
    for_gradients(indptr, indices, a, delta, stride, begin, end,
                  [&](const T *part, int64_t k, int64_t n) {
                      __builtin_memcpy(out + k, part, n * sizeof(T));
                  });
    bias_gradient(delta, bias_out, stride, begin, end);
}

// ---------------------------------------------------------------- updates

// What a step changes: weights or biases, and what lies beside them.
template <class T> struct Stepped {
    T *weights, *first, *second, *sensitivity;  // all but the weights may be null
    INLINE T *shift(T *p, int64_t i) { return p ? p + i : nullptr; }
    Stepped from(int64_t i) const {
        return {weights + i, shift(first, i), shift(second, i), shift(sensitivity, i)};
    }
};

INLINE float square_root(float x) { return __builtin_sqrtf(x); }
INLINE double square_root(double x) { return __builtin_sqrt(x); }
template <class X> INLINE typename X::V square_roots(typename X::V x) {
    UNROLL for (int l = 0; l < X::width; l++) x[l] = square_root(x[l]);
    return x;
}

// One step of n weights. The remainder runs through the same instructions, on
// vectors that are part empty: the bits do not depend on a weight's position.
template <class T, int RULE, bool SENSITIVITY>
NOINLINE void step_by(const T *gradient, const Stepped<T> &p, int64_t n, const Update<T> &rule,
                      T l2, T shrink) {
    typedef Vector<T, WIDEST> X;
    typedef typename X::V V;
    for (int64_t i = 0; i < n; i += X::width) {
        int64_t count = n - i;
        V g = X::load_part(gradient + i, count), w = X::load_part(p.weights + i, count);
        if (SENSITIVITY) {
            V size = (V)((typename X::Mask)(w * g) & ~sign_bit<X>());
            size += X::load_part(p.sensitivity + i, count);
            X::store_part(p.sensitivity + i, size, count);
        }
        g = X::fused(X::splat(l2), w, g);
        V v = {}, change;
        if (p.first) v = X::load_part(p.first + i, count);
        if (RULE == ADAM) {
            V u = X::load_part(p.second + i, count);
            v = X::fused(X::splat(rule.beta_1), v, (1 - rule.beta_1) * g);
            u = X::fused(X::splat(rule.beta_2), u, (1 - rule.beta_2) * g * g);
            X::store_part(p.second + i, u, count);
            change = -rule.rate * v / (square_roots<X>(u) + rule.epsilon);
        } else {
            V move = -rule.rate * g, momentum = X::splat(rule.momentum);
            v = X::fused(momentum, v, move);
            change = RULE == NESTEROV ? X::fused(momentum, v, move) : v;
        }
        if (p.first) X::store_part(p.first + i, v, count);
        X::store_part(p.weights + i, w + X::fused(X::splat(-shrink), w, change), count);
    }
}

template <class T>
void step(const T *gradient, const Stepped<T> &p, int64_t n, const Update<T> &rule, T l2,
          T shrink) {
    auto chosen = step_by<T, SGD, false>;
    if (rule.rule == ADAM)
        chosen = p.sensitivity ? step_by<T, ADAM, true> : step_by<T, ADAM, false>;
    else if (rule.rule == NESTEROV)
        chosen = p.sensitivity ? step_by<T, NESTEROV, true> : step_by<T, NESTEROV, false>;
    else if (p.sensitivity)
        chosen = step_by<T, SGD, true>;
    chosen(gradient, p, n, rule, l2, shrink);
}

template <class T>
void step_bias(const T *gradient, const Stepped<T> &p, int64_t n, const Update<T> &rule) {
    step(gradient, p, n, rule, T(0), rule.shrink_bias ? rule.shrink : T(0));
}

template <class T>
void update(const T *gradient, T *weights, T *first, T *second, T *sensitivity, int64_t begin,
            int64_t end, const Update<T> &rule) {
    Stepped<T> p = {weights, first, second, sensitivity};
    step(gradient + begin, p.from(begin), end - begin, rule, rule.l2, rule.shrink);
}

template <class T>
void update_bias(const T *gradient, T *bias, T *first, T *second, int64_t begin, int64_t end,
                 const Update<T> &rule) {
    Stepped<T> p = {bias, first, second, nullptr};
    step_bias(gradient + begin, p.from(begin), end - begin, rule);
}

template <class T> INLINE void prefetch_weights(const Stepped<T> &p, int64_t k, int64_t last) {
    const T *const arrays[] = {p.weights, p.first, p.second};
    for (const T *array : arrays)
        for (int64_t i = k; array && i < last; i += 64 / sizeof(T))
            __builtin_prefetch(array + i, 1);
}

template <class T>
void descend(const int32_t *indptr, const int32_t *indices, const T *a, const T *delta,
             int64_t stride, int32_t begin, int32_t end, const Parameters<T> &p,
             const Update<T> &rule) {
    Stepped<T> weights = {p.weights, p.first, p.second, p.sensitivity};
    Stepped<T> biases = {p.bias, p.bias_first, p.bias_second, nullptr};
    const int64_t all = indptr[end];
    const bool far = all - indptr[begin] >= MANY_WEIGHTS;
    for_gradients(indptr, indices, a, delta, stride, begin, end,
                  [&](const T *part, int64_t k, int64_t n) {
                      step(part, weights.from(k), n, rule, rule.l2, rule.shrink);
                      k += n;  // meanwhile the next ones arrive
                      if (far) prefetch_weights(weights, k, k + CHUNK < all ? k + CHUNK : all);
                  });
    T chunk[CHUNK];
    for (int32_t first = begin, n; first < end; first += n) {
        n = end - first < CHUNK ? end - first : CHUNK;
        bias_gradient(delta + first * stride, chunk, stride, 0, n);
        step_bias(chunk, biases.from(first), n, rule);
    }
}

// ---------------------------------------------------------------- gathering

// Features [begin, end) into rows of a. X::width samples by X::width features
// at a time. Samples are too many streams for the processor to see what is read next.
template <class X, class T>
NOINLINE void gather(const T *x, int64_t ld, const Rows<T> &rows, T *a, int64_t stride,
                     int64_t begin, int64_t end) {
    constexpr int64_t ahead = 256 / sizeof(T);
    typename X::V block[X::width];
    for (int64_t b = 0; b < stride; b += X::width)
        for (int64_t j = begin; j < end; j += X::width) {
            int64_t count = end - j;
            UNROLL for (int i = 0; i < X::width; i++) {
                block[i] = typename X::V{};
                if (b + i >= rows.size) continue;
                const T *row = x + rows.rows[b + i] * ld + j;
                if (count > ahead) __builtin_prefetch(row + ahead);
                block[i] = X::load_part(row, count);
                if (rows.n_partners) block[i] = rows.shares[b + i] * block[i];
                for (int64_t p = 0, k = b + i; p < rows.n_partners; ++p, k += rows.ld) {
                    row = x + rows.partners[k] * ld + j;
                    if (count > ahead) __builtin_prefetch(row + ahead);
                    block[i] = X::fused(X::splat(rows.shares[k + rows.ld]),
                                        X::load_part(row, count), block[i]);
                }
            }
            transpose<X>(block);
            UNROLL for (int i = 0; i < X::width; i++)
                if (i < count) X::store_row(a + (j + i) * stride + b, block[i]);
        }
}

template <class T>
void gather_rows(const T *x, int64_t ld, const Rows<T> &rows, T *a, int64_t stride,
                 int64_t begin, int64_t end) {
    int64_t bytes = stride * sizeof(T);
    auto chosen = bytes == 16   ? gather<Vector<T, 16>, T>
                  : bytes == 32 ? gather<Vector<T, WIDTH_OF_32>, T>
                                : gather<Vector<T, WIDEST>, T>;
    chosen(x, ld, rows, a, stride, begin, end);
}

// ---------------------------------------------------------------- convolutions

template <class T>
void shifted_product(const int32_t *offsets, const T *weights, int64_t n, T start, const T *base,
                     T *out, int64_t length) {
    // AVX-512 has registers for 16 sums.
    for_strips<T, WIDEST == 64 ? 16 : 8>(length, [=](auto strip, int64_t column) {
        typedef decltype(strip) S;
        typename S::V sums[S::count];
        UNROLL for (int v = 0; v < S::count; v++) sums[v] = S::splat(start);
        for (int64_t k = 0; k < n; k++) {
            const T *row = base + offsets[k] + column;
            typename S::V weight = S::splat(weights[k]);
            UNROLL for (int v = 0; v < S::count; v++)
                sums[v] = S::fused(weight, S::load(row + v * S::width), sums[v]);
        }
        UNROLL for (int v = 0; v < S::count; v++)
            S::store_row(out + column + v * S::width, sums[v]);
    });
}

// The same for GROUP rows; PADDED: those after `last` repeat it.
template <class S, int GROUP, bool PADDED>
INLINE void shifted_dot_group(const int32_t *offsets, int64_t last, const typename S::T *base,
                              const typename S::T *row, int64_t length, typename S::T *out) {
    typename S::V sums[GROUP] = {};
    for (int64_t at = 0; at < length; at += S::count * S::width)
        UNROLL for (int j = 0; j < GROUP; j++) {
            const typename S::T *shifted = base + offsets[PADDED && last < j ? last : j] + at;
            UNROLL for (int v = 0; v < S::count; v++)
                sums[j] = S::fused(S::load(shifted + v * S::width),
                                   S::load_row(row + at + v * S::width), sums[j]);
        }
    sum_lanes<S, GROUP>(sums, out);
}

template <class T>
void shifted_dots(const int32_t *offsets, int64_t n, const T *base, const T *row, int64_t length,
                  T *sums) {
    typedef Strip<T, WIDEST, 4> S;
    T found[S::width];
    int64_t k = 0;
    for (; k + S::width <= n; k += S::width) {
        shifted_dot_group<S, S::width, false>(offsets + k, 0, base, row, length, found);
        for (int j = 0; j < S::width; j++) sums[k + j] += found[j];
    }
    for (; k < n; k += S::block) {
        shifted_dot_group<S, S::block, true>(offsets + k, n - k - 1, base, row, length, found);
        for (int j = 0; j < S::block && k + j < n; j++) sums[k + j] += found[j];
    }
}

// ---------------------------------------------------------------- moves

// New values as carry() takes them: `step` is 1, or 0 if they are all 0.
template <class T> struct Fresh {
    const T *next, *last;
    int64_t step;
};

// Masks instead of branches, since which are new is random: a new one reads the first value
// too, an old one the next fresh one.
template <class T, bool FRESH>
INLINE void carry_one_by_one(const T *values, const int32_t *source, int64_t n, Fresh<T> &fresh,
                             T *moved) {
    typedef typename Bits<T>::Unsigned U;
    for (int64_t k = 0; k < n; k++) {
        int64_t is_new = source[k] >> 31;
        U mask = (U)is_new, old, next = 0;
        __builtin_memcpy(&old, values + (source[k] & ~is_new), sizeof old);
        if (FRESH)
            __builtin_memcpy(&next, fresh.next < fresh.last ? fresh.next : fresh.last, sizeof next);
        old = (old & ~mask) | (next & mask);
        __builtin_memcpy(moved + k, &old, sizeof old);
        if (FRESH) fresh.next -= is_new;
    }
}

template <class T>
INLINE void carry_part(const T *values, const int32_t *source, int64_t n, Fresh<T> &fresh,
                       T *moved) {
    if (fresh.step) carry_one_by_one<T, true>(values, source, n, fresh, moved);
    else carry_one_by_one<T, false>(values, source, n, fresh, moved);
}

#if defined(__AVX512F__)
// A vector of values and how it is put together: lane l of permuted() is value at[l] of x
// followed by y, expanded() fills the lanes of a mask with the first values of x.
template <class T> struct Mover;
template <> struct Mover<float> {
    typedef __m512 V;
    static constexpr int width = 16;
    static V load(const float *p) { return _mm512_loadu_ps(p); }
    static void store(float *p, V v) { _mm512_storeu_ps(p, v); }
    static V permuted(V x, __m512i at, V y) { return _mm512_permutex2var_ps(x, at, y); }
    static V expanded(V v, unsigned lanes, V x) {
        return _mm512_mask_expand_ps(v, (__mmask16)lanes, x);
    }
    static __m512i indices(const int32_t *p) { return _mm512_loadu_si512(p); }
    static __m512i bits(const float *p, unsigned lanes) {
        return _mm512_maskz_loadu_epi32((__mmask16)lanes, p);
    }
    static __m512i without_sign(__m512i s) {
        return _mm512_and_epi32(s, _mm512_set1_epi32(INT32_MAX));
    }
    static void store_chosen(uint32_t *p, unsigned lanes, __m512i s) {
        _mm512_storeu_si512(p, _mm512_maskz_compress_epi32((__mmask16)lanes, s));
    }
    static unsigned negative(__m512i s) { return _mm512_movepi32_mask(s); }
    static __m512i less(__m512i s, int32_t x) { return _mm512_sub_epi32(s, _mm512_set1_epi32(x)); }
    static unsigned below(__m512i s, int32_t x) {
        return _mm512_cmplt_epu32_mask(s, _mm512_set1_epi32(x));
    }
};
template <> struct Mover<double> {
    typedef __m512d V;
    static constexpr int width = 8;
    static V load(const double *p) { return _mm512_loadu_pd(p); }
    static void store(double *p, V v) { _mm512_storeu_pd(p, v); }
    static V permuted(V x, __m512i at, V y) { return _mm512_permutex2var_pd(x, at, y); }
    static V expanded(V v, unsigned lanes, V x) {
        return _mm512_mask_expand_pd(v, (__mmask8)lanes, x);
    }
    static __m512i indices(const int32_t *p) {
        return _mm512_maskz_cvtepi32_epi64(0xff, _mm256_loadu_si256((const __m256i *)p));
    }
    static __m512i bits(const double *p, unsigned lanes) {
        return _mm512_maskz_loadu_epi64((__mmask8)lanes, p);
    }
    static __m512i without_sign(__m512i s) {
        return _mm512_and_epi64(s, _mm512_set1_epi64(INT64_MAX));
    }
    static void store_chosen(uint64_t *p, unsigned lanes, __m512i s) {
        _mm512_storeu_si512(p, _mm512_maskz_compress_epi64((__mmask8)lanes, s));
    }
    static unsigned negative(__m512i s) { return _mm512_movepi64_mask(s); }
    static __m512i less(__m512i s, int64_t x) { return _mm512_sub_epi64(s, _mm512_set1_epi64(x)); }
    static unsigned below(__m512i s, int64_t x) {
        return _mm512_cmplt_epu64_mask(s, _mm512_set1_epi64(x));
    }
};

// As long as what a vector of results comes from lies within two vectors of values. Returns
// the number of results.
template <class T>
INLINE int64_t carry_vectors(const T *values, int64_t n_values, const int32_t *source, int64_t n,
                             Fresh<T> &fresh, T *moved) {
    typedef Mover<T> M;
    constexpr int width = M::width;
    constexpr unsigned all = (1u << width) - 1;
    int64_t k = 0, begin = 0;  // the first value that is not yet passed by
    if (n >= width) {
        unsigned old = all & ~M::negative(M::indices(source));
        if (old) begin = source[__builtin_ctz(old)];
    }
    for (; k + width <= n && begin + 2 * width <= n_values; k += width) {
        if (fresh.step && fresh.last - fresh.next < width) break;
        __m512i s = M::indices(source + k);
        unsigned is_new = M::negative(s);
        s = M::less(s, begin);
        if ((M::below(s, 2 * width) | is_new) != all) break;
        typename M::V low = M::load(values + begin), high = M::load(values + begin + width);
        typename M::V v = M::permuted(low, s, high);
        M::store(moved + k, M::expanded(v, is_new, M::load(fresh.next)));
        fresh.next += fresh.step * __builtin_popcount(is_new);
        if (is_new != all) begin = source[k + 31 - __builtin_clz(all & ~is_new)] + int64_t(1);
    }
    return k;
}
#endif

template <class T>
void carry(const T *values, int64_t n_values, const int32_t *source, int64_t n, const T *new_values,
           int64_t n_new, T *moved) {
    const T none[WIDEST / sizeof(T)] = {};
    Fresh<T> fresh = {none, none, 0};
    if (new_values && n_new) fresh = {new_values, new_values + n_new - 1, 1};
    if (!n_values) values = none;
    for (int64_t k = 0, part = n; k < n; k += part) {
#if defined(__AVX512F__)
        k += carry_vectors(values, n_values, source + k, n - k, fresh, moved + k);
        part = n - k < 16 ? n - k : 16;
#endif
        carry_part(values, source + k, part, fresh, moved + k);
    }
}

bool all_inside(const int32_t *indices, int64_t n, int32_t end) {
    uint32_t signs = 0;  // the highest bit: of negative ones, and of those that are too large
    for (int64_t k = 0; k < n; ++k) signs |= indices[k] | ((uint32_t)end - 1 - indices[k]);
    return !(signs >> 31);
}

int64_t count_new(const int32_t *source, int64_t n, int32_t n_values) {
    int32_t n_new = 0, behind = 0;
    for (int64_t k = 0; k < n; ++k) {
        n_new += source[k] < 0;
        behind |= source[k] >= n_values;
    }
    return behind ? -1 : n_new;
}

#if defined(__AVX512F__)
INLINE __m512i counting_from(int32_t first) {
    const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_add_epi32(count, _mm512_set1_epi32(first));
}

// Of up to 32 connections of a row.
struct Compacted {
    uint32_t stay;      // those that are kept
    __m512i places[2];  // the sources, less their rank among the kept ones
};

// Writes the kept ones' sources and positions behind the n of the row that were written before.
INLINE Compacted compact(const MergedRow &row, int32_t k, int32_t n, int32_t *kept,
                         int32_t *positions) {
    Compacted part;
    uint32_t inside = row.end - k < 32 ? (1u << (row.end - k)) - 1 : ~0u;
    __m256i flags = _mm256_maskz_loadu_epi8(inside, row.keep + k);
    part.stay = _mm256_test_epi8_mask(flags, flags);
    UNROLL for (int i = 0; i < 2; i++) {
        __mmask16 stay = part.stay >> 16 * i;
        __m512i sources = _mm512_maskz_loadu_epi32(inside >> 16 * i, row.before + k + 16 * i);
        __m512i rank = _mm512_maskz_expand_epi32(stay, counting_from(n));
        part.places[i] = row.by_rank ? _mm512_sub_epi32(sources, rank) : sources;
        _mm512_storeu_si512(kept + n, _mm512_maskz_compress_epi32(stay, sources));
        __m512i place = _mm512_maskz_compress_epi32(stay, counting_from(k + 16 * i));
        _mm512_storeu_si512(positions + n, place);
        n += __builtin_popcount(stay);
    }
    return part;
}

// Each new place is compared with 32 kept ones at a time, which tells where in the row it comes.
// Then rows are put together 16 places at a time, of the next kept and the next new ones.
void merge_row(MergedRow &caller) {
    MergedRow row = caller;
    int32_t *kept = row.work, *positions = row.work + row.n_work;
    int32_t fresh[64 + 16], n_fresh = 0, first = 0, n_old = 0, n = 0, n_all = 0;
    uint64_t is_new = 0;  // which of the 64 from `first` on are
    auto put = [&](int32_t end) __attribute__((always_inline)) {
        const int32_t *next = fresh;
        for (; first < end; first += 16, is_new >>= 16) {
            __mmask16 at = is_new, old = ~at;
            __m512i sources = _mm512_maskz_expand_epi32(old, _mm512_loadu_si512(kept + n_old));
            sources = _mm512_mask_expand_epi32(sources, at, _mm512_loadu_si512(next));
            _mm512_storeu_si512(row.indices + first, sources);
            __m512i from = _mm512_loadu_si512(positions + n_old);
            from = _mm512_mask_expand_epi32(_mm512_set1_epi32(-1), old, from);
            _mm512_storeu_si512(row.source + first, from);
            next += __builtin_popcount(at);
            n_old += 16 - __builtin_popcount(at);
        }
        n_fresh = 0;
    };
    const int64_t offset = row.base - (row.by_rank ? row.n_kept : 0);
    const int64_t *places = row.places;
    int32_t k = row.begin;
    do {
        Compacted part = compact(row, k, n, kept, positions);
        const int32_t n_before = n;
        n += __builtin_popcount(part.stay);
        k += 32;
        // Of the new places those up to the last source of this part, or all that are left.
        int64_t limit = offset + row.n_in - (row.by_rank ? n : 0);
        if (k < row.end) limit = offset + row.before[k - 1] - (row.by_rank ? n : 0) + 1;
        for (; *places < limit; ++places) {
            const int32_t place = (int32_t)(*places - offset);
            const __m512i wanted = _mm512_set1_epi32(place);
            uint32_t smaller = _mm512_cmple_epi32_mask(part.places[0], wanted);
            smaller |= _mm512_cmple_epi32_mask(part.places[1], wanted) << 16;
            const int32_t before = n_before + __builtin_popcount(smaller & part.stay);
            const int32_t slot = before + n_all++;
            while (slot >= first + 64) put(first + 64);
            is_new |= uint64_t(1) << (slot - first);
            fresh[n_fresh++] = place + (row.by_rank ? before : 0);
        }
    } while (k < row.end);
    n_all += n;
    put(n_all);
    caller.places = places;
    caller.indices += n_all;
    caller.source += n_all;
    caller.n_kept += n;
}
#else
// The row's kept sources, with by_rank less the number of kept ones before them, and their
// positions, with two values behind all. Returns how many there are.
INLINE int32_t compact_row(const MergedRow &row, int32_t *kept, int32_t *positions) {
    int32_t n = 0, step = row.by_rank ? 1 : 0;
    for (int32_t k = row.begin; k < row.end; ++k) {
        positions[n] = k;
        kept[n] = row.before[k] - step * n;
        n += row.keep[k];  // no branch: what is not kept is overwritten
    }
    kept[n] = kept[n + 1] = INT32_MAX;
    return n;
}

// Masks instead of branches, since which is next is random; what may come after it
// is loaded before that is known.
template <bool BY_RANK>
INLINE void merge_steps(const int32_t *fresh, const int32_t *kept, const int32_t *positions,
                        int32_t *indices, int32_t *source, int64_t n) {
    int64_t j = 0;
    int32_t a = fresh[0], b = kept[0];
    for (int64_t out = 0; out < n; ++out) {
        const int32_t after_a = fresh[out - j + 1], after_b = kept[j + 1];
        const int64_t old = a >= b;
        const int32_t is_old = -(int32_t)old;
        indices[out] = (a < b ? a : b) + (BY_RANK ? (int32_t)j : 0);
        source[out] = positions[j] | ~is_old;
        a = after_a ^ ((a ^ after_a) & is_old);
        b ^= (b ^ after_b) & is_old;
        j += old;
    }
}

INLINE void merge_places(const int32_t *kept, const int32_t *positions, int32_t n, int64_t offset,
                         int64_t limit, MergedRow &row) {
    int32_t *fresh = row.work + 2 * row.n_work, n_fresh = 0;
    for (; *row.places < limit; ++row.places) fresh[n_fresh++] = (int32_t)(*row.places - offset);
    fresh[n_fresh] = fresh[n_fresh + 1] = INT32_MAX;
    if (row.by_rank)
        merge_steps<true>(fresh, kept, positions, row.indices, row.source, n + n_fresh);
    else
        merge_steps<false>(fresh, kept, positions, row.indices, row.source, n + n_fresh);
    row.indices += n + n_fresh;
    row.source += n + n_fresh;
}

void merge_row(MergedRow &row) {
    int32_t *kept = row.work, *positions = row.work + row.n_work;
    int32_t n = compact_row(row, kept, positions);
    int64_t offset = row.base - (row.by_rank ? row.n_kept : 0);
    int64_t limit = offset + row.n_in - (row.by_rank ? n : 0);
    merge_places(kept, positions, n, offset, limit, row);
    row.n_kept += n;
}
#endif

// ---------------------------------------------------------------- selection

template <class T> void count_signs(const T *values, int64_t n, int64_t counts[4]) {
    typedef Magnitude<T> U;  // as wide as a value, for SIMD
    U negative = 0, positive = 0, zero = 0, minus_zero = 0;
    for (int64_t k = 0; k < n; ++k) {
        U bits;
        __builtin_memcpy(&bits, values + k, sizeof bits);
        negative += values[k] < 0;
        positive += values[k] > 0;
        zero += values[k] == 0;
        minus_zero += bits == SIGN<T>;
    }
    counts[0] = negative;
    counts[1] = minus_zero;
    counts[2] = zero - minus_zero;
    counts[3] = positive;
}

template <class T>
void mark_outside(const T *values, int64_t n, T low, T high, uint8_t *keep) {
    for (int64_t k = 0; k < n; ++k) keep[k] = (values[k] < low) | (values[k] > high);
}

#if defined(__AVX512F__)
template <class T> void collect(const T *values, int64_t n, Collected<T> &range) {
    typedef Mover<T> M;
    int64_t n_inside[2] = {}, n_below[2] = {};
    for (int64_t k = 0; k < n; k += M::width) {
        const unsigned lanes = n - k < M::width ? (1u << (n - k)) - 1 : (1u << M::width) - 1;
        const __m512i bits = M::bits(values + k, lanes);
        const __m512i magnitudes = M::without_sign(bits);
        const unsigned negative = M::negative(bits);
        const unsigned below = lanes & M::below(magnitudes, range.begin);
        const unsigned inside = lanes & M::below(M::less(magnitudes, range.begin), range.size);
        n_below[0] += __builtin_popcount(below & ~negative);
        n_below[1] += __builtin_popcount(below & negative);
        M::store_chosen(range.inside[0] + n_inside[0], inside & ~negative, magnitudes);
        M::store_chosen(range.inside[1] + n_inside[1], inside & negative, magnitudes);
        n_inside[0] += __builtin_popcount(inside & ~negative);
        n_inside[1] += __builtin_popcount(inside & negative);
    }
    for (int s = 0; s < 2; s++) {
        range.n_inside[s] = n_inside[s];
        range.n_below[s] = n_below[s];
    }
}
#else
// No branch: what is not wanted is overwritten.
template <class T> void collect(const T *values, int64_t n, Collected<T> &range) {
    typedef Magnitude<T> U;
    U n_below = 0, n_below_negative = 0;  // as wide as a value, for SIMD
    for (int64_t k = 0; k < n; ++k) {
        U bits;
        __builtin_memcpy(&bits, values + k, sizeof bits);
        const U below = (bits & ~SIGN<T>) < range.begin;
        n_below += below;
        n_below_negative += below & (bits >> (8 * sizeof bits - 1));
    }
    U *const all = range.inside[1];  // of both signs at first
    int64_t n_all = 0;
    for (int64_t k = 0; k < n; ++k) {
        __builtin_memcpy(all + n_all, values + k, sizeof(U));
        n_all += (all[n_all] & ~SIGN<T>) - range.begin < range.size;
    }
    int64_t n_inside[2] = {};
    for (int64_t k = 0; k < n_all; ++k) {
        const U bits = all[k];
        range.inside[0][n_inside[0]] = range.inside[1][n_inside[1]] = bits & ~SIGN<T>;
        n_inside[0] += bits < SIGN<T>;
        n_inside[1] += bits >= SIGN<T>;
    }
    range.n_below[0] = n_below - n_below_negative;
    range.n_below[1] = n_below_negative;
    range.n_inside[0] = n_inside[0];
    range.n_inside[1] = n_inside[1];
}
#endif

// ---------------------------------------------------------------- draws

// -log2(1 - f / 2) for f in [0, 1), both in 2^-32, to 2e-7: the polynomial without a constant that
// is exact at eight Chebyshev points. Integers are the same on every machine.
INLINE uint64_t log_of_half(uint64_t f) {
    uint64_t p = 0x01abe92d;
    p = 0x02fd47c9 - (p * f >> 32);
    p = 0x045ac4b3 - (p * f >> 32);
    p = 0x008ee171 + (p * f >> 32);
    p = 0x063e5301 + (p * f >> 32);
    p = 0x0f53d787 + (p * f >> 32);
    p = 0x2e2b5178 + (p * f >> 32);
    p = 0xb8aa39a3 + (p * f >> 32);
    return p * f >> 32;
}

void draw_gaps(uint64_t seed, uint64_t first, int64_t n, int64_t *gaps) {
    for (int64_t i = 0; i < n; ++i) {  // in vectors
        const uint64_t z = splitmix64(seed, first + i);
        // How often the half below 1 was missed: the zeros before the upper 32 bits, of which the
        // exponent of the number that they make tells.
        const uint64_t two_to_52 = 0x4330000000000000, upper = two_to_52 | z >> 32 | 1;
        double number, offset;
        __builtin_memcpy(&number, &upper, sizeof upper);
        __builtin_memcpy(&offset, &two_to_52, sizeof offset);
        number -= offset;
        uint64_t bits;
        __builtin_memcpy(&bits, &number, sizeof bits);
        gaps[i] = ((1054 - (bits >> 52)) << 32) + log_of_half(z & UINT32_MAX) + 1;
    }
}

template <class T>
const Kernels<T> table = {product<T>, transposed_product<T>, gradient<T>,
                          descend<T>, update<T>,             update_bias<T>,
                          gather_rows<T>, activate<T>,       scatter<T>,
                          scatter_gradient<T>, bias_gradient<T>,
                          shifted_product<T>, shifted_dots<T>, carry<T>, all_inside, count_new,
                          merge_row,   count_signs<T>, collect<T>,
                          mark_outside<T>, draw_gaps};

}  // namespace
}  // namespace SKLEARN_SET_ISA
}  // namespace sklearn_set

#define TABLE_(bits, isa) sklearn_set_f##bits##_##isa
#define TABLE(bits, isa) TABLE_(bits, isa)
const sklearn_set::Kernels<float> *TABLE(32, SKLEARN_SET_ISA)() {
    return &sklearn_set::SKLEARN_SET_ISA::table<float>;
}
const sklearn_set::Kernels<double> *TABLE(64, SKLEARN_SET_ISA)() {
    return &sklearn_set::SKLEARN_SET_ISA::table<double>;
}
