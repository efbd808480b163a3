"""Throws malformed and odd arrays at every entry of the native core, for a bounded time.

    tests/tools/sanitize.sh asan           # builds, once
    . tests/tools/sanitize.sh; run asan tests/tools/fuzz.py --seconds 120
    tests/tools/sanitize.sh fuzz           # guided by the coverage of the core

Every entry point that `_native` has is called (one that this file does not know is an
error). A call starts from valid arguments; up to three of them are then replaced: wrong sizes,
types, orders and strides, read-only and misaligned arrays, indices out of range,
row pointers that decrease, huge and negative numbers, None. A call either works or raises
TypeError, ValueError, OverflowError, MemoryError or, for a layer that lacks a field,
AttributeError; anything else, and above all a report of the sanitizer, ends the program.
Without a sanitizer it finds crashes only.

What to call and to damage is drawn by a Generator or, with --guided, read from bytes that
libFuzzer (through atheris) mutates and keeps where they reach something new in the core. Each
entry is then fuzzed in a process of its own; half of the time goes to the networks.
"""

import argparse
import collections
import contextlib
import faulthandler
import functools
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path
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
                choices += [int(flat[at]) - 1, int(flat[at]) + 1, int(rng.integers(-3, 100))]
                flat[at] = min(max(choices[rng.integers(12)], info.min), info.max)
    return b


def damaged(value, rng):
    if isinstance(value, np.ndarray):
        return damaged_array(value, rng)
    if isinstance(value, bool):
        return [True, False, None, 2][rng.integers(4)]
    if isinstance(value, int):
        near = [value - 1, value + 1, int(rng.integers(-3, 100))]
        return (NUMBERS + near)[rng.integers(len(NUMBERS) + 3)]
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
        for name in some(fields, rng.integers(1, 3), rng):
            value = damaged(fields[name], rng)
            if not huge(name, value):
                fields[name] = value
        return SimpleNamespace(**fields)
    return [None, 0, np.zeros(3), "x"][rng.integers(4)]  # it was None


def some(names, n, rng):
    """At most n of the names."""
    names = list(names)
    drawn = [names[rng.integers(len(names))] for _ in range(n if names else 0)]
    return list(dict.fromkeys(drawn))


def huge(name, value):
    """A request that would take more memory or time than a fuzzer has."""
    sizes = ("n_in", "n_out", "draws", "bound", "count")
    return name in sizes and type(value) is int and 2**20 < value < 2**40


# ------------------------------------------------------------------ valid calls


def code(rng, kind):
    return int(rng.integers(len(getattr(_native, kind))))


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
        bias_second=abs(state(n_out)), sensitivity=state(nnz), activation=code(rng, "ACTIVATIONS"),
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
    loss = code(rng, "LOSSES")
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
        dict(layers=layers, sparse=True, trainable=True),
    )  # fmt: skip
    # Mostly whole ones from here on, so that the calls get far.
    if data is None or rng.random() < 0.7:
        data = getattr(_native, f"Data{suffix}")(**given)
    if network is None or rng.random() < 0.7:
        network = getattr(_native, f"Network{suffix}")(layers, True, True)
    hurt(f"Data{suffix}.set_targets", data.set_targets, targets)
    if rng.random() < 0.7:
        with contextlib.suppress(ValueError):  # damaged data may have another number of rows
            data.set_targets(**targets)
    order = rng.permutation(n)
    cuts = np.unique(rng.integers(0, n + 1, 3))
    train = dict(
        data=data, order=order, starts=cuts, partners=None, shares=None,
        rule=code(rng, "OPTIMIZERS"), rate=0.1, momentum=0.5, beta_1=0.9, beta_2=0.99,
        epsilon=1e-8, l2=0.1, shrink=0.1,
        shrink_bias=bool(rng.integers(2)), first_step=1, dropout_seed=1, n_threads=2,
    )  # fmt: skip
    if rng.random() < 0.3:
        m = int(rng.integers(1, 4))
        train.update(
            partners=rng.integers(0, max(n, 1), (m, n)),
            shares=rng.standard_normal((m + 1, n)).astype(dtype),
        )
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
             dict(layers=layers, sparse=bool(rng.integers(2)), trainable=True))  # fmt: skip
        hurt(f"{name}.train", network.train, train)
    if rng.random() < 0.2:
        hurt(f"{name}.unbind", network.unbind, {})
        hurt(f"{name}.predict", network.predict,
             dict(data=data, out=np.zeros((n, k), dtype), n_threads=1))  # fmt: skip


def functions(rng, dtype):
    """For each function of the module, what draws valid arguments for it."""

    def places():
        indptr, indices, n_in = connections(rng)
        keep = rng.integers(0, 2, len(indices)).astype(np.uint8)
        return dict(indptr=indptr, indices=indices, n_in=n_in), keep

    def seed():
        return int(rng.integers(0, 2**63))

    def splitmix64():
        return dict(seed=seed(), counter=3)

    def sample_without_replacement():
        return dict(bound=50, count=int(rng.integers(0, 51)), seed=seed())

    def erdos_renyi():
        n_in, n_out, draws = (int(rng.integers(0, n)) for n in (9, 9, 99))
        return dict(n_in=n_in, n_out=n_out, draws=draws, seed=seed())

    def grow_random():
        before, keep = places()
        regrow = bool(rng.integers(2))
        occupied = int(keep.sum()) if regrow else len(keep)
        free = before["n_in"] * (len(before["indptr"]) - 1) - occupied
        n_new = int(rng.integers(0, free + 1))
        return dict(**before, keep=keep, n_new=n_new, regrow_dropped=regrow, seed=seed())

    def grow_at():
        before, keep = places()
        n_out, n_in = len(before["indptr"]) - 1, before["n_in"]
        taken = np.repeat(np.arange(n_out), np.diff(before["indptr"])) * n_in + before["indices"]
        free = np.setdiff1d(np.arange(n_in * n_out), taken[keep == 1])
        keys = free[rng.integers(0, 2, len(free)) == 1].astype(np.int64)
        return dict(**before, keep=keep, keys=keys)

    def remove_neurons():
        before, _ = places()
        sides = [rng.integers(0, 2, n).astype(np.uint8)
                 for n in (before["n_in"], len(before["indptr"]) - 1)]  # fmt: skip
        return dict(**before, keep_in=sides[0], keep_out=sides[1])

    def transpose():
        return places()[0]

    def values():  # with ties and zeros of both signs, or without
        drawn = rng.standard_normal(30).astype(dtype)
        return drawn.round(1) if rng.random() < 0.5 else drawn

    def count_signs():
        return dict(weights=values())

    def all_finite():
        return dict(values=values())

    def drop_nearest_zero():
        weights = values()
        n_negative, n_positive = (
            int(rng.integers(0, n + 1)) for n in ((weights < 0).sum(), (weights > 0).sum())
        )
        return dict(weights=weights, n_negative=n_negative, n_positive=n_positive)

    def drop_smallest():
        return dict(scores=abs(values()), n_drop=int(rng.integers(0, 31)))

    def carry():
        source = rng.integers(-1, 30, 20).astype(INT)
        if rng.random() < 0.5:  # in the order in which a layer's connections are carried
            source = np.where(rng.random(90) < 0.5, -1, np.arange(90)).astype(INT)
        new_values = np.ones((source < 0).sum(), dtype) if rng.random() < 0.7 else None
        old = np.ones(max(source.max() + 1, 30), dtype)
        isa = ISAS[rng.integers(len(ISAS))]
        return dict(values=old, source=source, new_values=new_values, isa=isa)

    def batch(*more):
        """A layer's index, its inputs, outputs and further arrays of lanes, an instruction set."""
        indptr, indices, n_in = connections(rng)
        stride = [16, 32, 64, 128, 192][rng.integers(5)] // np.dtype(dtype).itemsize
        rows = {"a": n_in, "z": len(indptr) - 1}
        lanes = [aligned((rows[name], stride), dtype, rng) for name in ("a", "z", *more)]
        return dict(indptr=indptr, indices=indices), n_in, lanes, ISAS[rng.integers(len(ISAS))]

    def state(n):
        return rng.standard_normal(n).astype(dtype)

    def product():
        index, _, (a, z, derivative), isa = batch("z")
        return dict(
            **index, weights=state(len(index["indices"])), bias=state(len(z)), a=a, z=z,
            activation=code(rng, "ACTIVATIONS"), slope=0.1, derivative=derivative,
            dropout=float(rng.choice([0.0, 0.3])), dropout_seed=1, isa=isa,
        )  # fmt: skip

    def transposed_product():
        index, n_in, (out, delta, a), isa = batch("a")
        by = _native.transpose(**index, n_in=n_in)
        return dict(
            indptr=by[0], positions=by[1], indices=by[2], weights=state(len(by[1])), delta=delta,
            out=out, activation=code(rng, "ACTIVATIONS"), slope=0.1, a=a,
            derivative=a if rng.random() < 0.5 else None, isa=isa,
        )  # fmt: skip

    def gradient():
        index, _, (a, delta), isa = batch()
        n, n_out = len(index["indices"]), len(delta)
        return dict(
            **index, a=a, delta=delta, gradient=state(n), bias_gradient=state(n_out), isa=isa
        )

    def descend():
        index, _, (a, delta), isa = batch()
        n, n_out = len(index["indices"]), len(delta)
        return dict(
            **index, a=a, delta=delta, weights=state(n), first=state(n), second=abs(state(n)),
            bias=state(n_out), bias_first=state(n_out), bias_second=abs(state(n_out)),
            sensitivity=state(n), rule=code(rng, "OPTIMIZERS"), rate=0.1, isa=isa,
        )  # fmt: skip

    def gather_rows():
        _, n_in, (a, _), isa = batch()
        n, m = int(rng.integers(0, a.shape[1] + 1)), int(rng.integers(1, 4))
        return dict(
            x=rng.standard_normal((20, n_in)).astype(dtype), order=rng.integers(0, 20, n),
            partners=rng.integers(0, 20, (m, n)),
            shares=rng.standard_normal((m + 1, n)).astype(dtype), a=a, isa=isa,
        )  # fmt: skip

    def windows():
        """A convolution's index, window, images and results."""
        n, channels, n_out, *sizes = rng.integers(1, 6, 7)
        kernel, stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 4, 2), [1, 2]
        padding = rng.integers(0, 4, 2)
        n_in = int(channels * kernel[0] * kernel[1])
        draws = int(rng.integers(0, 30))
        index = _native.erdos_renyi(n_in, int(n_out), draws, seed())
        window = np.ravel([kernel, stride, padding, dilation]).astype(INT)
        images, results = (
            rng.standard_normal((n, c, *axes)).astype(dtype)
            for c, axes in ((channels, sizes[:2]), (n_out, sizes[2:]))
        )
        parts = dict(indptr=index[0], indices=index[1], window=window)
        shared = dict(isa=ISAS[rng.integers(len(ISAS))], n_threads=int(rng.integers(1, 3)))
        return parts, _native.transpose(*index, n_in), images, results, shared

    def convolve():
        parts, _, images, results, shared = windows()
        weights, bias = state(len(parts["indices"])), state(results.shape[1])
        return dict(**parts, weights=weights, bias=bias, images=images, out=results, **shared)

    def convolution_input_gradient():
        parts, by, images, results, shared = windows()
        return dict(
            **parts, by_place_indptr=by[0], by_place_positions=by[1], by_place_indices=by[2],
            weights=state(len(by[1])), delta=results, below=images, **shared,
        )  # fmt: skip

    def convolution_gradient():
        parts, _, images, results, shared = windows()
        of_weights, of_bias = state(len(parts["indices"])), state(results.shape[1])
        return dict(
            **parts, images=images, delta=results, gradient=of_weights, bias_gradient=of_bias,
            **shared,
        )  # fmt: skip

    return {name: draw for name, draw in locals().items() if hasattr(_native, name)}


ISAS = _native.runnable_isas()
CLASSES = {"DataF32", "DataF64", "NetworkF32", "NetworkF64"}
KNOWN = CLASSES | {"isa", "runnable_isas", "max_threads"}  # the latter without arguments
ENTRIES = [
    name
    for name, value in vars(_native).items()
    if callable(value) and not name.startswith("_") and name not in KNOWN
]
ENTRIES.append("scene")  # the classes
MAX_BYTES = 600  # of an input


class FromBytes:
    """The methods of a Generator that this file uses, on the bytes of an input.

    Behind the last byte zeros follow. What decides takes bytes of its own, so that a mutation
    changes one decision; arrays of numbers take one byte, the seed of a Generator.
    """

    def __init__(self, data):
        self.data, self.at = data, 0

    def below(self, n):
        width = 1 if n <= 2**8 else 2 if n <= 2**16 else 8
        drawn = int.from_bytes(self.data[self.at : self.at + width], "little")
        self.at += width
        return drawn % n

    def each(self, draw, size):
        if size is None:
            return draw()
        return np.array([draw() for _ in range(int(np.prod(size)))]).reshape(size)

    def integers(self, low, high=None, size=None):
        if high is None:
            low, high = 0, low
        drawn = self.each(lambda: int(low) + self.below(int(high) - int(low)), size)
        return drawn if size is None else drawn.astype(np.int64)

    def random(self, size=None):
        return self.each(lambda: self.below(256) / 256, size)

    def choice(self, options):
        return options[self.below(len(options))]

    def standard_normal(self, size):
        return np.random.default_rng(self.below(256)).standard_normal(size)

    def permutation(self, n):
        return np.random.default_rng(self.below(256)).permutation(n)


class Calls:
    """Makes calls with damaged arguments and counts what came of them."""

    def __init__(self):
        self.outcomes = collections.defaultdict(collections.Counter)

    def hurt(self, rng, name, call, given):
        for key in some(given, rng.choice([0, 1, 1, 2, 3]), rng):
            value = damaged(given[key], rng)
            if not huge(key, value):
                given = {**given, key: value}
        try:
            result = call(**given)
        except ALLOWED as error:
            self.outcomes[name][type(error).__name__] += 1
            return None
        except BaseException as error:
            error.add_note(f"from {name} with {given}")
            raise
        self.outcomes[name]["worked"] += 1
        return result

    def enter(self, entry, rng, dtype):
        if entry == "scene":
            scene(rng, dtype, functools.partial(self.hurt, rng))
        else:
            self.hurt(rng, entry, getattr(_native, entry), functions(rng, dtype)[entry]())

    def report(self, entries):
        """Prints what came of the calls; all that these entries reach must have been called."""
        wanted = set(entries) - {"scene"}
        if "scene" in entries:
            wanted |= {
                f"{cls}.{name}"
                for cls in CLASSES
                for name in vars(getattr(_native, cls))
                if not name.startswith("_")
            } | CLASSES
        unknown = wanted ^ set(self.outcomes)
        if unknown:
            raise RuntimeError(f"Entries that were never called, or are gone: {sorted(unknown)}")
        for name, counts in sorted(self.outcomes.items()):
            print(f"{name:32}", *(f"{kind} {n}" for kind, n in counts.most_common()), sep="  ")


def unguided(seconds, seed):
    calls, first, began = Calls(), seed, time.monotonic()
    while time.monotonic() - began < seconds:
        rng = np.random.default_rng(seed)
        for entry in ENTRIES:
            try:
                calls.enter(entry, rng, (np.float32, np.float64)[seed % 2])
            except BaseException as error:
                error.add_note(f"at --seed {seed}")
                raise
        seed += 1
    calls.report(ENTRIES)
    n_calls = sum(sum(counts.values()) for counts in calls.outcomes.values())
    print(f"{n_calls} calls from seeds {first} to {seed - 1}, none out of bounds")


def guided(seconds, seed, path, entry):
    """libFuzzer on one entry; `path` is a folder of inputs, or one input to repeat."""
    import atheris

    calls, began, once = Calls(), time.monotonic(), path.is_file()
    if not once:
        path.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        for i in range(100):  # something to start from
            (path / f"start-{i}").write_bytes(rng.bytes(MAX_BYTES))

    def one_input(data):
        rng = FromBytes(data)
        calls.enter(entry, rng, (np.float32, np.float64)[rng.integers(2)])
        if time.monotonic() - began > seconds and not once:
            calls.report([entry])
            sys.stdout.flush()
            os._exit(0)  # any other way out is a failure to libFuzzer

    atheris.Setup(
        [
            sys.argv[0], f"-max_len={MAX_BYTES}", f"-seed={seed + 1}", "-len_control=0",
            "-entropic=0", "-timeout=60", "-rss_limit_mb=3000", "-malloc_limit_mb=100000",
            f"-artifact_prefix={path}-", str(path),
        ],
        one_input,
    )  # fmt: skip
    atheris.Fuzz()


def all_guided(seconds, seed, corpus):
    """Each entry in a process of its own, so that none crowds the others out."""
    for entry in ENTRIES:
        share = seconds / 2 / (1 if entry == "scene" else len(ENTRIES) - 1)
        command = [sys.executable, "-P", __file__, "--guided", corpus / entry, "--entry", entry]
        status = subprocess.run([*command, f"--seconds={share}", f"--seed={seed}"]).returncode
        if status:
            raise SystemExit(f"{entry} failed; its input is beside {corpus / entry}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", type=Path, metavar="PATH", help="the folder of the inputs")
    parser.add_argument("--entry", choices=ENTRIES, help="only this one; PATH may be an input")
    arguments = parser.parse_args()
    seconds, seed = arguments.seconds, arguments.seed
    if arguments.entry:
        guided(seconds, seed, arguments.guided, arguments.entry)
    elif arguments.guided:
        all_guided(seconds, seed, arguments.guided)
    else:
        faulthandler.enable()
        unguided(seconds, seed)


if __name__ == "__main__":
    main()
