#include "dispatch.h"

#include <cstdlib>
#include <stdexcept>

#ifdef SKLEARN_SET_X86
#include <cpuid.h>
#endif

namespace sklearn_set {

#ifdef SKLEARN_SET_X86
namespace {

// What the processor and the system offer. Not __builtin_cpu_supports: what it needs is in a
// library that Clang does not link under Windows.
struct Offered {
    bool avx2 = false, avx512 = false;

    Offered() {
        unsigned a, b, c, d, first;
        if (!__get_cpuid(1, &a, &b, &first, &d)) return;
        const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;
        if ((first & (fma | osxsave | avx)) != (fma | osxsave | avx)) return;
        unsigned states, high;  // whose registers the system saves
        __asm__("xgetbv" : "=a"(states), "=d"(high) : "c"(0));
        if ((states & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
        avx2 = b >> 5 & 1;
        const unsigned wanted = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
        avx512 = avx2 && (states & 0xe6) == 0xe6 && (b & wanted) == wanted;
    }
};

}  // namespace
#endif

std::vector<KernelTables> runnable_tables() {
    std::vector<KernelTables> tables;
#ifdef SKLEARN_SET_X86
    const Offered offered;
    if (offered.avx512)
        tables.push_back({"avx512", sklearn_set_f32_avx512(), sklearn_set_f64_avx512()});
    if (offered.avx2)
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
