#include "topology.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sklearn_set {

uint64_t splitmix64(uint64_t seed, uint64_t counter) {
    uint64_t z = seed + (counter + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

namespace {

int64_t below(uint64_t draw, int64_t bound) {
    return static_cast<int64_t>(
        (static_cast<unsigned __int128>(draw) * static_cast<uint64_t>(bound)) >> 64);
}

// Draws first .. first + count - 1 of the stream, reduced below `bound`, ascending.
// The reduction is monotone, so the draws are sorted by a bucket of their top
// bits and then within the bucket.
std::vector<int64_t> sorted_draws(int64_t bound, int64_t count, uint64_t seed, uint64_t first) {
    int bits = 1;
    while (bits < 24 && (int64_t{1} << bits) < count / 4) ++bits;
    const int shift = 64 - bits;
    std::vector<int64_t> start((size_t{1} << bits) + 1, 0);
    for (int64_t i = 0; i < count; ++i) ++start[(splitmix64(seed, first + i) >> shift) + 1];
    for (size_t b = 1; b < start.size(); ++b) start[b] += start[b - 1];
    std::vector<uint64_t> draws(count);
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    for (int64_t i = 0; i < count; ++i) {
        const uint64_t draw = splitmix64(seed, first + i);
        draws[next[draw >> shift]++] = draw;
    }
    for (size_t b = 0; b + 1 < start.size(); ++b)
        std::sort(draws.begin() + start[b], draws.begin() + start[b + 1]);
    std::vector<int64_t> values(count);
    for (int64_t i = 0; i < count; ++i) values[i] = below(draws[i], bound);
    return values;
}

}  // namespace

std::vector<int64_t> sample_without_replacement(int64_t bound, int64_t count, uint64_t seed) {
    if (count > bound / 2) {  // choose the ones left out
        std::vector<int64_t> omitted = sample_without_replacement(bound, bound - count, seed);
        std::vector<int64_t> values;
        values.reserve(count);
        size_t o = 0;
        for (int64_t value = 0; value < bound; ++value) {
            if (o < omitted.size() && omitted[o] == value) ++o;
            else values.push_back(value);
        }
        return values;
    }
    std::vector<int64_t> values = sorted_draws(bound, count, seed, 0);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    uint64_t drawn = count;
    while (static_cast<int64_t>(values.size()) < count) {
        const int64_t missing = count - static_cast<int64_t>(values.size());
        std::vector<int64_t> more = sorted_draws(bound, missing, seed, drawn);
        drawn += missing;
        std::vector<int64_t> merged(values.size() + more.size());
        std::merge(values.begin(), values.end(), more.begin(), more.end(), merged.begin());
        merged.erase(std::unique(merged.begin(), merged.end()), merged.end());
        values.swap(merged);
    }
    return values;
}

Rewired erdos_renyi(int32_t n_in, int32_t n_out, int64_t draws, uint64_t seed) {
    const int64_t places = int64_t{n_in} * n_out;
    Rewired result;
    result.indptr.assign(size_t{1} + n_out, 0);
    std::vector<int64_t> keys;
    // Beyond 50 draws a place, the chance that any place stays free is below
    // places * exp(-50): the layer is full, and needs no drawing.
    if (draws / 50 >= places) {
        keys.resize(places);
        for (int64_t key = 0; key < places; ++key) keys[key] = key;
    } else {
        keys = sorted_draws(places, draws, seed, 0);
        keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
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

template <class T> void count_signs(const T *weights, int64_t nnz, int64_t counts[3]) {
    int64_t negative = 0, positive = 0;
    for (int64_t k = 0; k < nnz; ++k) {
        negative += weights[k] < 0;
        positive += weights[k] > 0;
    }
    counts[0] = negative;
    counts[1] = nnz - negative - positive;
    counts[2] = positive;
}

namespace {

template <class T> struct Bits;
template <> struct Bits<float> { using type = uint32_t; static constexpr int shift = 32 - 13; };
template <> struct Bits<double> { using type = uint64_t; static constexpr int shift = 64 - 13; };

constexpr int N_BUCKETS = 1 << 12;

// The top twelve bits of |x| behind the sign; the order of buckets is that of |x|.
template <class T> int bucket_of(T x) {
    typename Bits<T>::type bits;
    std::memcpy(&bits, &x, sizeof x);
    return static_cast<int>(bits >> Bits<T>::shift) & (N_BUCKETS - 1);
}

// The (|w|, position) up to and including which connections of one sign are dropped.
template <class T> struct Cut {
    T magnitude = -1;
    int64_t position = -1;
    bool drops(T value, int64_t k) const {
        return value < magnitude || (value == magnitude && k <= position);
    }
};

template <class T, class Belongs>
Cut<T> find_cut(const T *weights, int64_t nnz, int64_t n_drop, Belongs belongs) {
    Cut<T> cut;
    if (n_drop <= 0) return cut;
    std::vector<int64_t> histogram(N_BUCKETS, 0);
    for (int64_t k = 0; k < nnz; ++k) histogram[bucket_of(weights[k])] += belongs(weights[k]);
    int bucket = 0;
    int64_t before = 0;
    while (before + histogram[bucket] < n_drop) before += histogram[bucket++];
    std::vector<std::pair<T, int64_t>> candidates;
    candidates.reserve(histogram[bucket]);
    for (int64_t k = 0; k < nnz; ++k)
        if (belongs(weights[k]) && bucket_of(weights[k]) == bucket)
            candidates.emplace_back(std::abs(weights[k]), k);
    auto nth = candidates.begin() + (n_drop - before - 1);
    std::nth_element(candidates.begin(), nth, candidates.end());
    cut.magnitude = nth->first;
    cut.position = nth->second;
    return cut;
}

}  // namespace

template <class T>
void drop_nearest_zero(const T *weights, int64_t nnz, int64_t n_negative, int64_t n_positive,
                       uint8_t *keep) {
    const Cut<T> negative = find_cut(weights, nnz, n_negative, [](T w) { return w < 0; });
    const Cut<T> positive = find_cut(weights, nnz, n_positive, [](T w) { return w > 0; });
    for (int64_t k = 0; k < nnz; ++k) {
        const T w = weights[k];
        const Cut<T> &cut = w < 0 ? negative : positive;
        keep[k] = w != 0 && !cut.drops(std::abs(w), k);
    }
}

template <class T>
void drop_smallest(const T *scores, int64_t nnz, int64_t n_drop, uint8_t *keep) {
    const Cut<T> cut = find_cut(scores, nnz, n_drop, [](T) { return true; });
    for (int64_t k = 0; k < nnz; ++k) keep[k] = !cut.drops(scores[k], k);
}

namespace {

// Merges kept connections with new ones. `key_of(i, occupied)` gives the flat
// key of new connection i when `occupied` places before it are taken.
template <class KeyOf>
Rewired merge(const ConnectivityView &before, const uint8_t *keep, int64_t n_new,
              bool dropped_block, KeyOf key_of) {
    const int64_t nnz = before.nnz();
    int64_t n_kept = 0;
    for (int64_t k = 0; k < nnz; ++k) n_kept += keep[k];
    Rewired result;
    result.indptr.resize(size_t{1} + before.n_out);
    result.indices.resize(n_kept + n_new);
    result.source.resize(n_kept + n_new);
    int64_t out = 0, added = 0, occupied = 0, base = 0;
    result.indptr[0] = 0;
    for (int32_t d = 0; d < before.n_out; ++d, base += before.n_in) {
        const int64_t end = before.indptr[d + 1];
        for (int64_t k = before.indptr[d]; k <= end; ++k) {
            if (k < end && !keep[k] && !dropped_block) continue;
            const int64_t limit = k < end ? base + before.indices[k] : base + before.n_in;
            while (added < n_new) {
                const int64_t key = key_of(added, occupied);
                if (key >= limit) break;
                result.indices[out] = static_cast<int32_t>(key - base);
                result.source[out++] = -1;
                ++added;
            }
            if (k == end) break;
            ++occupied;
            if (keep[k]) {
                result.indices[out] = before.indices[k];
                result.source[out++] = static_cast<int32_t>(k);
            }
        }
        result.indptr[d + 1] = static_cast<int32_t>(out);
    }
    return result;
}

}  // namespace

Rewired grow_random(const ConnectivityView &before, const uint8_t *keep, int64_t n_new,
                    bool regrow_dropped, uint64_t seed) {
    int64_t occupied = before.nnz();
    if (regrow_dropped) {
        occupied = 0;
        for (int64_t k = 0; k < before.nnz(); ++k) occupied += keep[k];
    }
    const int64_t n_free = int64_t{before.n_in} * before.n_out - occupied;
    const std::vector<int64_t> ranks = sample_without_replacement(n_free, n_new, seed);
    // The free place of rank r has the key r + (number of occupied places before it).
    return merge(before, keep, n_new, !regrow_dropped,
                 [&](int64_t i, int64_t taken) { return ranks[i] + taken; });
}

Rewired grow_at(const ConnectivityView &before, const uint8_t *keep, const int64_t *keys,
                int64_t n_new) {
    return merge(before, keep, n_new, false, [&](int64_t i, int64_t) { return keys[i]; });
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

Transposed transpose(const ConnectivityView &view) {
    Transposed result;
    const int64_t nnz = view.nnz();
    result.indptr.assign(size_t{2} + view.n_in, 0);
    for (int64_t k = 0; k < nnz; ++k) ++result.indptr[view.indices[k] + 2];
    for (int32_t i = 2; i <= view.n_in; ++i) result.indptr[i] += result.indptr[i - 1];
    result.positions.resize(nnz);
    result.indices.resize(nnz);
    for (int32_t d = 0; d < view.n_out; ++d)
        for (int32_t k = view.indptr[d]; k < view.indptr[d + 1]; ++k) {
            const int32_t place = result.indptr[view.indices[k] + 1]++;
            result.positions[place] = k;
            result.indices[place] = d;
        }
    result.indptr.pop_back();
    return result;
}

template void count_signs(const float *, int64_t, int64_t[3]);
template void count_signs(const double *, int64_t, int64_t[3]);
template void drop_nearest_zero(const float *, int64_t, int64_t, int64_t, uint8_t *);
template void drop_nearest_zero(const double *, int64_t, int64_t, int64_t, uint8_t *);
template void drop_smallest(const float *, int64_t, int64_t, uint8_t *);
template void drop_smallest(const double *, int64_t, int64_t, uint8_t *);

}  // namespace sklearn_set
