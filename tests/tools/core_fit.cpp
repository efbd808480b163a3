// A small training of the core without Python, which cross.sh runs on another system.
//
// Prints a line for each number type: the instruction set, the loss before and after, and a hash
// of the weights. Neither the system nor the number of threads may change their bits, since only
// sums, products and square roots are taken: nothing of a system's mathematical library.
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "network.h"

using namespace sklearn_set;

namespace {

template <class T> struct Layer {
    Rewired connections;
    ConnectivityView view;
    Transposed by_source;
    std::vector<T> weights, velocity, bias, bias_velocity;

    Layer(int32_t n_in, int32_t n_out, int64_t draws, uint64_t seed)
        : connections(erdos_renyi(n_in, n_out, draws, seed)),
          view{connections.indptr.data(), connections.indices.data(), n_in, n_out},
          by_source(transpose(view)), velocity(view.nnz()), bias(n_out), bias_velocity(n_out) {
        for (int64_t k = 0; k < view.nnz(); ++k)
            weights.push_back(T(int64_t(splitmix64(seed, k) % 1001) - 500) / 1000);
    }
    LayerView<T> with(int32_t activation) {
        return {view, by_source.indptr.data(), by_source.positions.data(), by_source.indices.data(),
                {weights.data(), velocity.data(), nullptr, bias.data(), bias_velocity.data(), nullptr,
                 nullptr},
                activation, T(0.5), 0.0};
    }
};

struct Outcome {
    double before, after;
    uint64_t hash;
};

template <class T> Outcome train(int n_threads) {
    constexpr int32_t n_rows = 300, n_in = 150, n_hidden = 120, n_out = 3;
    Layer<T> first(n_in, n_hidden, 9000, 1), last(n_hidden, n_out, 200, 2);
    std::vector<T> x, y;
    std::vector<int64_t> rows, starts;
    for (int64_t i = 0; i < n_rows * n_in; ++i) x.push_back(T(splitmix64(3, i) % 2001) / 1000 - 1);
    for (int64_t i = 0; i < n_rows; ++i) {
        rows.push_back(i);
        for (int64_t k = i * n_in; k < i * n_in + n_out; ++k) y.push_back(x[k] - x[k + n_out]);
    }
    for (int64_t i = 0; i <= n_rows; i += 75) starts.push_back(i);

    Samples<T> samples;
    samples.n_rows = n_rows;
    samples.n_features = n_in;
    samples.x = x.data();
    Targets<T> targets;
    targets.values = y.data();
    const Batches<T> batches{int64_t(starts.size()) - 1, starts.data(), {rows.data(), n_rows}, 4};
    const Optimizer optimizer{NESTEROV, 0.05, 0.9, 0, 0, 0, 0.001, 0, false};
    Network<T> network({first.with(LEAKY_RELU), last.with(IDENTITY)});
    Outcome outcome{};
    for (int epoch = 0; epoch < 60; ++epoch) {
        double loss = 0, weight = 0;
        network.train(samples, targets, batches, optimizer, 1, n_threads, [] { return false; }, loss,
                      weight);
        outcome.after = loss / weight;
        if (epoch == 0) outcome.before = outcome.after;
    }
    for (const auto *weights : {&first.weights, &last.weights})
        for (T weight : *weights) {
            uint64_t bits = 0;
            std::memcpy(&bits, &weight, sizeof weight);
            outcome.hash = splitmix64(outcome.hash, bits);
        }
    return outcome;
}

template <class T> bool learns(const char *name) {
    const Outcome one = train<T>(1), two = train<T>(2);
    std::printf("%s %s: loss %.3f, later %.3f, weights %016" PRIx64 ", of two threads %016" PRIx64 "\n",
                active_tables().isa.c_str(), name, one.before, one.after, one.hash, two.hash);
    return one.after < one.before / 10 && one.hash == two.hash;
}

}  // namespace

int main() {
    const bool floats = learns<float>("float32"), doubles = learns<double>("float64");
    return floats && doubles ? 0 : 1;
}
