"""Data and parameters that are refused, and odd ones that are not."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from estimators.common import ALL, INF, NAN, PRUNING, SMALL, X, Y, assert_consistent
from sklearn.exceptions import NotFittedError

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set.rules import DropMagnitude

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@ALL
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "data, y, message",
    [
        (NAN, Y, "Input X contains NaN"),
        (INF, Y, "Input X contains infinity"),
        (scipy.sparse.csr_array(NAN), Y, "contains NaN"),
        (X, np.where(Y == 1, np.nan, Y), "Input y contains NaN"),
        (X, np.where(Y == 1, np.inf, Y), "Input y contains infinity"),
        (X[:0], Y[:0], r"0 sample\(s\)"),
        (X[:, :0], Y, r"0 feature\(s\)"),
        (X[:10], Y, "inconsistent numbers of samples"),
        (X[0], Y, "1D array"),
        (X[None], Y, "dim 3|3D"),
        (X * 1j, Y, "Complex data"),
        (np.full(X.shape, "a"), Y, "convert"),
        (X, None, "requires y|y cannot be None"),
    ],
)
def test_unusable_data(cls, method, data, y, message):
    model = cls(**SMALL)
    options = {}
    if method == "partial_fit" and cls in (SETClassifier, NPSETClassifier):
        options = {"classes": [0, 1, 2]}
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(data, y, **options)
    with pytest.raises(NotFittedError):
        model.predict(X)


@ALL
@pytest.mark.parametrize(
    "weight, message",
    [
        # Ours, or that of scikit-learn >= 1.9.
        (np.zeros(60), "entries of sample_weight are zero|at least one non-zero number"),
        (-np.ones(60), "sample_weight must not be negative; the smallest value is -1"),
        (np.ones(59), "sample_weight"),
        (np.full(60, np.nan), "NaN"),
        (np.full(60, np.inf), "infinity"),
        (np.ones((60, 2)), "1D"),
    ],
)
def test_unusable_weights(cls, weight, message):
    with pytest.raises(ValueError, match=message):
        cls(**SMALL).fit(X, Y, weight)
    with pytest.raises(ValueError, match=message.replace("sample_weight", "sample_weight(_val)?")):
        cls(**SMALL).fit(X, Y, X_val=X, y_val=Y, sample_weight_val=weight)


def test_weights_too_small_for_float32_are_no_silent_standstill():
    """1e-60 is 0 in float32: the model must learn all the same, or say that it cannot."""
    small = np.full(60, 1e-60)
    data = X.astype(np.float32)
    try:
        weighted = SETClassifier(**SMALL).fit(data, Y, small)
    except ValueError as error:
        assert "sample_weight" in str(error)
        return
    plain = SETClassifier(**SMALL).fit(data, Y)
    np.testing.assert_allclose(
        weighted.decision_function(data), plain.decision_function(data), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_unusable_class_weights(weight):
    with pytest.raises(ValueError, match="class_weight"):
        SETClassifier(**SMALL, class_weight={0: weight}).fit(X, Y)


def test_classes_and_weights_that_leave_nothing():
    with pytest.raises(ValueError, match="class_weight and sample_weight leave no sample"):
        SETClassifier(**SMALL, class_weight=dict.fromkeys([0, 1, 2], 0.0)).fit(X, Y)


@pytest.mark.parametrize("y", [np.zeros(60), np.full(60, "a"), [1] * 60])
def test_one_class(y):
    with pytest.raises(ValueError, match=r"at least 2 classes .* only one class: .*['\d]"):
        SETClassifier(**SMALL).fit(X, y)


def test_more_classes_than_samples():
    many = [f"class {i}" for i in range(100)]
    model = SETClassifier(**SMALL).partial_fit(X[:4], np.array(many[:4]), classes=many)
    assert model.predict_proba(X).shape == (60, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = SETClassifier(**SMALL).fit(X[:5], np.arange(5))
    assert model.predict(X).shape == (60,)
    assert_consistent(model)


def test_targets_of_the_wrong_kind():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SETClassifier(**SMALL).fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"1d array, got 2 columns .* MultiOutputClassifier"):
        SETClassifier(**SMALL).fit(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match=r"different lengths.*MultiLabelBinarizer"):
        SETClassifier(**SMALL).fit(X[:4], [["a"], ["a", "b"], [], ["b"]])
    with pytest.raises(ValueError, match=r"loss='poisson' needs targets >= 0; .* -1"):
        SETRegressor(**SMALL, loss="poisson").fit(X, Y - 1.0)
    with pytest.raises(ValueError, match=r"holds text"):
        SETRegressor(**SMALL).fit(X, np.array(["a", "b", "c"])[Y])
    model = SETClassifier(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="a single label per sample and multilabel"):
        model.partial_fit(X, np.eye(3, dtype=int)[Y])


def test_missing_values_are_counted_and_their_columns_named():
    X = pd.DataFrame({"a": [0.0, 1] * 10, "b": [np.nan, 1] * 10, "c": [None, 1, 2, 3] * 5})
    X["c"] = X["c"].astype("Int64")
    y = [0, 1] * 10
    message = r"15 missing values \(NaN\), in 2 of its columns such as 'b'.*SimpleImputer"
    with pytest.raises(ValueError, match=message):
        SETClassifier(max_iter=1).fit(X, y)
    model = SETClassifier(max_iter=1).fit(X.fillna(0), y)
    with pytest.raises(ValueError, match="15 missing values"):
        model.predict(X)


@ALL
def test_wrong_feature_count(cls):
    model = cls(**SMALL).fit(X, Y)
    for call in (model.predict, lambda data: model.score(data, Y)):
        with pytest.raises(ValueError, match=r"X has 6 features, but .* is expecting 7 features"):
            call(X[:, 1:])
    for bad, message in ((NAN, "NaN"), (INF, "infinity"), (X[:0], r"0 sample\(s\)")):
        with pytest.raises(ValueError, match=message):
            model.predict(bad)


@ALL
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_features(cls, value):
    data = np.full(X.shape, value)
    model = cls(**SMALL).fit(data, Y)
    assert np.isfinite(model.predict(data)).all() and np.isfinite(model.loss_)
    for given in (data, scipy.sparse.csr_array(data)):
        assert_consistent(cls(**SMALL).fit(given, Y))


@ALL
def test_single_feature_and_single_sample(cls):
    model = cls(**SMALL).fit(X[:, :1], Y)
    assert_consistent(model)
    assert len(model.predict(X[:1, :1])) == 1


def test_no_hidden_layer_is_a_sparse_linear_model():
    for cls in (SETClassifier, NPSETClassifier):
        model = cls(**{**SMALL, "hidden_layer_sizes": ()}, evolve_output=True).fit(X, Y)
        assert model.hidden_layer_sizes_ == () and len(model.coefs_) == 1
        assert_consistent(model)
        np.testing.assert_allclose(
            model.decision_function(X), X @ model.coefs_[0] + model.intercepts_[0]
        )


@pytest.mark.parametrize(
    "cls, name, values",
    [
        (SETClassifier, "epsilon", [0, -1, "a", None, np.nan, np.inf]),
        (SETClassifier, "zeta", [-0.1, 1.1, "a", np.nan]),
        (NPSETClassifier, "alpha", [-0.1, 1.0, 4, "a", np.nan]),
        (NPSETClassifier, "beta", [-1, 2.5, "a"]),
        (NPSETClassifier, "gamma", [-1, 2.5, None]),
        (NPSETClassifier, "prune_layers", ["none", 0]),
        (SETClassifier, "select_inputs", ["all", None, 0, -1, 0.0, 1.5, np.nan, True, 8]),
        (SETClassifier, "drop", ["weakest", None, DropMagnitude]),
        (SETClassifier, "grow", ["dense", None, DropMagnitude()]),
        (SETClassifier, "hidden_layer_sizes", [0, -3, "a", None]),
        (SETClassifier, "activation", ["srelu", None]),
        (SETClassifier, "loss", ["poisson", "mse"]),
        (SETRegressor, "loss", ["log_loss"]),
        (SETRegressor, "huber_delta", [0, -1.0]),
        (SETClassifier, "solver", ["lbfgs"]),
        (SETClassifier, "learning_rate_init", [0, -0.1, np.nan, np.inf]),
        (SETClassifier, "momentum", [1.0, -0.1]),
        (
            SETClassifier,
            "adam_betas",
            [(1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, -0.1), (0.9,), (0.9, 0.9, 0.9), 0.9, None]
            + [("a", "b"), [[0.9, 0.9]]],
        ),
        (SETClassifier, "weight_decay", [-1e-4, np.nan]),
        (SETClassifier, "decay_rule", ["l1", "decoupled", "auto"]),
        (SETClassifier, "dropout", [1.0, -0.1]),
        (SETClassifier, "batch_size", [0, "all", 2.5]),
        (SETClassifier, "max_iter", [0, -1, 2.5, None]),
        (SETClassifier, "shuffle", ["a"]),
        (SETClassifier, "tol", [-1e-4]),
        (SETClassifier, "n_iter_no_change", [0, -1]),
        (SETClassifier, "early_stopping", ["auto"]),
        (SETClassifier, "validation_fraction", [0.0, 1.0, 5]),
        (SETClassifier, "class_weight", ["equal", 3]),
        (SETClassifier, "init", ["zeros"]),
        (SETClassifier, "new_weights", ["he"]),
        (SETClassifier, "evolve_output", ["yes"]),
        (SETClassifier, "dtype", ["float16", np.float32]),
        (SETClassifier, "n_jobs", [1.5, "all", 0]),
        (SETClassifier, "warm_start", ["a"]),
        (SETClassifier, "random_state", ["a", -1]),
        (SETClassifier, "verbose", ["a"]),
    ],
)
def test_parameters_out_of_range(cls, name, values):
    for value in values:
        model = cls(**{**SMALL, name: value})
        with pytest.raises(ValueError, match=name) as error:
            model.fit(X, Y)
        assert str(value) in str(error.value), error.value


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"epsilon": 1e-8}, r"epsilon=1e-08 .* Adam's constant is no parameter"),
        ({"hidden_layer_sizes": (10, 0)}, r"hidden_layer_sizes must be positive, got \(10, 0\)"),
        ({"hidden_layer_sizes": (10.5,)}, r"sequence of integers, got \(10.5,\)"),
        ({"hidden_layer_sizes": [[3, 4]]}, r"sequence of integers, got \[\[3, 4\]\]"),
        ({"prune_layers": (2,)}, r"prune_layers=\(2,\) names 2, .* counted from 0 to 1"),
        ({"prune_layers": (-1,)}, r"prune_layers=\(-1,\) names -1"),
        ({"prune_layers": (0.0,)}, r"prune_layers=\(0.0,\) names 0.0"),
        ({"n_jobs": 0}, "n_jobs=0 has no meaning"),
    ],
)
def test_parameters_that_are_mistaken_for_others(settings, message):
    with pytest.raises(ValueError, match=message):
        NPSETClassifier(**{**SMALL, **settings}).fit(X, Y)


@ALL
def test_columns_that_are_no_numbers_are_named(cls):
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(7)])
    days = pd.date_range("2020-01-01", periods=60)
    for column, message in (
        (pd.Categorical(np.where(Y, "north", "south")), "text, such as '(north|south)'"),
        (np.where(Y, "north", "south"), "text, such as '(north|south)'"),
        (days, "dates"),
    ):
        with pytest.raises(
            ValueError, match=rf"Column 'where' of X holds {message}.*OneHotEncoder"
        ):
            cls(**SMALL).fit(frame.assign(where=column), Y)
    with pytest.raises(ValueError, match="NaN"):
        cls(**SMALL).fit(frame.where(frame < 1), Y)


def test_text_is_no_target_of_a_regressor():
    with pytest.raises(ValueError, match=r"y holds text, such as 'b'.*SETClassifier"):
        SETRegressor(**SMALL).fit(X, np.array(["b", "a", "c"])[Y])


def test_labels_of_another_kind():
    model = SETClassifier(**SMALL, warm_start=True).fit(
        X, np.array(["a", "b", "c"], dtype=object)[Y]
    )
    with pytest.raises(ValueError, match=r"labels of another kind, such as 0, than the classes"):
        model.fit(X, np.sort(Y))


def test_alpha_that_prunes_nobody_warns():
    with pytest.warns(UserWarning, match=r"alpha=0.0001 prunes no neuron.* use weight_decay"):
        NPSETClassifier(**{**PRUNING, "alpha": 1e-4}).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NPSETClassifier(**{**PRUNING, "alpha": 0}).fit(X, Y)
        NPSETClassifier(**{**PRUNING, "alpha": 0.04}).fit(X, Y)  # floor(0.04 * 30) = 1
