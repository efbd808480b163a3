// The parts of the Python module _native.
#pragma once
#include <nanobind/nanobind.h>

namespace sklearn_set {

void bind_topology(nanobind::module_ &m);  // bind_topology.cpp
void bind_network(nanobind::module_ &m);   // bind_network.cpp
void bind_kernels(nanobind::module_ &m);   // bind_kernels.cpp
void bind_convolution(nanobind::module_ &m);  // bind_convolution.cpp

}  // namespace sklearn_set
