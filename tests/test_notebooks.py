"""What a person in a notebook sees: the HTML representation, data frames, names in pictures."""

import re

import matplotlib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.feature_selection import SelectFromModel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.fixes import parse_version

import sklearn_set
from sklearn_set import SETBernoulliRBM, SETClassifier, SETFeatureSelector, SETRegressor
from sklearn_set.inspection import InputConnectivityDisplay

matplotlib.use("Agg")

FAST = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
ALL = [getattr(sklearn_set, name) for name in sklearn_set.__all__]


@pytest.fixture(scope="module")
def tumours():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X.iloc[:200], y.iloc[:200].map({0: "malignant", 1: "benign"})


@pytest.mark.parametrize("cls", ALL)
def test_html_shows_every_parameter(cls):
    html = cls()._repr_html_()
    for name in cls().get_params():
        assert re.search(rf"\b{name}\b", html), name
    if parse_version(sklearn.__version__) >= parse_version("1.8"):  # tooltips
        text = "How columns are" if cls.__name__ == "InputConditioner" else "Source of"
        assert text in html


@pytest.mark.parametrize("cls", ALL)
def test_html_has_no_question_mark_that_leads_nowhere(cls):
    assert "sk-estimator-doc-link" in re.findall(
        r'<a class="([\w-]+)', StandardScaler()._repr_html_()
    )
    html = cls()._repr_html_()
    assert not re.search(r'<a class="sk-estimator-doc-link', html)
    assert 'href="https' not in html


def test_html_of_a_fitted_pipeline(tumours):
    model = make_pipeline(StandardScaler(), SETClassifier(**FAST)).fit(*tumours)
    html = model._repr_html_()
    assert "SETClassifier" in html
    if parse_version(sklearn.__version__) >= parse_version("1.9"):
        assert "Weights of each layer" in html  # tooltips of fitted attributes
    assert len(html) < 1_000_000  # weights are not printed


def test_frames_in_and_out(tumours):
    X, y = tumours
    X = X.assign(hospital=pd.Categorical(np.where(np.arange(len(X)) % 2, "north", "south")))
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["hospital"]), remainder=StandardScaler()
    )
    model = make_pipeline(columns, SETClassifier(**FAST)).set_output(transform="pandas")
    model.fit(X, y)
    assert "onehotencoder__hospital_north" in model[-1].feature_names_in_
    assert set(model.predict(X)) <= {"malignant", "benign"}
    display = InputConnectivityDisplay.from_estimator(model[-1], n_features=31 + 1)
    drawn = {label.get_text() for label in display.ax_.get_yticklabels()}
    assert drawn == set(model[-1].feature_names_in_)


def test_renamed_and_reordered_columns_are_refused(tumours):
    X, y = tumours
    model = SETClassifier(**FAST).fit(
        StandardScaler().set_output(transform="pandas").fit_transform(X), y
    )
    with pytest.raises(ValueError, match="same order"):
        model.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="width"):
        model.predict(X.rename(columns={"mean radius": "width"}))


@pytest.mark.parametrize("container", ["pandas", "default"])
def test_set_output_of_selectors_and_of_the_machine(tumours, container):
    X, y = tumours
    X = (X - X.min()) / (X.max() - X.min())
    network = SETClassifier(**FAST)
    for transformer, n_columns in (
        (SETFeatureSelector(5, max_iter=3, random_state=0), 5),
        (SelectFromModel(network, max_features=5, threshold=-np.inf), 5),
        (SETBernoulliRBM(4, random_state=0), 4),
    ):
        Z = transformer.set_output(transform=container).fit_transform(X, y)
        assert Z.shape == (len(X), n_columns)
        if container == "pandas":
            assert list(Z.columns) == list(transformer.get_feature_names_out())
            assert Z.index.equals(X.index)
        else:
            assert isinstance(Z, np.ndarray)


def test_nullable_and_sparse_columns(tumours):
    X, y = tumours
    plain = dict(
        conditioning=None, weight_decay=0.02, shrinkage=0, select_inputs=False, mixup=0
    )  # sparse rows are mixed with others of their batch, dense ones with any
    expected = SETClassifier(**FAST, **plain).fit(X / 100, y).predict_proba(X / 100)
    for frame in ((X / 100).convert_dtypes(), (X / 100).astype(pd.SparseDtype(float, 0))):
        model = SETClassifier(**FAST, **plain).fit(frame, y.convert_dtypes())
        np.testing.assert_allclose(model.predict_proba(frame), expected)
    model = SETRegressor(**FAST).fit(X / 100, X[["mean radius", "mean texture"]])
    assert model.predict(X / 100).shape == (len(X), 2)
