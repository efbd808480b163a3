// The sparse samples of a batch, by feature.
//
// Owns: which samples a batch of mixtures is made of, and where each feature occurs in them.
// May not touch: weights, sums, threads.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels.h"

namespace sklearn_set {

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

template <class T> struct Holders {
    const int32_t *offsets;
    const T *shares;
    int64_t n;
};

// The first layer's sums are linear in the samples: they are formed for each distinct sample
// once, biases included, and then mixed. Partners of the same batch cost nothing more.
template <class T> class SparseBatch {
public:
    // Takes the memory for batches of up to `size` rows and n_values values. Of a mixture there
    // are `ld` deltas.
    void reserve(const Samples<T> &samples, int64_t size, int64_t n_partners, int64_t n_values,
                 int64_t ld);
    // Without by_feature there are no occurrences.
    void fill(const Samples<T> &samples, const Rows<T> &batch, bool by_feature);

    // How many values the samples of a batch have at most.
    static int64_t count(const Samples<T> &samples, const Rows<T> &batch);

    int64_t size() const { return n_distinct_; }
    // The batch's rows, of the distinct samples.
    const Rows<T> &rows() const { return rows_; }
    // The mixtures that hold a share of sample i: where their deltas lie, and the shares.
    Holders<T> holders(int64_t i) const {
        const int64_t begin = starts_of_holders_[i];
        return {offsets_.data() + begin, shares_of_.data() + begin,
                starts_of_holders_[i + 1] - begin};
    }
    const Occurrences<T> &occurrences() const { return occurrences_; }
    // Those in sample i alone, which is called 0.
    Occurrences<T> occurrences_in(const Samples<T> &samples, int64_t i) const {
        const int64_t begin = samples.indptr[distinct_[i]], end = samples.indptr[distinct_[i] + 1];
        return {end - begin, samples.indices + begin, counting_.data(), zeros_.data(),
                samples.data + begin};
    }

private:
    void find_distinct(const Rows<T> &batch);
    void find_holders();
    void find_occurrences(const Samples<T> &samples);

    int64_t n_distinct_ = 0;
    std::vector<int64_t> distinct_;        // samples
    std::vector<int32_t> place_of_;        // of a sample in `distinct_`; -1
    std::vector<int64_t> own_, partners_;  // places in `distinct_`
    std::vector<T> shares_;
    Rows<T> rows_{};
    int64_t ld_ = 0;
    std::vector<int32_t> offsets_;
    std::vector<T> shares_of_;
    std::vector<int64_t> starts_of_holders_;
    std::vector<uint64_t> occurs_;  // a bit for each feature
    std::vector<int32_t> rank_of_;  // of a feature among those that occur
    std::vector<int32_t> features_, starts_, samples_;
    std::vector<T> values_;
    Occurrences<T> occurrences_{};
    std::vector<int32_t> counting_, zeros_;
};

}  // namespace sklearn_set
