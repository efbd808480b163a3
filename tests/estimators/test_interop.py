"""Estimators among scikit-learn's tools: frames, Pipelines, searches, metadata."""

import re

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimators.common import PRUNING, SMALL, X, Y
from helpers import assert_same
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_data_frames():
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(7)])
    labels = pd.Series(np.array(["a", "b", "c"])[Y], name="kind")
    model = make_pipeline(StandardScaler(), NPSETClassifier(**PRUNING)).set_output(
        transform="pandas"
    )
    model.fit(frame, labels)
    assert list(model[-1].feature_names_in_) == list(frame)
    np.testing.assert_array_equal(model[-1].classes_, ["a", "b", "c"])
    assert set(model.predict(frame)) <= {"a", "b", "c"}
    scaled = StandardScaler().fit_transform(frame)
    assert_same(model[-1], NPSETClassifier(**PRUNING).fit(scaled, Y))
    with pytest.raises(ValueError, match="feature names"):
        model[-1].predict(frame[reversed(list(frame))])
    with pytest.warns(UserWarning, match="feature names"):
        model[-1].predict(X)
    regressor = NPSETRegressor(**PRUNING).fit(frame, pd.DataFrame({"u": Y, "v": -Y}))
    assert regressor.predict(frame).shape == (60, 2)


def test_column_y_warns():
    from sklearn.exceptions import DataConversionWarning

    for cls in (SETClassifier, SETRegressor):
        with pytest.warns(DataConversionWarning):
            model = cls(**SMALL).fit(X, Y[:, None])
        assert model.predict(X).shape == (60,)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.float32, object, str])
def test_labels_of_any_type(dtype):
    labels = (Y == 1).astype(dtype) if dtype is not object else np.array(["no", 1], dtype=object)
    if dtype is object:
        labels = np.array(["no", "yes"], dtype=object)[(Y == 1).astype(int)]
    model = SETClassifier(**SMALL).fit(X, labels)
    assert model.classes_.dtype == labels.dtype
    assert model.predict(X).dtype == labels.dtype
    assert model.score(X, labels) > 0.5


def test_metadata_routing_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        model = NPSETClassifier(**PRUNING)
        model.set_fit_request(X_val=True, y_val=True, sample_weight=True)
        model.set_score_request(sample_weight=True)
        pipeline = sklearn.pipeline.Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", model)],
            transform_input=["X_val"],
        )
        weight = np.ones(40)
        pipeline.fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:], sample_weight=weight)
        fitted = pipeline[-1]
        assert len(fitted.validation_scores_) == 8
        # X_val went through the scaler.
        assert fitted.validation_scores_[-1] == pipeline.score(X[40:], Y[40:])

        # A scorer of its own: scikit-learn 1.7 has no request for Pipeline.score.
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        search = GridSearchCV(pipeline, {"net__zeta": [0.0, 0.3]}, cv=2, scoring=scorer)
        search.fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:], sample_weight=weight)
        best = search.best_estimator_
        assert best[-1].validation_scores_[-1] == best.score(X[40:], Y[40:])


def test_a_search_slices_an_x_val_as_long_as_x(monkeypatch):
    """As documented: rows of X_val are taken for a fold's samples if they are as many."""
    seen = []
    original = SETClassifier.fit

    def spy(self, data, y, **held_out):
        seen.append((len(data), len(held_out["X_val"])))
        return original(self, data, y, **held_out)

    monkeypatch.setattr(SETClassifier, "fit", spy)
    with sklearn.config_context(enable_metadata_routing=True):
        model = SETClassifier(**SMALL).set_fit_request(X_val=True, y_val=True)
        for n in (60, 30):
            search = GridSearchCV(model, {"zeta": [0.3]}, cv=2)
            search.fit(X, Y, X_val=X[:n], y_val=Y[:n])
    assert seen == [(30, 30), (30, 30), (60, 60), (30, 30), (30, 30), (60, 30)]
    assert "slices an `X_val` that has as many rows as `X`" in " ".join(original.__doc__.split())


def test_a_search_over_all_letters_has_the_same_bits_for_any_n_jobs():
    data, y = load_digits(return_X_y=True)
    data, y = data[:150], y[:150]
    grid = {
        "npsetclassifier__epsilon": [2, 5],
        "npsetclassifier__zeta": [0.0, 0.3],
        "npsetclassifier__alpha": [0.0, 0.1],
        "npsetclassifier__beta": [1, 2],
        "npsetclassifier__gamma": [1],
    }
    searches = []
    for n_jobs in (1, 2, 2):
        model = make_pipeline(
            StandardScaler(), NPSETClassifier((60, 40), max_iter=5, random_state=0)
        )
        searches.append(GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(data, y))
    first = searches[0]
    for search in searches[1:]:
        for name, column in first.cv_results_.items():
            if "time" not in name:
                np.testing.assert_array_equal(column, search.cv_results_[name], err_msg=name)
        assert_same(search.best_estimator_[-1], first.best_estimator_[-1])
    assert len(set(first.cv_results_["mean_test_score"])) > 4  # the letters do something


def test_verbose_reports_each_epoch(capsys):
    NPSETClassifier(**PRUNING, verbose=1).fit(X, Y, X_val=X, y_val=Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and all("loss" in line and "score" in line for line in lines)
    NPSETClassifier(**PRUNING, verbose=2).fit(X, Y)
    last = capsys.readouterr().out.splitlines()[-1]
    assert "connections" in last and re.search(r"\b16, 11\b", last)
    NPSETClassifier(**PRUNING).fit(X, Y)
    assert capsys.readouterr().out == ""
