#include "sparse_batch.h"

#include <algorithm>
#include <numeric>

namespace sklearn_set {

template <class T>
int64_t SparseBatch<T>::count(const Samples<T> &samples, const Rows<T> &batch) {
    int64_t n = 0;
    for (int64_t b = 0; b < batch.size; ++b)
        batch.each(b, [&](int64_t i, T) { n += samples.indptr[i + 1] - samples.indptr[i]; });
    return n;
}

template <class T>
void SparseBatch<T>::reserve(const Samples<T> &samples, int64_t size, int64_t n_partners,
                             int64_t n_values, int64_t ld) {
    ld_ = ld;
    const int64_t n_shares = size * (n_partners + 1);
    const auto grow = [](auto &values, int64_t n) {
        if (n > static_cast<int64_t>(values.size())) values.resize(n);
    };
    grow(own_, size);
    grow(distinct_, n_shares);
    grow(shares_, n_shares);
    grow(partners_, size * n_partners);
    grow(offsets_, n_shares);
    grow(shares_of_, n_shares);
    grow(starts_of_holders_, n_shares + 2);
    if (n_partners) place_of_.assign(samples.n_rows, -1);
    occurs_.assign(samples.n_features / 64 + 1, 0);
    grow(rank_of_, samples.n_features);
    const int64_t n_features = std::min<int64_t>(samples.n_features, n_values);
    grow(features_, n_features);
    grow(starts_, n_features + 2);
    grow(samples_, n_values);
    grow(values_, n_values);
    grow(zeros_, n_values);
    counting_.resize(n_values + 1);
    std::iota(counting_.begin(), counting_.end(), 0);
}

template <class T>
void SparseBatch<T>::fill(const Samples<T> &samples, const Rows<T> &batch, bool by_feature) {
    find_distinct(batch);
    if (batch.n_partners) find_holders();
    if (by_feature) find_occurrences(samples);
}

template <class T> void SparseBatch<T>::find_distinct(const Rows<T> &batch) {
    n_distinct_ = 0;
    if (!batch.n_partners) {
        for (int64_t b = 0; b < batch.size; ++b) {
            distinct_[b] = batch.rows[b];
            own_[b] = b;
        }
        n_distinct_ = batch.size;
        rows_ = {own_.data(), batch.size};
        return;
    }
    auto place = [&](int64_t i) {
        if (place_of_[i] < 0) {
            place_of_[i] = static_cast<int32_t>(n_distinct_);
            distinct_[n_distinct_++] = i;
        }
        return place_of_[i];
    };
    for (int64_t b = 0; b < batch.size; ++b) {
        own_[b] = place(batch.rows[b]);
        shares_[b] = batch.shares[b];
    }
    for (int64_t p = 0; p < batch.n_partners; ++p)
        for (int64_t b = 0; b < batch.size; ++b) {
            partners_[p * batch.size + b] = place(batch.partners[p * batch.ld + b]);
            shares_[(p + 1) * batch.size + b] = batch.shares[(p + 1) * batch.ld + b];
        }
    for (int64_t i = 0; i < n_distinct_; ++i) place_of_[distinct_[i]] = -1;
    rows_ = {own_.data(),      batch.size,     batch.n_partners,
             partners_.data(), shares_.data(), batch.size};
}

// A sort of the shares by sample. starts[i + 2] counts those of sample i at first.
template <class T> void SparseBatch<T>::find_holders() {
    int64_t *starts = starts_of_holders_.data();
    std::fill(starts, starts + n_distinct_ + 2, int64_t{0});
    for (int64_t b = 0; b < rows_.size; ++b)
        rows_.each(b, [&](int64_t i, T) { ++starts[i + 2]; });
    for (int64_t i = 0; i < n_distinct_; ++i) starts[i + 2] += starts[i + 1];
    for (int64_t b = 0; b < rows_.size; ++b)
        rows_.each(b, [&](int64_t i, T share) {
            const int64_t k = starts[i + 1]++;
            offsets_[k] = static_cast<int32_t>(b * ld_);
            shares_of_[k] = share;
        });
}

// The same for the values, by feature.
template <class T> void SparseBatch<T>::find_occurrences(const Samples<T> &samples) {
    auto each = [&](auto visit) {
        for (int64_t b = 0; b < n_distinct_; ++b)
            for (int64_t k = samples.indptr[distinct_[b]]; k < samples.indptr[distinct_[b] + 1]; ++k)
                visit(samples.indices[k], b, k);
    };
    each([&](int32_t j, int64_t, int64_t) { occurs_[j / 64] |= uint64_t{1} << j % 64; });
    int32_t n = 0;
    for (size_t word = 0; word < occurs_.size(); ++word)
        for (; occurs_[word]; occurs_[word] &= occurs_[word] - 1) {
            const int32_t j = static_cast<int32_t>(64 * word) + __builtin_ctzll(occurs_[word]);
            rank_of_[j] = n;
            features_[n++] = j;
        }
    int32_t *starts = starts_.data();
    std::fill(starts, starts + n + 2, 0);
    each([&](int32_t j, int64_t, int64_t) { ++starts[rank_of_[j] + 2]; });
    for (int32_t t = 0; t < n; ++t) starts[t + 2] += starts[t + 1];
    each([&](int32_t j, int64_t b, int64_t k) {
        const int32_t at = starts[rank_of_[j] + 1]++;
        samples_[at] = static_cast<int32_t>(b);
        values_[at] = samples.data[k];
    });
    occurrences_ = {n, features_.data(), starts, samples_.data(), values_.data()};
}

template class SparseBatch<float>;
template class SparseBatch<double>;

}  // namespace sklearn_set
