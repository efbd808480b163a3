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
// The reduction is monotone, so the draws themselves are sorted: into buckets of
// their top bits, about two a bucket, and then by insertion.
Array<int64_t> sorted_draws(int64_t bound, int64_t count, uint64_t seed, uint64_t first) {
    int bits = 1;
    while (bits < 22 && (int64_t{1} << bits) < count / 2) ++bits;
    const int shift = 64 - bits;
    std::vector<int32_t> next((size_t{1} << bits) + 1, 0);
    for (int64_t i = 0; i < count; ++i) ++next[(splitmix64(seed, first + i) >> shift) + 1];
    for (size_t b = 1; b < next.size(); ++b) next[b] += next[b - 1];
    Array<int64_t> values(count);
    uint64_t *draws = reinterpret_cast<uint64_t *>(values.data());
    for (int64_t i = 0; i < count; ++i) {
        const uint64_t draw = splitmix64(seed, first + i);
        draws[next[draw >> shift]++] = draw;
    }
    if (count >> bits > 16) {  // more draws than the buckets are made for
        int64_t begin = 0;
        for (size_t b = 0; b + 1 < next.size(); begin = next[b++])
            std::sort(draws + begin, draws + next[b]);
    } else {
        for (int64_t i = 1; i < count; ++i) {
            const uint64_t draw = draws[i];
            int64_t j = i;
            for (; j > 0 && draws[j - 1] > draw; --j) draws[j] = draws[j - 1];
            draws[j] = draw;
        }
    }
    for (int64_t i = 0; i < count; ++i) values[i] = below(draws[i], bound);
    return values;
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
    Array<int64_t> values = sorted_draws(bound, count, seed, 0);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    uint64_t drawn = count;
    while (static_cast<int64_t>(values.size()) < count) {
        const int64_t missing = count - static_cast<int64_t>(values.size());
        Array<int64_t> more = sorted_draws(bound, missing, seed, drawn);
        drawn += missing;
        Array<int64_t> merged(values.size() + more.size());
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
    Array<int64_t> keys;
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
    int32_t negative = 0, positive = 0;  // 32 bits: as wide as a float, for SIMD
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
template <> struct Bits<float> { using type = uint32_t; };
template <> struct Bits<double> { using type = uint64_t; };

constexpr int N_BUCKETS = 1 << 13;  // the sign and twelve bits behind it

template <class T> typename Bits<T>::type bucket_of(T x) {
    typename Bits<T>::type bits;
    std::memcpy(&bits, &x, sizeof x);
    return bits >> (8 * sizeof x - 13);
}

template <class T> std::vector<int32_t> count_buckets(const T *values, int64_t nnz) {
    std::vector<int32_t> histogram(N_BUCKETS, 0);
    for (int64_t k = 0; k < nnz; ++k) ++histogram[bucket_of(values[k])];
    return histogram;
}

// Which values of one sign are dropped: those with a magnitude up to `magnitude`,
// but for the positions in `spared`, which equal it and come late.
template <class T> struct Cut {
    T magnitude = 0;
    std::vector<int32_t> spared;
};

// Finds the n_drop values nearest to zero among those of one sign.
template <class T> class CutFinder {
public:
    CutFinder(const std::vector<int32_t> &histogram, bool negative, int64_t n_zeros,
              int64_t n_drop)
        : bucket_(negative ? N_BUCKETS / 2 : 0) {
        if (n_drop <= 0) {
            bucket_ = N_BUCKETS;  // none
            return;
        }
        rank_ = n_drop + n_zeros;
        while (rank_ > histogram[bucket_]) rank_ -= histogram[bucket_++];
    }
    unsigned bucket() const { return bucket_; }

    // `inside`: the positions of all values in the bucket, ascending.
    Cut<T> cut(const T *values, const Array<int32_t> &inside) const {
        Cut<T> result;
        if (bucket_ == N_BUCKETS) return result;
        std::vector<std::pair<T, int32_t>> candidates;
        for (int32_t k : inside)
            if (bucket_of(values[k]) == bucket_ && values[k] == values[k])  // NaN has no order
                candidates.emplace_back(std::abs(values[k]), k);
        auto last = candidates.begin() + (rank_ - 1);
        std::nth_element(candidates.begin(), last, candidates.end());
        result.magnitude = last->first;
        for (auto it = last + 1; it != candidates.end(); ++it)
            if (it->first == last->first) result.spared.push_back(it->second);
        return result;
    }

private:
    unsigned bucket_;
    int64_t rank_ = 0;  // of the last one dropped, within its bucket
};

// Positions whose value lies in one of two buckets (found without a branch).
template <class T>
Array<int32_t> positions_in(const T *values, int64_t nnz,
                            const std::vector<int32_t> &histogram, unsigned one,
                            unsigned other) {
    auto size_of = [&](unsigned b) { return b < N_BUCKETS ? histogram[b] : 0; };
    Array<int32_t> inside(size_t(size_of(one)) + size_of(other) + 1);
    size_t n = 0;
    for (int64_t k = 0; k < nnz; ++k) {
        const unsigned bucket = bucket_of(values[k]);
        inside[n] = static_cast<int32_t>(k);
        n += (bucket == one) | (bucket == other);
    }
    inside.resize(n);
    return inside;
}

}  // namespace

template <class T>
void drop_nearest_zero(const T *weights, int64_t nnz, int64_t n_negative, int64_t n_positive,
                       uint8_t *keep) {
    const std::vector<int32_t> histogram = count_buckets(weights, nnz);
    int32_t n_zeros = 0, n_minus_zeros = 0;  // they sort below all others of their sign
    for (int64_t k = 0; k < nnz; ++k) {
        n_zeros += weights[k] == 0;
        n_minus_zeros += (weights[k] == 0) & std::signbit(weights[k]);
    }
    const CutFinder<T> positive(histogram, false, n_zeros - n_minus_zeros, n_positive);
    const CutFinder<T> negative(histogram, true, n_minus_zeros, n_negative);
    const Array<int32_t> inside =
        positions_in(weights, nnz, histogram, positive.bucket(), negative.bucket());
    const Cut<T> above = positive.cut(weights, inside), below = negative.cut(weights, inside);
    for (int64_t k = 0; k < nnz; ++k)
        keep[k] = (weights[k] > above.magnitude) | (-weights[k] > below.magnitude);
    for (int32_t k : above.spared) keep[k] = 1;
    for (int32_t k : below.spared) keep[k] = 1;
}

template <class T>
void drop_smallest(const T *scores, int64_t nnz, int64_t n_drop, uint8_t *keep) {
    const std::vector<int32_t> histogram = count_buckets(scores, nnz);
    const CutFinder<T> finder(histogram, false, 0, n_drop);
    const Cut<T> cut = finder.cut(
        scores, positions_in(scores, nnz, histogram, finder.bucket(), finder.bucket()));
    for (int64_t k = 0; k < nnz; ++k) keep[k] = n_drop <= 0 || scores[k] > cut.magnitude;
    for (int32_t k : cut.spared) keep[k] = 1;
}

namespace {

constexpr int64_t BEHIND_ALL = INT64_MAX / 2;

// Masks instead of branches, since which is next is random; what may come after it
// is loaded before that is known.
template <bool BY_RANK>
void merge_row(const int32_t *__restrict fresh, const int32_t *__restrict kept,
               const int32_t *__restrict positions, int32_t *__restrict indices,
               int32_t *__restrict source, int64_t n) {
    int64_t j = 0;
    int32_t a = fresh[0], b = kept[0];
    for (int64_t out = 0; out < n; ++out) {
        const int32_t after_a = fresh[out - j + 1], after_b = kept[j + 1];
        const int64_t old = a >= b;
        const int32_t is_old = -static_cast<int32_t>(old);
        indices[out] = std::min(a, b) + (BY_RANK ? static_cast<int32_t>(j) : 0);
        source[out] = positions[j] | ~is_old;
        a = after_a ^ ((a ^ after_a) & is_old);
        b ^= (b ^ after_b) & is_old;
        j += old;
    }
}

// Merges kept connections with new places, both ascending. `places` has one more
// entry than n_new, BEHIND_ALL. A new place is given by its flat key destination *
// n_in + source; or, with `by_rank`, by its rank among the places that are not
// kept, which is its key less the number of kept ones before it.
Rewired merge(const ConnectivityView &before, const uint8_t *keep, const int64_t *places,
              int64_t n_new, bool by_rank) {
    int64_t n_kept = 0;
    int32_t widest = 0;
    for (int64_t k = 0; k < before.nnz(); ++k) n_kept += keep[k];
    for (int32_t d = 0; d < before.n_out; ++d)
        widest = std::max(widest, before.indptr[d + 1] - before.indptr[d]);
    // The kept ones and the new ones of a row, each followed by two that are
    // behind all. With by_rank both count the free places before them only.
    constexpr int32_t BEHIND_ROW = INT32_MAX;
    Array<int32_t> positions(size_t{2} + widest), kept(size_t{2} + widest);
    Array<int32_t> fresh(size_t{2} + std::min<int64_t>(n_new, before.n_in));
    Rewired result;
    result.indptr.resize(size_t{1} + before.n_out);
    result.indices.resize(n_kept + n_new);
    result.source.resize(n_kept + n_new);
    int32_t *indices = result.indices.data(), *source = result.source.data();
    const int32_t step = by_rank ? 1 : 0;
    const auto chosen = by_rank ? merge_row<true> : merge_row<false>;
    int64_t i = 0, out = 0, base = 0, kept_before = 0;
    result.indptr[0] = 0;
    for (int32_t d = 0; d < before.n_out; ++d) {
        int32_t n = 0;
        for (int32_t k = before.indptr[d]; k < before.indptr[d + 1]; ++k) {
            positions[n] = k;
            kept[n] = before.indices[k] - step * n;
            n += keep[k];  // no branch: what is not kept is overwritten
        }
        kept[n] = kept[n + 1] = BEHIND_ROW;
        const int64_t offset = base - step * kept_before;
        const int64_t limit = offset + before.n_in - step * n;
        int32_t n_fresh = 0;
        for (; places[i] < limit; ++i) fresh[n_fresh++] = static_cast<int32_t>(places[i] - offset);
        fresh[n_fresh] = fresh[n_fresh + 1] = BEHIND_ROW;
        chosen(fresh.data(), kept.data(), positions.data(), indices + out, source + out,
               n + n_fresh);
        out += n + n_fresh;
        result.indptr[d + 1] = static_cast<int32_t>(out);
        base += before.n_in;
        kept_before += n;
    }
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
    if (regrow_dropped) {
        n_occupied = 0;
        for (int64_t k = 0; k < before.nnz(); ++k) n_occupied += keep[k];
    }
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

Transposed transpose(const ConnectivityView &view) {
    Transposed result;
    const int64_t nnz = view.nnz();
    result.indptr.assign(size_t{2} + view.n_in, 0);
    for (int64_t k = 0; k < nnz; ++k) ++result.indptr[view.indices[k] + 2];
    for (int64_t i = 2; i <= view.n_in; ++i) result.indptr[i] += result.indptr[i - 1];
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
