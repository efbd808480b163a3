"""Displays draw what the model holds; attributions are derivatives."""

import matplotlib
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set._network import ACTIVATIONS
from sklearn_set.inspection import (
    DegreeDistributionDisplay,
    InputConnectivityDisplay,
    LearningCurveDisplay,
    SparsityPatternDisplay,
    TopologyHistoryDisplay,
    attributions,
)

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    return NPSETClassifier((60, 40), max_iter=8, alpha=0.1, beta=2, gamma=3, random_state=0).fit(
        X[:300], y[:300], X_val=X[300:400], y_val=y[300:400]
    )


def test_learning_curves(model):
    display = LearningCurveDisplay.from_estimator(model, color="red")
    training, held_out = display.ax_.get_lines()
    np.testing.assert_array_equal(training.get_ydata(), model.history_["training_loss"])
    np.testing.assert_array_equal(held_out.get_ydata(), model.validation_loss_curve_)
    assert training.get_color() == held_out.get_color() == "red"
    assert display.figure_ is display.ax_.figure


def test_learning_curve_without_held_out_samples():
    X, y = load_iris(return_X_y=True)
    model = SETClassifier((20,), max_iter=3, random_state=0).fit(X, y)
    (line,) = LearningCurveDisplay.from_estimator(model).ax_.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), model.loss_curve_)
    assert "training" not in line.get_label()  # it is the loss of mixtures


def test_topology_history(model):
    display = TopologyHistoryDisplay.from_estimator(model)
    sizes = display.axes_[1].get_lines()
    np.testing.assert_array_equal(sizes[0].get_ydata(), model.history_["hidden_layer_size_0"])
    np.testing.assert_array_equal(
        display.axes_[2].get_lines()[0].get_ydata(), model.history_["n_grown"]
    )
    with pytest.raises(ValueError, match="3 axes"):
        display.plot(ax=[display.ax_])


@pytest.mark.parametrize("side", ["in", "out"])
def test_degree_distribution_counts_every_neuron(model, side):
    display = DegreeDistributionDisplay.from_estimator(model, 1, side=side)
    degrees, shares = display.scatter_.get_offsets().T
    coef = model.coefs_[1]
    assert shares.sum() == pytest.approx(1)
    n_neurons = coef.shape[1 if side == "in" else 0]
    assert ((degrees - 1) * shares).sum() * n_neurons == pytest.approx(coef.nnz)


def test_input_connectivity(model):
    image = InputConnectivityDisplay.from_estimator(model, image_shape=(8, 8))
    np.testing.assert_array_equal(image.image_.get_array().ravel(), model.feature_importances_)
    names = [f"pixel {i}" for i in range(64)]
    bars = InputConnectivityDisplay.from_estimator(model, feature_names=names, n_features=5)
    strongest = np.argmax(model.feature_importances_)
    assert [t.get_text() for t in bars.ax_.get_yticklabels()][-1] == f"pixel {strongest}"
    assert len(bars.bars_) == 5
    with pytest.raises(ValueError, match="63 pixels"):
        InputConnectivityDisplay.from_estimator(model, image_shape=(7, 9))


def test_sparsity_pattern(model):
    display = SparsityPatternDisplay.from_estimator(model, -1)
    assert len(display.scatter_.get_offsets()) == model.coefs_[-1].nnz
    with pytest.raises(ValueError, match="layer=3"):
        SparsityPatternDisplay.from_estimator(model, 3)


@pytest.mark.parametrize("conditioning", [None, "scale", 0.01])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_attributions_are_derivatives(activation, conditioning):
    X, y = load_iris(return_X_y=True)
    model = SETClassifier(
        (30, 20), activation, conditioning=conditioning, max_iter=20, random_state=0
    ).fit(X, y)
    gradient = attributions(model, X[:5], output=1, method="gradient")
    step = 1e-6
    for j in range(4):
        shift = step * np.eye(4)[j]
        change = model.decision_function(X[:5] + shift) - model.decision_function(X[:5] - shift)
        np.testing.assert_allclose(gradient[:, j], change[:, 1] / (2 * step), atol=1e-6)


def test_attributions_of_sparse_input_and_of_the_predicted_class():
    X, y = load_iris(return_X_y=True)
    model = SETClassifier((30,), conditioning=None, max_iter=20, random_state=0).fit(X, y)
    dense = attributions(model, X)
    np.testing.assert_allclose(attributions(model, sparse.csr_array(X)), dense)
    predicted = model.decision_function(X).argmax(axis=1)
    for k in range(3):
        rows = predicted == k
        np.testing.assert_allclose(dense[rows], attributions(model, X[rows], output=k))


def test_attributions_of_a_linear_network_add_up():
    X, y = load_iris(return_X_y=True)
    model = SETRegressor((10,), activation="identity", max_iter=5, random_state=0).fit(X, y)
    for bias in model.intercepts_:
        bias[:] = 0
    raw = model._raw_predict(X)[:, 0]
    np.testing.assert_allclose(attributions(model, X).sum(axis=1), raw, atol=1e-10)


def test_attributions_refuse_what_they_cannot_explain(model):
    X = np.zeros((2, 64))
    with pytest.raises(ValueError, match="output=10"):
        attributions(model, X, output=10)
    with pytest.raises(ValueError, match="method='shap'"):
        attributions(model, X, method="shap")
    y = np.random.default_rng(0).normal(size=(20, 2))
    regressor = SETRegressor((5,), max_iter=1).fit(np.ones((20, 3)), y)
    with pytest.raises(ValueError, match="2 independent outputs"):
        attributions(regressor, np.ones((1, 3)))


def test_what_holds_no_network_is_refused():
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), SETClassifier((5,), max_iter=1)).fit(X, y)
    looks = [
        LearningCurveDisplay.from_estimator,
        TopologyHistoryDisplay.from_estimator,
        DegreeDistributionDisplay.from_estimator,
        InputConnectivityDisplay.from_estimator,
        SparsityPatternDisplay.from_estimator,
        lambda estimator: attributions(estimator, X),
    ]
    for look in looks:
        with pytest.raises(TypeError, match=r"pipeline\[-1\]"):
            look(pipeline)
        with pytest.raises(NotFittedError):
            look(SETClassifier())
        with pytest.raises(TypeError, match="StandardScaler has no"):
            look(pipeline[0])


@pytest.mark.parametrize("fitted_with, set_to", [("relu", "tanh"), ("all_relu", "gelu")])
def test_attributions_are_those_of_the_network_that_was_fitted(fitted_with, set_to):
    """A parameter that was set afterwards speaks of the next fit."""
    X, y = load_iris(return_X_y=True)
    model = SETClassifier((30, 20), fitted_with, max_iter=5, random_state=0).fit(X, y)
    before = model.predict_proba(X), attributions(model, X)
    model.set_params(activation=set_to, dropout=0.5, hidden_layer_sizes=(7,))
    np.testing.assert_array_equal(model.predict_proba(X), before[0])
    np.testing.assert_array_equal(attributions(model, X), before[1])
    again = model.fit(X, y)
    assert not np.array_equal(again.predict_proba(X), before[0])
