#include "topology.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "dispatch.h"

namespace sklearn_set {

void prefer_huge_pages(void *begin, size_t n_bytes) {
#ifdef __linux__
    constexpr uintptr_t LARGE = 1 << 22, PAGE = 4096;
    if (n_bytes < LARGE) return;
    const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + PAGE - 1) / PAGE * PAGE;
    const uintptr_t end = reinterpret_cast<uintptr_t>(begin) + n_bytes;
    // Where that fails, pages are small, and nothing else.
    madvise(reinterpret_cast<void *>(first), end - first, MADV_HUGEPAGE);
#else
    (void)begin, (void)n_bytes;
#endif
}

namespace {

// The distinct ones of `count` uniform draws below `bound`, ascending; there is room for one more.
// They are drawn in this order, by the gaps between them: exponential ones over their sum (as
// between the arrivals of a Poisson process). These are made of the draws first .. first + count.
Array<int64_t> distinct_draws(int64_t bound, int64_t count, uint64_t seed, uint64_t first) {
    if (count == 0) return {};
    Array<int64_t> values(count + 1);  // the gaps at first
    active_kernels<float>().draw_gaps(seed, first, count + 1, values.data());
    const uint64_t total = std::accumulate(values.begin(), values.end(), uint64_t{0});
    // bound / total as a whole number of 64 bits, rounded down.
    const int zeros = __builtin_clzll(total), more_zeros = __builtin_clzll(bound) - 1;
    const double ratio = double(bound) / double(total) * (1 - 0x1p-50);
    const auto scale = uint64_t(std::ldexp(ratio, 64 - zeros + more_zeros));
    uint64_t sum = 0;
    int64_t n = 0, last = -1;
    for (int64_t i = 0; i < count; ++i) {
        sum += values[i];
        const uint64_t product = static_cast<unsigned __int128>(sum << zeros) * scale >> 64;
        const int64_t value = product >> more_zeros;
        values[n] = value;
        n += value != last;
        last = value;
    }
    values.resize(n);
    return values;
}

// Adds those of `more` that are not there; both ascend.
void insert(Array<int64_t> &values, const Array<int64_t> &more) {
    constexpr int64_t MANY = 8;  // looked at together, since most are not near
    int64_t from = values.size(), to = from + more.size();
    values.resize(to);
    int64_t *const v = values.data();
    for (auto next = more.crbegin(); next != more.crend(); ++next) {
        int64_t begin = from;
        while (begin >= MANY && v[begin - MANY] > *next) begin -= MANY;
        while (begin > 0 && v[begin - 1] > *next) --begin;
        std::copy_backward(v + begin, v + from, v + to);
        to -= from - begin;
        from = begin;
        if (from == 0 || v[from - 1] != *next) v[--to] = *next;
    }
    values.erase(values.begin() + from, values.begin() + to);
}

}  // namespace

Array<int64_t> sample_without_replacement(int64_t bound, int64_t count, uint64_t seed) {
    if (count > bound / 2) {  // choose the ones left out
        Array<int64_t> omitted = sample_without_replacement(bound, bound - count, seed);
        Array<int64_t> values;
        values.reserve(count);
        size_t o = 0;
        for (int64_t value = 0; value < bound; ++value) {
            if (o < omitted.size() && omitted[o] == value) ++o;
            else values.push_back(value);
        }
        return values;
    }
    Array<int64_t> values = distinct_draws(bound, count, seed, 0);
    uint64_t drawn = count + 1;
    while (static_cast<int64_t>(values.size()) < count) {
        const int64_t missing = count - static_cast<int64_t>(values.size());
        insert(values, distinct_draws(bound, missing, seed, drawn));
        drawn += missing + 1;
    }
    return values;
}

Rewired erdos_renyi(int32_t n_in, int32_t n_out, int64_t draws, uint64_t seed) {
    const int64_t places = int64_t{n_in} * n_out;
    Rewired result;
    result.indptr.assign(size_t{1} + n_out, 0);
    Array<int64_t> keys;
    // Beyond 50 draws a place, the chance that any place stays free is below
    // places * exp(-50): the layer is full, and needs no drawing.
    if (draws / 50 >= places) {
        keys.resize(places);
        for (int64_t key = 0; key < places; ++key) keys[key] = key;
    } else {
        keys = distinct_draws(places, draws, seed, 0);
    }
    result.indices.resize(keys.size());
    int32_t destination = 0;
    int64_t base = 0;
    for (size_t k = 0; k < keys.size(); ++k) {
        while (keys[k] >= base + n_in) {
            base += n_in;
            result.indptr[++destination] = static_cast<int32_t>(k);
        }
        result.indices[k] = static_cast<int32_t>(keys[k] - base);
    }
    while (destination < n_out) result.indptr[++destination] = static_cast<int32_t>(keys.size());
    return result;
}

int64_t count_ones(const uint8_t *bits, int64_t n) {
    int64_t count = 0, k = 0;
    for (uint64_t eight; k + 8 <= n; k += 8) {
        std::memcpy(&eight, bits + k, 8);
        count += eight * 0x0101010101010101ull >> 56;  // the sum of the bytes
    }
    for (; k < n; ++k) count += bits[k];
    return count;
}

template <class T> void count_signs(const T *weights, int64_t nnz, int64_t counts[3]) {
    int64_t n[4];
    active_kernels<T>().count_signs(weights, nnz, n);
    counts[0] = n[0];
    counts[1] = nnz - n[0] - n[3];
    counts[2] = n[3];
}

namespace {

template <class T> Magnitude<T> bits_of(T x) {
    Magnitude<T> bits;
    std::memcpy(&bits, &x, sizeof x);
    return bits;
}
template <class T> T value_of(Magnitude<T> bits) {
    T x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

}  // namespace

template <class T> bool all_finite(const T *values, int64_t n) {
    using Signed = std::make_signed_t<Magnitude<T>>;  // compared in vectors
    const auto infinite = Signed(bits_of(std::numeric_limits<T>::infinity()));
    Signed found = 0;
    for (int64_t k = 0; k < n; ++k) found |= Signed(bits_of(values[k]) & ~SIGN<T>) >= infinite;
    return !found;
}

namespace {

template <class U> struct Interval {
    U begin, size;
};

// What is dropped of the values of one sign: magnitudes below a limit, the first `n_at` of
// those at it, and not the others.
template <class T> struct Cut {
    T limit = 0;
    int64_t n_at = 0, n_spared = 0;
};

// The cut after `rank` magnitudes, which lies in a range. A histogram tells in which part of the
// range, and so on in that part: no branch depends on a value, and equal ones take no longer.
template <class T, class U>
Cut<T> cut_after(int64_t rank, U *magnitudes, int64_t n, Interval<U> range) {
    constexpr int N_PARTS = 1024, FEW = 64;
    while (n > FEW) {
        int shift = 0;
        while ((range.size - 1) >> shift >= N_PARTS) ++shift;
        // Two, since equal values in a row would wait for each other.
        int32_t even[N_PARTS] = {}, odd[N_PARTS] = {};
        for (int64_t i = 0; i < n / 2; ++i) {
            ++even[(magnitudes[2 * i] - range.begin) >> shift];
            ++odd[(magnitudes[2 * i + 1] - range.begin) >> shift];
        }
        if (n % 2) ++even[(magnitudes[n - 1] - range.begin) >> shift];
        U part = 0;
        for (; rank > even[part] + odd[part]; ++part) rank -= even[part] + odd[part];
        range = {range.begin + (part << shift), U{1} << shift};
        if (shift == 0) return {value_of<T>(range.begin), rank, even[part] + odd[part] - rank};
        int64_t n_left = 0;
        for (int64_t i = 0; i < n; ++i) {
            const U x = magnitudes[i];
            magnitudes[n_left] = x;
            n_left += x - range.begin < range.size;
        }
        n = n_left;
    }
    std::sort(magnitudes, magnitudes + n);
    const U limit = magnitudes[rank - 1];
    const auto at = std::equal_range(magnitudes, magnitudes + n, limit);
    const int64_t n_less = at.first - magnitudes, n_up_to = at.second - magnitudes;
    return {value_of<T>(limit), rank - n_less, n_up_to - rank};
}

// A range of magnitudes in which the cuts of both signs lie if a sample does not mislead.
template <class T>
Interval<Magnitude<T>> guess_range(const T *values, int64_t nnz, const int64_t n_drop[2]) {
    using U = Magnitude<T>;
    const int64_t n_sampled = std::min<int64_t>(nnz / 16, 1024);
    const Interval<U> all{0, SIGN<T>};
    std::vector<U> seen[2];
    for (int64_t i = 0; i < n_sampled; ++i) {
        const U bits = bits_of(values[i * nnz / n_sampled]);
        seen[bits >= SIGN<T>].push_back(bits & ~SIGN<T>);
    }
    U first = SIGN<T>, last = 0;
    for (int s = 0; s < 2; ++s) {
        if (n_drop[s] == 0) continue;
        const double wanted = double(n_drop[s]) * n_sampled / nnz;
        const double around = 4 * std::sqrt(wanted);  // standard deviations
        const auto low = int64_t(wanted - around) - 1, high = int64_t(wanted + around) + 1;
        if (low < 0 || high >= int64_t(seen[s].size())) return all;
        auto begin = seen[s].begin();
        std::nth_element(begin, begin + high, seen[s].end());
        std::nth_element(begin, begin + low, begin + high);
        first = std::min(first, begin[low]);
        last = std::max(last, begin[high]);
    }
    return {first, last - first + 1};
}

// Cuts that drop n_drop[s] values of either sign s (0: those without the sign bit), zeros
// included, if they lie in the range.
template <class T>
bool find_cuts(const T *values, int64_t nnz, const int64_t n_drop[2],
               Interval<Magnitude<T>> range, Cut<T> cuts[2]) {
    const int64_t room = nnz + MERGE_SLACK;
    Array<Magnitude<T>> magnitudes(2 * room);
    Collected<T> found{range.begin, range.size, {magnitudes.data(), magnitudes.data() + room}};
    active_kernels<T>().collect(values, nnz, found);
    for (int s = 0; s < 2; ++s) {
        const int64_t rank = n_drop[s] - found.n_below[s];
        if (n_drop[s] == 0) continue;
        if (rank < 1 || rank > found.n_inside[s]) return false;
        cuts[s] = cut_after<T>(rank, found.inside[s], found.n_inside[s], range);
    }
    return true;
}

// Keeps those at the limit (which has their sign) that the cut spares.
template <class T>
void spare(const T *values, int64_t nnz, const Cut<T> &cut, T limit, uint8_t *keep) {
    if (cut.n_spared == 0) return;
    constexpr int64_t BLOCK = 512;
    int64_t n_dropped = 0, k = 0;
    for (; k < nnz; k += BLOCK) {  // counted in vectors
        int32_t n = 0;
        for (int64_t i = k, end = std::min(nnz, k + BLOCK); i < end; ++i) n += values[i] == limit;
        if (n_dropped + n >= cut.n_at) break;
        n_dropped += n;
    }
    for (; n_dropped < cut.n_at; ++k) n_dropped += values[k] == limit;
    for (; k < nnz; ++k) keep[k] |= values[k] == limit;
}

}  // namespace

template <class T>
bool drop_nearest_zero(const T *weights, int64_t nnz, int64_t n_negative, int64_t n_positive,
                       uint8_t *keep) {
    int64_t n[4];  // zeros are the smallest of their sign
    active_kernels<T>().count_signs(weights, nnz, n);
    if (n_negative > n[0] || n_positive > n[3]) return false;
    const int64_t n_drop[2] = {n_positive ? n_positive + n[2] : 0,
                               n_negative ? n_negative + n[1] : 0};
    Cut<T> cuts[2];
    if (!find_cuts(weights, nnz, n_drop, guess_range(weights, nnz, n_drop), cuts))
        find_cuts(weights, nnz, n_drop, {0, SIGN<T>}, cuts);
    const T above = cuts[0].limit, below = -cuts[1].limit;
    active_kernels<T>().mark_outside(weights, nnz, below, above, keep);
    spare(weights, nnz, cuts[0], above, keep);
    spare(weights, nnz, cuts[1], below, keep);
    return true;
}

template <class T>
void drop_smallest(const T *scores, int64_t nnz, int64_t n_drop, uint8_t *keep) {
    const int64_t n_drops[2] = {n_drop, 0};
    Cut<T> cuts[2];
    if (!find_cuts(scores, nnz, n_drops, guess_range(scores, nnz, n_drops), cuts))
        find_cuts(scores, nnz, n_drops, {0, SIGN<T>}, cuts);
    const T below = n_drop ? 0 : std::numeric_limits<T>::infinity();
    active_kernels<T>().mark_outside(scores, nnz, below, cuts[0].limit, keep);
    if (n_drop) spare(scores, nnz, cuts[0], cuts[0].limit, keep);
}

namespace {

constexpr int64_t BEHIND_ALL = INT64_MAX / 2;

// Merges kept connections with new places, both ascending. `places` has one more
// entry than n_new, BEHIND_ALL. A new place is given by its flat key destination *
// n_in + source; or, with `by_rank`, by its rank among the places that are not
// kept, which is its key less the number of kept ones before it.
Rewired merge(const ConnectivityView &before, const uint8_t *keep, const int64_t *places,
              int64_t n_new, bool by_rank) {
    const int64_t n_after = count_ones(keep, before.nnz()) + n_new;
    int64_t widest = std::min<int64_t>(n_new, before.n_in);
    for (int32_t d = 0; d < before.n_out; ++d)
        widest = std::max<int64_t>(widest, before.indptr[d + 1] - before.indptr[d]);
    Array<int32_t> work(3 * (widest + MERGE_SLACK));
    Rewired result;
    result.indptr.resize(size_t{1} + before.n_out);
    result.indices.resize(n_after + MERGE_SLACK);
    result.source.resize(n_after + MERGE_SLACK);
    MergedRow row{before.indices, keep, 0, 0, before.n_in, by_rank, places, 0, 0,
                  work.data(), widest + MERGE_SLACK, result.indices.data(), result.source.data()};
    const auto merge_row = active_kernels<float>().merge_row;
    result.indptr[0] = 0;
    for (int32_t d = 0; d < before.n_out; ++d, row.base += before.n_in) {
        row.begin = before.indptr[d];
        row.end = before.indptr[d + 1];
        merge_row(row);
        result.indptr[d + 1] = static_cast<int32_t>(row.indices - result.indices.data());
    }
    result.indices.resize(n_after);
    result.source.resize(n_after);
    return result;
}

// Turns ranks among the places that `before` leaves free into keys, in place.
void ranks_to_keys(const ConnectivityView &before, Array<int64_t> &ranks) {
    int64_t occupied = 0, base = 0;
    size_t i = 0;
    for (int32_t d = 0; d < before.n_out; ++d, base += before.n_in)
        for (int32_t k = before.indptr[d]; k < before.indptr[d + 1]; ++k, ++occupied)
            for (; i < ranks.size() && ranks[i] + occupied < base + before.indices[k]; ++i)
                ranks[i] += occupied;
    for (; i < ranks.size(); ++i) ranks[i] += occupied;
}

}  // namespace

Rewired grow_random(const ConnectivityView &before, const uint8_t *keep, int64_t n_new,
                    bool regrow_dropped, uint64_t seed) {
    int64_t n_occupied = before.nnz();
    if (regrow_dropped) n_occupied = count_ones(keep, before.nnz());
    const int64_t n_free = int64_t{before.n_in} * before.n_out - n_occupied;
    Array<int64_t> places = sample_without_replacement(n_free, n_new, seed);
    if (!regrow_dropped) ranks_to_keys(before, places);
    places.push_back(BEHIND_ALL);
    return merge(before, keep, places.data(), n_new, regrow_dropped);
}

Rewired grow_at(const ConnectivityView &before, const uint8_t *keep, const int64_t *keys,
                int64_t n_new) {
    Array<int64_t> places(keys, keys + n_new);
    places.push_back(BEHIND_ALL);
    return merge(before, keep, places.data(), n_new, false);
}

Rewired remove_neurons(const ConnectivityView &before, const uint8_t *keep_in,
                       const uint8_t *keep_out) {
    std::vector<int32_t> renumbered(before.n_in);
    int32_t n_left = 0;
    for (int32_t i = 0; i < before.n_in; ++i)
        renumbered[i] = (!keep_in || keep_in[i]) ? n_left++ : -1;
    Rewired result;
    result.indptr.push_back(0);
    for (int32_t d = 0; d < before.n_out; ++d) {
        if (keep_out && !keep_out[d]) continue;
        for (int64_t k = before.indptr[d]; k < before.indptr[d + 1]; ++k) {
            const int32_t source = renumbered[before.indices[k]];
            if (source < 0) continue;
            result.indices.push_back(source);
            result.source.push_back(static_cast<int32_t>(k));
        }
        result.indptr.push_back(static_cast<int32_t>(result.indices.size()));
    }
    return result;
}

namespace {

// Calls visit(k, source, destination) for the connections in storage order.
template <class Visit> void each_connection(const ConnectivityView &view, Visit visit) {
    for (int32_t d = 0; d < view.n_out; ++d)
        for (int32_t k = view.indptr[d]; k < view.indptr[d + 1]; ++k) visit(k, view.indices[k], d);
}

// Fills positions and indices by way of blocks of sources, whose places fit into a near cache:
// connections go to their block first. indptr[s + 1] is where the next one of source s goes.
void place_in_blocks(const ConnectivityView &view, Transposed &result) {
    constexpr int64_t SIZE = 1 << 15;  // connections in a block, about
    int shift = 0;
    while ((view.n_in - 1) >> shift >= view.nnz() / SIZE) ++shift;
    std::vector<int32_t> next;
    for (int64_t s = 0; s < view.n_in; s += int64_t{1} << shift)
        next.push_back(result.indptr[s + 1]);
    Array<int32_t> sources(view.nnz()), positions, indices;
    each_connection(view, [&](int32_t k, int32_t source, int32_t d) {
        const int32_t place = next[source >> shift]++;
        sources[place] = source;
        result.positions[place] = k;
        result.indices[place] = d;
    });
    int32_t begin = 0;
    for (const int32_t end : next) {
        positions.assign(result.positions.data() + begin, result.positions.data() + end);
        indices.assign(result.indices.data() + begin, result.indices.data() + end);
        for (int32_t k = 0; k < end - begin; ++k) {
            const int32_t place = result.indptr[sources[begin + k] + 1]++;
            result.positions[place] = positions[k];
            result.indices[place] = indices[k];
        }
        begin = end;
    }
}

}  // namespace

Transposed transpose(const ConnectivityView &view) {
    constexpr int64_t MANY = 1 << 21;  // more than a far cache holds the places of
    Transposed result;
    const int64_t nnz = view.nnz();
    result.indptr.assign(size_t{2} + view.n_in, 0);
    for (int64_t k = 0; k < nnz; ++k) ++result.indptr[view.indices[k] + 2];
    for (int64_t i = 2; i <= view.n_in; ++i) result.indptr[i] += result.indptr[i - 1];
    result.positions.resize(nnz);
    result.indices.resize(nnz);
    if (nnz > MANY) {
        place_in_blocks(view, result);
    } else {
        each_connection(view, [&](int32_t k, int32_t source, int32_t d) {
            const int32_t place = result.indptr[source + 1]++;
            result.positions[place] = k;
            result.indices[place] = d;
        });
    }
    result.indptr.pop_back();
    return result;
}

template void count_signs(const float *, int64_t, int64_t[3]);
template void count_signs(const double *, int64_t, int64_t[3]);
template bool all_finite(const float *, int64_t);
template bool all_finite(const double *, int64_t);
template bool drop_nearest_zero(const float *, int64_t, int64_t, int64_t, uint8_t *);
template bool drop_nearest_zero(const double *, int64_t, int64_t, int64_t, uint8_t *);
template void drop_smallest(const float *, int64_t, int64_t, uint8_t *);
template void drop_smallest(const double *, int64_t, int64_t, uint8_t *);

}  // namespace sklearn_set
