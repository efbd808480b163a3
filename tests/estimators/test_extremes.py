"""Odd data through the estimators: either a finite model or a named error, never a silent NaN."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:alpha=.*prunes no neuron"
)
QUICK = dict(
    hidden_layer_sizes=(9, 5),
    epsilon=3,
    max_iter=4,
    random_state=0,
    n_jobs=1,
    conditioning=None,
    shrinkage=0,
)


class SelectingRegressor(NPSETRegressor):
    """Prunes hidden neurons, keeps its budget and stops reading half of its inputs."""

    budget = "keep"
    select_inputs = 0.5


CLASSES = st.sampled_from([NPSETClassifier, SETClassifier, SETRegressor, SelectingRegressor])


def pruning(cls):
    early = {"beta": 1, "gamma": 1, "alpha": 0.2}
    return early if issubclass(cls, (NPSETClassifier, NPSETRegressor)) else {}


def as_csr(X, how, rng):
    """The same samples as CSR: sorted, unsorted, with duplicates, with 64-bit indices."""
    S = sparse.csr_array(X)
    if how == "int64":
        S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    if how == "unsorted":
        for row in range(S.shape[0]):
            part = slice(S.indptr[row], S.indptr[row + 1])
            order = rng.permutation(S.indptr[row + 1] - S.indptr[row])
            S.indices[part], S.data[part] = S.indices[part][order], S.data[part][order]
    if how == "duplicates":  # each entry in two halves, as far as halves are exact
        S = sparse.csr_array(
            (np.repeat(S.data, 2) / 2, np.repeat(S.indices, 2), S.indptr * 2), shape=S.shape
        )
    return S


@settings(max_examples=60, deadline=None)
@given(
    cls=CLASSES,
    n=st.integers(1, 40),
    n_features=st.sampled_from([1, 2, 7, 16, 33]),
    hidden=st.sampled_from([(), (1,), (1, 1), (3, 1, 7), (16,), (33, 2)]),
    epsilon=st.sampled_from([0.0011, 0.05, 1, 1000]),
    dtype=st.sampled_from([np.float32, np.float64, np.int64, np.uint8, bool]),
    batch_size=st.sampled_from([1, 3, 16, 1000]),
    how=st.sampled_from(["dense", "csr", "int64", "unsorted", "duplicates"]),
    scale=st.sampled_from([0.0, 1e-45, 1e-30, 1.0]),
    seed=st.integers(0, 99),
)
def test_any_shape_density_and_type(
    cls, n, n_features, hidden, epsilon, dtype, batch_size, how, scale, seed
):
    """Empty and full layers, single samples and features, denormal inputs, all storages."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, n_features)) * 3
    X = np.where(rng.random(X.shape) < 0.3, 0, X).astype(dtype)
    if np.dtype(dtype).kind == "f":
        X *= dtype(scale)
    y = rng.integers(0, 3, n)
    if "Classifier" in cls.__name__ and len(np.unique(y)) < 2:
        return
    given_as = (
        X if how == "dense" else as_csr(X.astype(np.result_type(dtype, np.float32)), how, rng)
    )
    options = {**QUICK, **pruning(cls), "hidden_layer_sizes": hidden, "epsilon": epsilon}
    model = cls(**options, batch_size=batch_size)
    model.fit(given_as, y)
    outputs = getattr(model, "predict_proba", model.predict)(given_as)
    assert np.isfinite(outputs).all() and np.isfinite(model.loss_)
    assert all(coef.has_canonical_format for coef in model.coefs_)
    places = [coef.shape[0] * coef.shape[1] for coef in model.coefs_]
    assert all(coef.nnz <= place for coef, place in zip(model.coefs_, places, strict=True))


@pytest.mark.parametrize("how", ["int64", "unsorted", "duplicates"])
def test_csr_that_is_not_canonical_is_the_same_data(how):
    rng = np.random.default_rng(0)
    X = np.where(rng.random((60, 8)) < 0.5, 0, rng.integers(-4, 5, (60, 8)) / 4)
    y = rng.integers(0, 3, 60)
    S = as_csr(X, how, rng)
    before = S.data.copy(), S.indices.copy(), S.indptr.copy()
    model = SETClassifier(**QUICK).fit(S, y)
    plain = SETClassifier(**QUICK).fit(sparse.csr_array(X), y)
    np.testing.assert_allclose(model.predict_proba(S), plain.predict_proba(X), rtol=1e-9)
    for array, copy in zip((S.data, S.indices, S.indptr), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("cls", [SETClassifier, SETRegressor])
def test_extreme_scales_of_x(cls, scale, dtype):
    """A finite model, or the error that says which feature is unscaled."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 5)) * scale
    y = (X[:, 0] > 0).astype(float)
    model = cls(**QUICK, dtype=dtype)
    if scale > 1:
        with pytest.raises(ValueError, match=r"training diverged.*The inputs look unscaled"):
            model.set_params(solver="nesterov", max_iter=20).fit(X, y)
        # Of the epochs before, if there were any, a finite network stays.
        assert all(np.isfinite(coef.data).all() for coef in getattr(model, "coefs_", []))
        assert getattr(model, "n_iter_", 1) > 0
    else:
        assert np.isfinite(model.fit(X, y).predict(X)).all()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_of_a_target_are_scaled_away(scale):
    """`scale_target` makes a target of any size the same problem."""
    X = np.random.default_rng(0).standard_normal((80, 5))
    usual = SETRegressor(**QUICK).fit(X, X[:, 0]).predict(X)
    extreme = SETRegressor(**QUICK).fit(X, X[:, 0] * scale).predict(X)
    np.testing.assert_allclose(extreme / scale, usual, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cls", [SETClassifier, SETRegressor])
def test_a_weight_of_1e12_outweighs_all_others(cls):
    """Among others of weight 1; a weight of 0 counts as absent (test_weights.py)."""
    X = np.repeat(np.eye(4), 10, axis=0)
    y = np.tile([0, 1], 20)
    weight = np.ones(40)
    heavy = np.arange(40) % 10 == 0  # all of them y == 0
    weight[heavy] = 1e12
    model = cls(hidden_layer_sizes=(20,), epsilon=20, max_iter=60, mixup=0, random_state=0)
    model.fit(X, y, sample_weight=weight)
    assert np.isfinite(model.loss_curve_).all()
    predicted = model.predict(X)
    assert (np.abs(predicted) < 0.1).all() if cls is SETRegressor else (predicted == 0).all()


@pytest.mark.parametrize("as_sparse", [False, True])
def test_constant_duplicated_and_empty_rows(as_sparse):
    rng = np.random.default_rng(0)
    X = np.vstack([np.zeros((20, 6)), np.tile(rng.standard_normal(6), (20, 1)), np.ones((20, 6))])
    y = np.repeat([0, 1, 2], 20)
    data = sparse.csr_array(X) if as_sparse else X
    settings_ = {**QUICK, "max_iter": 80, "hidden_layer_sizes": (30,), "epsilon": 20}
    model = SETClassifier(**settings_, learning_rate_init=0.02).fit(data, y)
    proba = model.predict_proba(data)
    assert model.score(data, y) == 1
    for group in range(3):  # rows that are equal get predictions that are
        np.testing.assert_array_equal(proba[20 * group : 20 * group + 20], proba[[20 * group] * 20])


@pytest.mark.parametrize("n_classes", [2, 50, 1000])
def test_one_sample_of_each_class(n_classes):
    X = np.random.default_rng(0).standard_normal((n_classes, 20)).astype(np.float32)
    y = np.arange(n_classes)
    model = SETClassifier(hidden_layer_sizes=(30,), max_iter=2, random_state=0).fit(X, y)
    proba = model.predict_proba(X)
    assert proba.shape == (n_classes, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b", "c"],
        np.array(["a", "b", "c"], dtype=object),
        [-1, 0, 7],
        np.array([0.0, 1.0, 5.0]),
        np.array([1, 2, 250], np.uint8),
        [2**40, 0, -(2**40)],
        [False, True],
        np.array(["yes", "no"]),
        [1e-30, 3e30],
    ],
    ids=str,
)
def test_labels_of_any_kind_come_back(labels):
    """With the same network as 0, 1, 2: what a label is does not matter."""
    labels = np.asarray(labels)
    X = np.random.default_rng(0).standard_normal((90, 4))
    order = np.argsort(labels, kind="stable")
    codes = np.digitize(X[:, 0], [-0.3, 0.3] if len(labels) == 3 else [0])
    y = labels[order][codes]
    if labels.dtype.kind == "f" and not np.equal(np.mod(labels, 1), 0).all():
        with pytest.raises(ValueError, match=r"[Cc]ontinuous"):
            SETClassifier(**QUICK).fit(X, y)
        return
    model = SETClassifier(**QUICK).fit(X, y)
    assert model.classes_.dtype == y.dtype or y.dtype == object
    assert model.predict(X).dtype == model.classes_.dtype
    assert set(model.predict(X)) <= set(labels.tolist())
    plain = SETClassifier(**QUICK).fit(X, codes)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("labels", [[1, "a"], [False, True], [b"x", b"y"]], ids=str)
def test_objects_that_are_no_labels(labels):
    with pytest.raises((TypeError, ValueError), match="label"):
        SETClassifier().fit(np.ones((4, 2)), np.array(labels * 2, dtype=object))


def test_nothing_prints_unless_asked(capfd):
    X = np.random.default_rng(0).standard_normal((40, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for cls in (NPSETClassifier, SelectingRegressor):
            cls(**QUICK, **pruning(cls)).fit(X, (X[:, 0] > 0).astype(int)).predict(X)
    assert capfd.readouterr() == ("", "")
    SETRegressor(**QUICK, verbose=True).fit(X, X[:, 0])
    assert capfd.readouterr().out.count("Epoch") == 4


def test_the_kind_of_target_stays():
    X = np.random.default_rng(0).standard_normal((20, 3))
    y = np.arange(20) % 2
    model = SETClassifier(**QUICK).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="y is of type 'multilabel-indicator'"):
        model.partial_fit(X, np.column_stack([y, 1 - y]))
