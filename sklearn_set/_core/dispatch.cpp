#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>

namespace sklearn_set {

std::vector<KernelTables> runnable_tables() {
    std::vector<KernelTables> tables;
#ifdef SKLEARN_SET_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma"))
        tables.push_back({"avx512", sklearn_set_f32_avx512(), sklearn_set_f64_avx512()});
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables.push_back({"avx2", sklearn_set_f32_avx2(), sklearn_set_f64_avx2()});
#endif
    tables.push_back({"baseline", sklearn_set_f32_baseline(), sklearn_set_f64_baseline()});
    return tables;
}

const KernelTables &active_tables() {
    static const KernelTables chosen = [] {
        std::vector<KernelTables> tables = runnable_tables();
        const char *wanted = std::getenv("SKLEARN_SET_ISA");
        if (!wanted || !*wanted) return tables.front();
        std::string names;
        for (const KernelTables &table : tables) {
            if (table.isa == wanted) return table;
            names += (names.empty() ? "" : ", ") + table.isa;
        }
        throw std::runtime_error(std::string("SKLEARN_SET_ISA=") + wanted +
                                 " names no instruction set that this build and this machine "
                                 "have; use one of " + names + ", or unset it.");
    }();
    return chosen;
}

template <> const Kernels<float> &active_kernels<float>() { return *active_tables().f32; }
template <> const Kernels<double> &active_kernels<double>() { return *active_tables().f64; }

static const KernelTables &tables_named(const std::string &isa) {
    static const std::vector<KernelTables> tables = runnable_tables();
    if (isa.empty()) return active_tables();
    for (const KernelTables &table : tables)
        if (table.isa == isa) return table;
    throw std::invalid_argument("isa=" + isa + " is not runnable here.");
}

template <> const Kernels<float> &kernels_named(const std::string &isa) {
    return *tables_named(isa).f32;
}
template <> const Kernels<double> &kernels_named(const std::string &isa) {
    return *tables_named(isa).f64;
}

}  // namespace sklearn_set
