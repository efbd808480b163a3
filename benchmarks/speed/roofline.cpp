// What the machine attains where the kernels have to go: rows fetched at random,
// arrays streamed. Compiled with -O3 -march=native -ffast-math by targets.py.
#include <cstdint>

// Sums `n` rows of `stride` floats, in the order of `indices`.
template <int STRIDE>
static void sum_rows(const int32_t *indices, int64_t n, const float *rows, float *sums) {
    float s[STRIDE] = {};
    for (int64_t k = 0; k < n; ++k) {
        const float *row = rows + int64_t{indices[k]} * STRIDE;
#pragma GCC unroll 128
        for (int b = 0; b < STRIDE; ++b) s[b] += row[b];
    }
    for (int b = 0; b < STRIDE; ++b) sums[b] = s[b];
}

extern "C" {

void fetch_rows_32(const int32_t *indices, int64_t n, const float *rows, float *sums) {
    sum_rows<32>(indices, n, rows, sums);
}

// Reads and writes x, as a step of an optimizer does.
void stream(float *x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) x[i] = x[i] * 0.999f + 1e-6f;
}
}
