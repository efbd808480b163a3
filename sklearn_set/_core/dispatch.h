// Chooses the kernels of the best instruction set that this machine has.
#pragma once
#include <string>
#include <vector>

#include "kernels.h"

namespace sklearn_set {

struct KernelTables {
    std::string isa;
    const Kernels<float> *f32;
    const Kernels<double> *f64;
};

// Every table that this build contains and this machine can run, best first.
std::vector<KernelTables> runnable_tables();

// The table in use: the best one, or the one that SKLEARN_SET_ISA names.
// Throws std::runtime_error if that one is unknown here.
const KernelTables &active_tables();

template <class T> const Kernels<T> &active_kernels();

// Those of the instruction set of this name; "": the active ones. Throws std::invalid_argument.
template <class T> const Kernels<T> &kernels_named(const std::string &isa);

}  // namespace sklearn_set
