// NumPy arrays as the bindings take and return them.
//
// Owns: the types of arrays that are accepted, and the checks that arrays of several
// bindings share. May not touch: numbers.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "dispatch.h"
#include "kernels.h"
#include "topology.h"

namespace sklearn_set {

namespace nb = nanobind;

// An array whose values lie at multiples of their size: compiled loops rely on it.
template <class A> struct Aligned : A {
    using A::A;
    Aligned(A &&array) : A(std::move(array)) {}
};

}  // namespace sklearn_set

namespace nanobind::detail {
template <class A> struct type_caster<sklearn_set::Aligned<A>> {
    NB_TYPE_CASTER(sklearn_set::Aligned<A>, make_caster<A>::Name)

    template <class Flags>
    bool from_python(handle source, Flags flags, cleanup_list *cleanup) noexcept {
        make_caster<A> caster;
        if (!caster.from_python(source, flags, cleanup)) return false;
        value = std::move(caster.value);
        return reinterpret_cast<uintptr_t>(value.data()) % sizeof(typename A::Scalar) == 0;
    }
    static handle from_cpp(const A &array, rv_policy policy, cleanup_list *cleanup) noexcept {
        return make_caster<A>::from_cpp(array, policy, cleanup);
    }
};
}  // namespace nanobind::detail

namespace sklearn_set {

template <class T, size_t N>
using Contiguous = Aligned<nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>>;
template <class T> using In1 = Contiguous<const T, 1>;
template <class T> using In2 = Contiguous<const T, 2>;
template <class T> using Out1 = Contiguous<T, 1>;
template <class T> using Out2 = Contiguous<T, 2>;
template <class T> using Numpy = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

[[noreturn]] inline void fail(const std::string &what) { throw nb::value_error(what.c_str()); }

inline void require_size(const char *name, int64_t actual, int64_t wanted) {
    if (actual != wanted)
        fail(std::string(name) + " has " + std::to_string(actual) + " entries, " +
             std::to_string(wanted) + " are needed.");
}

template <size_t N>
void check_code(const char *what, int64_t code, const char *const (&)[N]) {
    if (code < 0 || code >= int64_t(N)) fail("unknown " + std::string(what) + ".");
}

template <class T> Numpy<T> to_numpy(Array<T> &&values) {
    auto *owned = new Array<T>(std::move(values));
    nb::capsule owner(owned, [](void *p) noexcept { delete static_cast<Array<T> *>(p); });
    return Numpy<T>(owned->data(), {owned->size()}, owner);
}

template <class I>
void check_index(const char *name, const I *indptr, int64_t n_rows, const int32_t *indices,
                 int64_t n_indices, int64_t bound) {
    if (indptr[0] != 0) fail(std::string(name) + ": indptr must start with 0.");
    bool monotone = true;
    for (int64_t i = 0; i < n_rows; ++i) monotone &= indptr[i] <= indptr[i + 1];
    if (!monotone) fail(std::string(name) + ": indptr must not decrease.");
    if (indptr[n_rows] != n_indices)
        fail(std::string(name) + ": indptr ends with " + std::to_string(indptr[n_rows]) +
             " but there are " + std::to_string(n_indices) + " indices.");
    const int32_t end = static_cast<int32_t>(std::min<int64_t>(bound, INT32_MAX));
    if (!active_kernels<float>().all_inside(indices, n_indices, end))
        fail(std::string(name) + ": an index lies outside of [0, " + std::to_string(bound) + ").");
}

inline ConnectivityView connectivity(const In1<int32_t> &indptr, const In1<int32_t> &indices,
                                     int64_t n_in) {
    if (indptr.shape(0) < 1) fail("indptr is empty; it needs one entry more than destinations.");
    if (n_in < 0 || n_in > INT32_MAX)
        fail("n_in=" + std::to_string(n_in) + " is not in [0, 2**31 - 1].");
    const int64_t n_out = static_cast<int64_t>(indptr.shape(0)) - 1;
    check_index("connectivity", indptr.data(), n_out, indices.data(), indices.shape(0), n_in);
    return {indptr.data(), indices.data(), int32_t(n_in), int32_t(n_out)};
}

inline void check_rows(const char *name, const int64_t *rows, size_t n, int64_t bound) {
    bool inside = true;
    for (size_t i = 0; i < n; ++i) inside &= rows[i] >= 0 && rows[i] < bound;
    if (!inside)
        fail(std::string(name) + " holds a row outside of [0, " + std::to_string(bound) + ").");
}

// Checked rows of n_rows samples. `shares` has one row more than `partners`.
template <class T>
Rows<T> checked_rows(int64_t n_rows, const In1<int64_t> &rows,
                     const std::optional<In2<int64_t>> &partners,
                     const std::optional<In2<T>> &shares) {
    const int64_t n = rows.shape(0);
    check_rows("order", rows.data(), n, n_rows);
    if (bool(partners) != bool(shares)) fail("Give partners and shares, or neither.");
    if (!partners) return {rows.data(), n};
    if (partners->shape(0) == 0) fail("partners has no row; give none at all instead.");
    require_size("shares", shares->shape(0), partners->shape(0) + 1);
    require_size("a row of partners", partners->shape(1), n);
    require_size("a row of shares", shares->shape(1), n);
    check_rows("partners", partners->data(), partners->size(), n_rows);
    return {rows.data(), n, int64_t(partners->shape(0)), partners->data(), shares->data(), n};
}

}  // namespace sklearn_set
