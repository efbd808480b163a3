// The Python module _native: its parts, the names of codes, and facts about the build.
#include "bindings.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <omp.h>

#include <string>
#include <vector>

#include "network.h"

namespace nb = nanobind;
using namespace sklearn_set;

namespace {

// {name: code}
template <size_t N> nb::dict codes(const char *const (&names)[N]) {
    nb::dict result;
    for (size_t code = 0; code < N; ++code) result[names[code]] = code;
    return result;
}

}  // namespace

NB_MODULE(_native, m) {
    // A model that a thread still holds when Python ends is not a leak; tests/tools/leaks.py
    // looks for real ones.
    nb::set_leak_warnings(false);
    m.doc() = "The native core of sklearn_set: kernels, topology and training batches.";
    m.attr("ACTIVATIONS") = codes(ACTIVATIONS);
    m.attr("LOSSES") = codes(LOSSES);
    m.attr("OPTIMIZERS") = codes(OPTIMIZERS);
    m.def("isa", [] { return active_tables().isa; });
    m.def("runnable_isas", [] {
        std::vector<std::string> names;
        for (const KernelTables &t : runnable_tables()) names.push_back(t.isa);
        return names;
    });
    m.def("max_threads", [] { return omp_get_max_threads(); });
    bind_topology(m);
    bind_network(m);
    bind_kernels(m);
    bind_convolution(m);
}
