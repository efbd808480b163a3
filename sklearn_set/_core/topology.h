// Changes of a layer's connections: sampling, selection, growth, transposition.
//
// Owns: which positions of a layer are connected. May not touch: weights (it
// reads their magnitudes to select, it never moves them), Python, threads.
// Every result is a function of its arguments alone; random draws come from a
// counter-based generator (splitmix64), so draw i of a seed never depends on
// how many were made before it.
#pragma once
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace sklearn_set {

// Asks for pages of 2 MB, if the array is large and the system has them, as NumPy does: most of the
// time that a new array takes is that of its first pages.
void prefer_huge_pages(void *begin, size_t n_bytes);

// An allocator whose vectors start uninitialised: what is overwritten anyway need
// not be zeroed first.
template <class T> struct Unset : std::allocator<T> {
    template <class U> struct rebind { using other = Unset<U>; };
    T *allocate(size_t n) {
        T *values = std::allocator<T>::allocate(n);
        prefer_huge_pages(values, n * sizeof(T));
        return values;
    }
    template <class U> void construct(U *p) noexcept { ::new (static_cast<void *>(p)) U; }
    template <class U, class... A> void construct(U *p, A &&...a) {
        ::new (static_cast<void *>(p)) U(std::forward<A>(a)...);
    }
};
template <class T> using Array = std::vector<T, Unset<T>>;

// Connections by destination neuron, sources ascending within a destination.
struct ConnectivityView {
    const int32_t *indptr;   // n_out + 1
    const int32_t *indices;  // nnz sources
    int32_t n_in, n_out;
    int64_t nnz() const { return indptr[n_out]; }
};

struct Rewired {
    Array<int32_t> indptr, indices;
    Array<int32_t> source;  // where each connection was stored before; -1: new
};

struct Transposed {
    Array<int32_t> indptr, positions, indices;
};

// `count` distinct integers below `bound`, uniformly, ascending: the first
// `count` distinct values of the stream floor(draw * bound / 2^64).
// Needs count <= bound.
Array<int64_t> sample_without_replacement(int64_t bound, int64_t count, uint64_t seed);

// `draws` positions of an n_in x n_out layer with replacement, duplicates
// collapsed (source stays empty).
Rewired erdos_renyi(int32_t n_in, int32_t n_out, int64_t draws, uint64_t seed);

// The number of ones among bytes that are 0 or 1.
int64_t count_ones(const uint8_t *bits, int64_t n);

// Numbers of negative, zero and positive weights.
template <class T> void count_signs(const T *weights, int64_t nnz, int64_t counts[3]);

// Whether all values are finite numbers.
template <class T> bool all_finite(const T *values, int64_t n);

// keep[k] = 0 for the n_negative negative and the n_positive positive scores
// nearest to zero and for every exact zero, 1 elsewhere. Ties: the lower
// position (destination, source) is dropped first. False, and nothing is done, if there are
// not as many.
template <class T>
bool drop_nearest_zero(const T *weights, int64_t nnz, int64_t n_negative, int64_t n_positive,
                       uint8_t *keep);

// keep[k] = 0 for the n_drop smallest scores (scores >= 0; ties as above).
template <class T>
void drop_smallest(const T *scores, int64_t nnz, int64_t n_drop, uint8_t *keep);

// The kept connections and `n_new` more at free places, uniformly. The places
// of dropped connections count as free only if regrow_dropped.
// Needs n_new <= number of free places.
Rewired grow_random(const ConnectivityView &before, const uint8_t *keep, int64_t n_new,
                    bool regrow_dropped, uint64_t seed);

// The kept connections and the given new places (flat keys destination * n_in +
// source, ascending, none of them kept).
Rewired grow_at(const ConnectivityView &before, const uint8_t *keep,
                const int64_t *keys, int64_t n_new);

// Removes whole neurons: keep_in (n_in) and keep_out (n_out), either may be null.
Rewired remove_neurons(const ConnectivityView &before, const uint8_t *keep_in,
                       const uint8_t *keep_out);

// The index by source neuron: for each source its positions in storage,
// destinations ascending.
Transposed transpose(const ConnectivityView &view);

}  // namespace sklearn_set
