"""Throws malformed and odd arrays at every entry of the native core, for a bounded time.

    tests/tools/sanitize.sh asan           # builds, once
    . tests/tools/sanitize.sh; run asan tests/tools/fuzz.py --seconds 120

Every entry point that `_native` has is called (one that this file does not know is an
error). A call starts from valid arguments; up to three of them are then replaced: wrong sizes,
types, orders and strides, read-only and misaligned arrays, indices out of range,
row pointers that decrease, huge and negative numbers, None. A call either works or raises
TypeError, ValueError, OverflowError, MemoryError or, for a layer that lacks a field,
AttributeError; anything else, and above all a report of the sanitizer, ends the program.
Without a sanitizer it finds crashes only.
"""

import argparse
import collections
import contextlib
import faulthandler
import itertools
import time
from types import SimpleNamespace

import numpy as np

from sklearn_set import _native

ALLOWED = (TypeError, ValueError, OverflowError, MemoryError, AttributeError)
INT = np.int32


def aligned(shape, dtype, rng):
    """Rows as the kernels want them: the base at a multiple of 64 bytes."""
    n = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.zeros(n + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    result = buffer[start : start + n].view(dtype).reshape(shape)
    result[...] = rng.standard_normal(shape)
    return result


def connections(rng, n_in=None, n_out=None):
    n_in = int(rng.integers(0, 9)) if n_in is None else n_in
    n_out = int(rng.integers(0, 9)) if n_out is None else n_out
    mask = rng.random((n_out, n_in)) < rng.choice([0.0, 0.3, 1.0])
    indptr = np.concatenate(([0], np.cumsum(mask.sum(1)))).astype(INT)
    return indptr, np.nonzero(mask)[1].astype(INT), n_in


# ------------------------------------------------------------------ damage

NUMBERS = [0, 1, -1, 2, 7, 2**15, 2**31 - 2, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -1.0, 1.0, 1.5, 1e30, 1e-30, 1e300, 5e-324, np.inf, -np.inf, np.nan]


def damaged_array(a, rng):
    what = rng.integers(0, 16)
    if what == 0:
        return a[: len(a) // 2].copy()
    if what == 1:
        return np.concatenate([a, a])
    if what == 2:
        return a[:0]
    if what == 3:
        return np.repeat(a, 2, axis=0)[::2]  # strided
    if what == 4:
        return a[::-1]
    if what == 5:
        return np.asfortranarray(a) if a.ndim > 1 else a[:, None]
    if what == 6:
        b = a.copy()
        b.flags.writeable = False
        return b
    if what == 7:  # misaligned
        raw = np.zeros(a.nbytes + 1, np.uint8)
        b = raw[1:].view(a.dtype).reshape(a.shape)
        b[...] = a
        return b
    if what == 8:
        kinds = [np.int8, np.int32, np.int64, np.uint64, np.float16, np.float32, np.float64,
                 np.complex128, bool, object, ">i4", ">f8"]  # fmt: skip
        with np.errstate(all="ignore"):
            return a.astype(kinds[rng.integers(len(kinds))])
    if what == 9:
        return None
    if what == 10:
        return a.tolist()
    if what == 11:
        return a.reshape(1, *a.shape)
    b = a.copy()
    if b.size and b.dtype.kind in "iuf":  # another value, or several
        flat = b.reshape(-1)
        for _ in range(rng.integers(1, 4)):
            at = rng.integers(flat.size)
            if b.dtype.kind == "f":
                with np.errstate(all="ignore"):
                    flat[at] = FLOATS[rng.integers(len(FLOATS))]
                if rng.random() < 0.3:  # a NaN that only differs from infinity in its last bit
                    bits = flat.view(f"u{flat.itemsize}")
                    bits[at] = np.array(np.inf, b.dtype).view(bits.dtype) + 1
            else:
                info = np.iinfo(b.dtype)
                choices = [-1, 0, 1, 2, 5, 9, info.max, info.max - 1, info.min]
                flat[at] = np.array(choices).clip(info.min, info.max)[rng.integers(len(choices))]
    return b


def damaged(value, rng):
    if isinstance(value, np.ndarray):
        return damaged_array(value, rng)
    if isinstance(value, bool):
        return [True, False, None, 2][rng.integers(4)]
    if isinstance(value, int):
        return NUMBERS[rng.integers(len(NUMBERS))]
    if isinstance(value, float):
        return FLOATS[rng.integers(len(FLOATS))]
    if isinstance(value, list):
        return [value[1:], value * 2, [None] * len(value), [damaged(v, rng) for v in value], []][
            rng.integers(5)
        ]
    if isinstance(value, str):
        return ["", "avx2", "none", None][rng.integers(4)]
    if isinstance(value, SimpleNamespace):
        fields = dict(vars(value))
        for name in rng.choice(list(fields), rng.integers(1, 3)):
            value = damaged(fields[name], rng)
            if not huge(name, value):
                fields[name] = value
        return SimpleNamespace(**fields)
    return [None, 0, np.zeros(3), "x"][rng.integers(4)]  # it was None


def huge(name, value):
    """A request that would take more memory or time than a fuzzer has."""
    sizes = ("n_in", "n_out", "draws", "bound", "count")
    return name in sizes and type(value) is int and 2**20 < value < 2**40


# ------------------------------------------------------------------ valid calls


def layer(rng, dtype, n_in, n_out):
    indptr, indices, _ = connections(rng, n_in, n_out)
    by = _native.transpose(indptr, indices, n_in)
    nnz = len(indices)

    def state(n):
        return rng.standard_normal(n).astype(dtype)

    return SimpleNamespace(
        indptr=indptr, indices=indices, n_in=n_in, n_out=n_out, by_source_indptr=by[0],
        by_source_positions=by[1], by_source_indices=by[2], weights=state(nnz), bias=state(n_out),
        first=state(nnz), second=abs(state(nnz)), bias_first=state(n_out),
        bias_second=abs(state(n_out)), sensitivity=state(nnz), activation=int(rng.integers(0, 5)),
        slope=0.1, dropout=float(rng.choice([0.0, 0.3])),
    )  # fmt: skip


def scene(rng, dtype, hurt):
    """A network with samples; `hurt(name, call, arguments)` makes each call."""
    suffix = "F32" if dtype == np.float32 else "F64"
    sizes = [int(rng.integers(0, 7)) for _ in range(rng.integers(2, 5))]
    layers = [layer(rng, dtype, a, b) for a, b in itertools.pairwise(sizes)]
    n = int(rng.integers(0, 40))
    x = rng.standard_normal((n, sizes[0])).astype(dtype)
    given = dict(x=x, data=None, indices=None, indptr=None, n_features=sizes[0])
    if rng.random() < 0.5:
        indptr, indices, _ = connections(rng, sizes[0], n)
        data = rng.standard_normal(len(indices)).astype(dtype)
        given.update(x=None, data=data, indices=indices, indptr=indptr.astype(np.int64))
    data = hurt(f"Data{suffix}", getattr(_native, f"Data{suffix}"), given)
    loss = int(rng.integers(0, 7))
    k = sizes[-1]
    targets = dict(loss=loss, labels=None, values=None, weights=None, huber_delta=1.0)
    if loss < 2 and k:
        targets["labels"] = rng.integers(0, max(k, 2), n).astype(INT)
    else:
        targets["values"] = rng.standard_normal((n, k)).astype(dtype)
    if rng.random() < 0.3:
        targets["weights"] = rng.random(n).astype(dtype)
    network = hurt(
        f"Network{suffix}", getattr(_native, f"Network{suffix}"),
        dict(layers=layers, n_by_source=len(layers), trainable=True),
    )  # fmt: skip
    # Mostly whole ones from here on, so that the calls get far.
    if data is None or rng.random() < 0.7:
        data = getattr(_native, f"Data{suffix}")(**given)
    if network is None or rng.random() < 0.7:
        network = getattr(_native, f"Network{suffix}")(layers, len(layers), True)
    hurt(f"Data{suffix}.set_targets", data.set_targets, targets)
    if rng.random() < 0.7:
        with contextlib.suppress(ValueError):  # damaged data may have another number of rows
            data.set_targets(**targets)
    order = rng.permutation(n)
    cuts = np.unique(rng.integers(0, n + 1, 3))
    train = dict(
        data=data, order=order, starts=cuts, partners=None, mix=None, rule=int(rng.integers(0, 3)),
        rate=0.1, momentum=0.5, beta_1=0.9, beta_2=0.99, epsilon=1e-8, l2=0.1, shrink=0.1,
        shrink_bias=bool(rng.integers(2)), first_step=1, dropout_seed=1, n_threads=2,
    )  # fmt: skip
    if rng.random() < 0.3:
        train.update(partners=rng.permutation(n), mix=rng.random(n).astype(dtype))
    keeps = [rng.integers(0, 2, len(la.indices)).astype(np.uint8) for la in layers]
    name = f"Network{suffix}"
    hurt(f"{name}.train", network.train, train)
    hurt(f"{name}.gradient", network.gradient, dict(
        data=data, order=order, weight_gradients=[np.empty_like(la.weights) for la in layers],
        bias_gradients=[np.empty_like(la.bias) for la in layers], dropout_seed=0, n_threads=2,
    ))  # fmt: skip
    hurt(f"{name}.steepest_places", network.steepest_places, dict(
        data=data, order=order, layers=list(range(len(layers))), keeps=keeps,
        counts=[3] * len(layers), dropout_seed=0, n_threads=2,
    ))  # fmt: skip
    hurt(f"{name}.predict", network.predict,
         dict(data=data, out=np.zeros((n, k), dtype), n_threads=2))  # fmt: skip
    if rng.random() < 0.3:
        hurt(f"{name}.bind", network.bind,
             dict(layers=layers, n_by_source=int(rng.integers(0, 4)), trainable=True))  # fmt: skip
        hurt(f"{name}.train", network.train, train)
    if rng.random() < 0.2:
        hurt(f"{name}.unbind", network.unbind, {})
        hurt(f"{name}.predict", network.predict,
             dict(data=data, out=np.zeros((n, k), dtype), n_threads=1))  # fmt: skip


def functions(rng, dtype):
    """Name and valid arguments of each function of the module, once."""
    indptr, indices, n_in = connections(rng)
    n_out, nnz = len(indptr) - 1, len(indices)
    keep = rng.integers(0, 2, nnz).astype(np.uint8)
    seed = int(rng.integers(0, 2**63))
    layer_ = dict(indptr=indptr, indices=indices, n_in=n_in)
    n_free = n_in * n_out - int(keep.sum())
    yield "splitmix64", dict(seed=seed, counter=3)
    yield "sample_without_replacement", dict(bound=50, count=int(rng.integers(0, 51)), seed=seed)
    yield "erdos_renyi", dict(n_in=n_in, n_out=n_out, draws=int(rng.integers(0, 99)), seed=seed)
    yield "grow_random", dict(**layer_, keep=keep, n_new=n_free // 2, regrow_dropped=True, seed=1)
    yield (
        "grow_random",
        dict(**layer_, keep=keep, n_new=(n_in * n_out - nnz) // 2, regrow_dropped=False, seed=seed),
    )
    taken = np.repeat(np.arange(n_out), np.diff(indptr)) * n_in + indices
    free = np.setdiff1d(np.arange(n_in * n_out), taken[keep == 1])
    yield "grow_at", dict(**layer_, keep=keep, keys=free[: len(free) // 2].astype(np.int64))
    yield "remove_neurons", dict(
        **layer_, keep_in=rng.integers(0, 2, n_in).astype(np.uint8),
        keep_out=rng.integers(0, 2, n_out).astype(np.uint8),
    )  # fmt: skip
    yield "transpose", layer_
    values = rng.standard_normal(30).astype(dtype)
    yield "count_signs", dict(weights=values)
    n_negative = int((values < 0).sum())
    yield (
        "drop_nearest_zero",
        dict(weights=values, n_negative=n_negative // 2, n_positive=(30 - n_negative) // 2),
    )
    yield "drop_smallest", dict(scores=abs(values), n_drop=7)
    source = rng.integers(-1, 30, 20).astype(INT)
    yield "carry", dict(values=values, source=source,
                        new_values=np.ones((source < 0).sum(), dtype))  # fmt: skip
    stride = [16, 32, 64, 128, 192][rng.integers(5)] // np.dtype(dtype).itemsize
    a, z, delta = (aligned((n, stride), dtype, rng) for n in (n_in, n_out, n_out))
    weights = rng.standard_normal(nnz).astype(dtype)
    bias = rng.standard_normal(n_out).astype(dtype)
    isa = ISAS[rng.integers(len(ISAS))]
    core = dict(indptr=indptr, indices=indices)
    yield "product", dict(
        **core, weights=weights, bias=bias, a=a, z=z, activation=int(rng.integers(0, 5)), slope=0.1,
        derivative=aligned((n_out, stride), dtype, rng), dropout=0.3, dropout_seed=1, isa=isa,
    )  # fmt: skip
    by = _native.transpose(indptr, indices, n_in)
    yield "transposed_product", dict(
        indptr=by[0], positions=by[1], indices=by[2], weights=weights, delta=delta, out=a,
        activation=int(rng.integers(0, 5)), slope=0.1, a=aligned((n_in, stride), dtype, rng),
        derivative=None, isa=isa,
    )  # fmt: skip
    yield (
        "gradient",
        dict(**core, a=a, delta=delta, gradient=weights.copy(), bias_gradient=bias.copy(), isa=isa),
    )
    yield "descend", dict(
        **core, a=a, delta=delta, weights=weights, first=weights.copy(), second=abs(weights),
        bias=bias, bias_first=bias.copy(), bias_second=abs(bias), sensitivity=weights.copy(),
        rule=int(rng.integers(0, 3)), rate=0.1, isa=isa,
    )  # fmt: skip
    x = rng.standard_normal((20, n_in)).astype(dtype)
    n = int(rng.integers(0, stride + 1))
    yield "gather_rows", dict(
        x=x, rows=rng.integers(0, 20, n), partners=rng.integers(0, 20, n),
        mix=rng.random(n).astype(dtype), a=a, isa=isa,
    )  # fmt: skip


ISAS = _native.runnable_isas()
KNOWN = {"isa", "runnable_isas", "max_threads"}  # without arguments


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faulthandler.enable()
    outcomes = collections.defaultdict(collections.Counter)

    seed, began = arguments.seed, time.monotonic()
    while time.monotonic() - began < arguments.seconds:
        rng = np.random.default_rng(seed)

        def hurt(name, call, given, rng=rng, seed=seed):
            for key in rng.permutation(list(given))[: rng.choice([0, 1, 1, 2, 3])]:
                value = damaged(given[key], rng)
                if not huge(key, value):
                    given = {**given, key: value}
            try:
                result = call(**given)
            except ALLOWED as error:
                outcomes[name][type(error).__name__] += 1
                return None
            except BaseException as error:
                raise SystemExit(f"seed {seed}: {name} raised {error!r}\n{given}") from error
            outcomes[name]["worked"] += 1
            return result

        dtype = (np.float32, np.float64)[seed % 2]
        for name, given in functions(rng, dtype):
            hurt(name, getattr(_native, name), given)
        scene(rng, dtype, hurt)
        seed += 1

    entries = {name for name in dir(_native) if not name.startswith("_")} - KNOWN
    entries |= {
        f"{cls}.{name}"
        for cls in ("DataF32", "DataF64", "NetworkF32", "NetworkF64")
        for name in vars(getattr(_native, cls))
        if not name.startswith("_")
    }
    unknown = entries ^ set(outcomes)
    if unknown:
        raise SystemExit(f"Entries that were never called, or are gone: {sorted(unknown)}")
    for name, counts in sorted(outcomes.items()):
        print(f"{name:32}", *(f"{kind} {n}" for kind, n in counts.most_common()), sep="  ")
    n_calls = sum(sum(counts.values()) for counts in outcomes.values())
    print(f"{n_calls} calls from seeds {arguments.seed} to {seed - 1}, none out of bounds")


if __name__ == "__main__":
    main()
