"""Estimators that older versions stored are loaded, and predict what they did then."""

import lzma
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning
from tools.store import STORED, answers

import sklearn_set


def load(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)  # of scikit-learn's own parts
        return pickle.loads(lzma.decompress(path.read_bytes()))


@pytest.mark.parametrize("path", sorted(STORED.glob("*.xz")), ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore:.*was stored with sklearn_set")
def test_stored_estimators_predict_what_they_did(path):
    stored = load(path)
    assert len(stored) >= 9
    for each in stored:
        model, said = each["model"], answers(each["model"], each["X"])
        assert said.keys() == each["answers"].keys() and said, model
        for method, expected in each["answers"].items():
            if expected.dtype.kind in "OU":
                assert list(said[method]) == list(expected), (model, method)
            else:
                np.testing.assert_allclose(
                    said[method], expected, rtol=1e-6, atol=1e-9, err_msg=f"{model}.{method}"
                )


def test_the_first_version_is_stored():
    assert (STORED / "0.1.0.pickle.xz").exists()


def test_another_version_is_named(monkeypatch):
    monkeypatch.setattr("sklearn_set._version.__version__", "999")
    with pytest.warns(UserWarning, match=rf"stored with sklearn_set {sklearn_set.__version__}"):
        load(Path(STORED / "0.1.0.pickle.xz"))
