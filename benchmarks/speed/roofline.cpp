// What the machine attains where the kernels have to go: rows fetched at random,
// arrays streamed. Compiled with -O3 -march=native by targets.py.
#include <cstdint>

typedef float Vector __attribute__((vector_size(64)));

extern "C" {

// Sums `n` rows of 32 floats, 64-byte aligned, in the order of `indices`.
void fetch_rows_32(const int32_t *indices, int64_t n, const Vector *rows, float *sums) {
    Vector low = {}, high = {};
    for (int64_t k = 0; k < n; ++k) {
        const Vector *row = rows + int64_t{indices[k]} * 2;
        low += row[0];
        high += row[1];
    }
    for (int b = 0; b < 16; ++b) {
        sums[b] = low[b];
        sums[16 + b] = high[b];
    }
}

// Reads and writes x, as a step of an optimizer does.
void stream(float *x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) x[i] = x[i] * 0.999f + 1e-6f;
}
}
