"""Copies, pickles and memory maps, of models and of data."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse
from estimators.common import ALL, BOTH, PRUNING, SMALL, X, Y
from helpers import assert_same
from sklearn.base import clone
from sklearn.datasets import load_digits

from sklearn_set import NPSETClassifier, SETBernoulliRBM, SETClassifier, SETFeatureSelector

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@BOTH
@pytest.mark.parametrize(
    "twin_of",
    [
        copy.deepcopy,
        lambda m: pickle.loads(pickle.dumps(m)),
        lambda m: pickle.loads(pickle.dumps(m, protocol=2)),
    ],
    ids=["deepcopy", "pickle", "pickle2"],
)
@pytest.mark.parametrize("state", ["fit", "warm", "partial"])
def test_copies_predict_and_continue_alike(cls, twin_of, state):
    model = cls(**PRUNING, warm_start=state == "warm").fit(X, Y)
    if state == "partial":
        model.partial_fit(X, Y)
    model.predict(X)
    twin = twin_of(model)
    assert_same(model, twin)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
    np.testing.assert_array_equal(
        model.predict(scipy.sparse.csr_array(X)), twin.predict(scipy.sparse.csr_array(X))
    )
    model.partial_fit(X, Y)
    assert twin.n_iter_ == model.n_iter_ - 1  # independent of each other
    twin.partial_fit(X, Y)
    assert_same(model, twin)


@ALL
def test_clone(cls):
    model = cls(**SMALL).fit(X, Y)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert not hasattr(twin, "n_iter_")
    assert_same(twin.fit(X, Y), model)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_fitted_model_is_small(dtype, early_stopping):
    data, y = load_digits(return_X_y=True)
    options = {
        "dtype": dtype,
        "early_stopping": early_stopping,
        "max_iter": 30,
        "conditioning": None,
        "shrinkage": 0,
    }
    pruning = {"alpha": 0.01, "beta": 2, "gamma": 10}
    model = NPSETClassifier((400, 400), **options, **pruning, random_state=0)
    model.fit(data[:200] / 16, y[:200])
    model.predict(scipy.sparse.csr_array(data))
    arrays = sum(c.data.nbytes + c.indices.nbytes + c.indptr.nbytes for c in model.coefs_)
    arrays += sum(b.nbytes for b in model.intercepts_)
    assert arrays > 50_000
    assert len(pickle.dumps(model)) <= 1.2 * arrays + 16_000


@BOTH
def test_read_only_memory_maps(cls, tmp_path):
    model = cls(**PRUNING).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    joblib.dump((X, Y, X.astype(np.float32)), tmp_path / "data.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    data, y, single = joblib.load(tmp_path / "data.joblib", mmap_mode="r")
    assert not mapped.coefs_[0].data.flags.writeable and not data.flags.writeable
    np.testing.assert_array_equal(mapped.predict(data), model.predict(X))
    np.testing.assert_array_equal(
        mapped.predict(scipy.sparse.csr_array(X)), model.predict(scipy.sparse.csr_array(X))
    )
    assert_same(cls(**PRUNING).fit(data, y), model)
    cls(**PRUNING).fit(single, y)
    mapped.partial_fit(data, y)  # works on a copy
    assert_same(mapped, model.partial_fit(X, Y))
    for sparse in (scipy.sparse.csr_array(X), scipy.sparse.csc_array(X)):
        for array in (sparse.data, sparse.indices, sparse.indptr):
            array.flags.writeable = False
        cls(**PRUNING).fit(sparse, y).predict(sparse)


@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1][::-1]],
)
def test_layout_of_x_does_not_matter(layout):
    model = SETClassifier(**SMALL).fit(X, Y)
    data = layout(X)
    assert_same(SETClassifier(**SMALL).fit(data, Y), model)
    np.testing.assert_array_equal(model.predict(data), model.predict(X))
    assert_same(SETClassifier(**SMALL).fit(X.tolist(), Y.tolist()), model)


@pytest.mark.parametrize("as_sparse", [False, True])
def test_the_users_arrays_are_not_changed(as_sparse):
    data = scipy.sparse.csr_array(X) if as_sparse else X.copy()
    y, weight = Y.copy(), np.ones(60)
    weight[0] = 0
    before = copy.deepcopy((data, y, weight))
    SETClassifier(**SMALL, class_weight="balanced").fit(data, y, weight).predict(data)
    after = (data.toarray(), y, weight) if as_sparse else (data, y, weight)
    before = (before[0].toarray(), *before[1:]) if as_sparse else before
    for a, b in zip(before, after):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("module", ["_base", "_rbm", "_feature_selection"])
def test_a_model_of_another_version_says_so(monkeypatch, module):
    make = {
        "_base": lambda: SETClassifier(**SMALL).fit(X, Y),
        "_rbm": lambda: SETBernoulliRBM(n_components=5, n_iter=2).fit(X > 0),
        "_feature_selection": lambda: SETFeatureSelector(3, max_iter=2).fit(X),
    }
    model = make[module]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.deepcopy(pickle.loads(pickle.dumps(model)))  # the same version: nothing to say
    monkeypatch.setattr("sklearn_set._version.__version__", "0.0.3")
    stored = pickle.dumps(model)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"stored with sklearn_set 0\.0\.3 and is loaded with"):
        loaded = pickle.loads(stored)
    assert not any("version" in name for name in vars(loaded))
