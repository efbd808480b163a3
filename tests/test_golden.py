"""Results do not change unnoticed: they are compared with those kept in tests/golden."""

import platform

import golden_cases
import numpy as np
import pytest

from sklearn_set import _native

CHANGED = (
    "A training no longer gives the results that were kept in {file}.\n"
    "If that is intended, name the change of results in CHANGELOG.md and write the files anew:\n"
    "    python tests/golden_cases.py\n"
    "(on a machine with AVX-512; a change of NumPy's random streams would show in estimators/* "
    "only)."
)


@pytest.fixture(scope="module", params=_native.runnable_isas())
def results(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "now.npz"
    golden_cases.save_with(request.param, path)
    return request.param, dict(np.load(path))


def kept(isa):
    path = golden_cases.FOLDER / f"{isa}.npz"
    assert path.exists(), f"{path} is missing: write it with python tests/golden_cases.py"
    return path.name, dict(np.load(path))


def test_results_of_the_core_are_those_kept(results):
    """Bit for bit on x86-64, whose files these are.

    Elsewhere (the baseline's vectors then are, say, NEON's) to 1e-5 and in float64: there the
    compiler may contract products and sums, and the files were not made there.
    """
    isa, now = results
    file, before = kept(isa)
    assert set(now) == set(before), CHANGED.format(file=file)
    exact = platform.machine() in ("x86_64", "AMD64")
    wrong = []
    for name, values in now.items():
        if not name.startswith("core/") or (not exact and "float32" in name):
            continue
        assert values.dtype == before[name].dtype and values.shape == before[name].shape
        if exact:
            same = values.tobytes() == before[name].tobytes()
        else:
            same = np.allclose(values, before[name], rtol=1e-5, atol=1e-8)
        if not same:
            difference = np.abs(values.astype(float) - before[name]).max()
            wrong.append(f"{name}: up to {difference:.2g} away")
    assert not wrong, "\n".join([CHANGED.format(file=file), *wrong])


def test_results_of_estimators_are_those_kept(results):
    """To 1e-5: libm's exponential and NumPy's generators are not this package's."""
    isa, now = results
    file, before = kept(isa)
    wrong = [
        f"{name}: up to {np.abs(values - before[name]).max():.2g} away"
        for name, values in now.items()
        if name.startswith("estimators/")
        and not np.allclose(values, before[name], rtol=1e-5, atol=1e-8)
    ]
    assert not wrong, "\n".join([CHANGED.format(file=file), *wrong])


def test_the_cases_are_sensitive():
    """A rate 1e-6 off shows."""
    case = golden_cases.CORE[0]
    right = golden_cases.core(*case, np.float64)[0]
    original = golden_cases.Optimizer

    def other(rule, rate, **settings):
        return original(rule, rate * (1 + 1e-6), **settings)

    golden_cases.Optimizer = other
    try:
        assert not np.array_equal(golden_cases.core(*case, np.float64)[0], right)
    finally:
        golden_cases.Optimizer = original
