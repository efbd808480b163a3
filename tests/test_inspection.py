"""Displays draw what the model holds; attributions are derivatives."""

import matplotlib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set._network import ACTIVATIONS
from sklearn_set.inspection import (
    DegreeDistributionDisplay,
    ImportancesDisplay,
    InputConnectivityDisplay,
    LearningCurveDisplay,
    ScoreConnectionsDisplay,
    ScoreCurveDisplay,
    SparsityPatternDisplay,
    TopologyHistoryDisplay,
    attributions,
    seed_importances,
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


def test_score_curve_marks_the_best_epoch(model):
    display = ScoreCurveDisplay.from_estimator(model, color="red")
    line, best = display.ax_.get_lines()
    scores, losses = model.validation_scores_, model.validation_loss_curve_
    np.testing.assert_array_equal(line.get_ydata(), scores)
    expected = max(range(8), key=lambda i: (scores[i], -losses[i]))
    assert display.best_epoch_ == expected + 1
    assert (best.get_xdata(), best.get_ydata()) == (expected + 1, scores[expected])
    assert best.get_color() == "red" and f"in epoch {expected + 1}" in best.get_label()
    tied = ScoreCurveDisplay(scores=[0, np.nan, 1, 1, 1], losses=[1, 0, 3, 1, 2]).plot()
    assert tied.best_epoch_ == 4


def test_score_curve_needs_held_out_samples():
    X, y = load_iris(return_X_y=True)
    model = SETClassifier((20,), max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match=r"no validation_scores_: fit it with X_val and y_val"):
        ScoreCurveDisplay.from_estimator(model)


def test_scores_against_connections():
    X, y = load_iris(return_X_y=True)
    small = [SETClassifier((9,), max_iter=1, random_state=seed).fit(X, y) for seed in range(3)]
    models = {
        "small": small,
        "dense": make_pipeline(StandardScaler(), MLPClassifier((9,), max_iter=1).fit(X, y)),
        "linear": LogisticRegression().fit(X, y),
    }
    models["dense"].fit(X, y)
    display = ScoreConnectionsDisplay.from_estimators(models, X, y, scoring="neg_log_loss")
    assert display.n_connections["dense"] == [4 * 9 + 9 * 3]
    assert display.n_connections["linear"] == [4 * 3]
    assert display.n_connections["small"] == [each.n_connections_ for each in small]
    assert display.scores["small"][1] == -log_loss(y, small[1].predict_proba(X))
    first = display.containers_[0]
    assert first.lines[0].get_ydata() == np.mean(display.scores["small"])
    assert first.has_xerr and first.has_yerr and not display.containers_[2].has_yerr
    with pytest.raises(TypeError, match="GaussianNB has no weights to count"):
        ScoreConnectionsDisplay.from_estimators({"bayes": GaussianNB().fit(X, y)}, X, y)


def test_topology_history(model):
    display = TopologyHistoryDisplay.from_estimator(model)
    areas = display.axes_[1].collections
    assert [area.get_label() for area in areas] == ["hidden layer 0", "hidden layer 1"]
    top = areas[1].get_paths()[0].vertices[:, 1].max()
    assert top == 60 + 40  # stacked: layers of equal sizes do not lie on each other
    np.testing.assert_array_equal(
        display.axes_[2].get_lines()[0].get_ydata(), model.history_["n_grown"]
    )
    with pytest.raises(ValueError, match="3 axes"):
        display.plot(ax=[display.ax_])


def test_topology_history_of_many_layers():
    X, y = load_iris(return_X_y=True)
    deep = SETClassifier((8,) * 12, max_iter=2, random_state=0).fit(X, y)
    display = TopologyHistoryDisplay.from_estimator(deep)
    assert len(display.axes_[0].collections) == 13
    colors = {tuple(area.get_facecolor()[0]) for area in display.axes_[0].collections}
    assert len(colors) == 13
    shown = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert shown[-1] == "layer 0" and shown[0] == "layer 12" and len(shown) == 8


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
    assert bars.ax_.get_yticklabels()[0].get_text() == f"pixel {strongest}"
    assert len(bars.bars_) == 5
    with pytest.raises(ValueError, match="63 pixels"):
        InputConnectivityDisplay.from_estimator(model, image_shape=(7, 9))


def drawn_text(display):
    """Where the labels of the bars are, in pixels."""
    display.figure_.canvas.draw()
    return [label.get_window_extent() for label in display.ax_.get_yticklabels()]


@pytest.mark.parametrize("own_axes", [True, False])
def test_names_of_many_bars_do_not_overlap(own_axes):
    import matplotlib.pyplot as plt

    ax = None if own_axes else plt.subplots(2, 2)[1][0, 0]
    display = InputConnectivityDisplay(
        strengths=np.arange(1, 101) / 5050,
        feature_names=[f"an uncommonly long name of the expressed gene {i}" for i in range(100)],
        n_features=60,
    ).plot(ax=ax)
    boxes = drawn_text(display)
    assert len(boxes) == 60 if own_axes else 10 < len(boxes) < 60
    middles = sorted((box.y0 + box.y1) / 2 for box in boxes)
    letters = display.ax_.get_yticklabels()[0].get_fontsize() * display.figure_.dpi / 72
    assert min(np.diff(middles)) > letters
    assert display.ax_.get_yticklabels()[0].get_text() == "an uncommonly long…expressed gene 99"
    if own_axes:  # and the bars have most of the width
        assert display.ax_.get_window_extent().width > 0.5 * display.figure_.bbox.width


def test_degrees_have_a_few_ticks(model):
    display = DegreeDistributionDisplay.from_estimator(model, 1)
    for axis in (display.ax_.xaxis, display.ax_.yaxis):
        low, high = axis.get_view_interval()
        assert 4 <= sum(low <= tick <= high for tick in axis.get_ticklocs()) <= 12


def test_a_fit_of_one_epoch_is_seen():
    import matplotlib.pyplot as plt

    X, y = load_digits(return_X_y=True)
    once = SETRegressor((5,), max_iter=1, random_state=0).fit(X[:40, 20:21], y[:40])
    assert LearningCurveDisplay.from_estimator(once).line_.get_marker() == "o"
    for panel in TopologyHistoryDisplay.from_estimator(once).axes_:
        assert panel.dataLim.width == 1
    ticks = SparsityPatternDisplay.from_estimator(once).ax_.get_yticks()
    assert (ticks == ticks.round()).all()  # the one input has a number
    _, ax = plt.subplots()
    ax.set_xticks([0.5, 1.5])
    LearningCurveDisplay.from_estimator(once, ax=ax)
    assert list(ax.get_xticks()) == [0.5, 1.5]


def test_many_scores_do_not_lie_under_their_legend():
    names = [f"model {number}" for number in range(12)]
    sizes = {name: [100 * (i + 1)] for i, name in enumerate(names)}
    display = ScoreConnectionsDisplay(
        scores={name: [0.5] for name in names}, n_connections=sizes
    ).plot()
    display.figure_.canvas.draw()
    inside = display.ax_.get_window_extent()
    assert display.ax_.get_legend().get_window_extent().x0 >= inside.x1
    looks = {(c.lines[0].get_marker(), c.lines[0].get_color()) for c in display.containers_}
    assert len(looks) == 12
    assert [label.get_text() for label in display.ax_.get_xticklabels()][-1] == "1,000"


def test_sparsity_pattern(model):
    display = SparsityPatternDisplay.from_estimator(model, -1)
    assert len(display.scatter_.get_offsets()) == model.coefs_[-1].nnz
    with pytest.raises(ValueError, match="layer=3"):
        SparsityPatternDisplay.from_estimator(model, 3)


@pytest.mark.parametrize("shape", [(7001, 300), (30, 700), (300, 300)])
def test_large_layers_are_drawn_in_cells(shape):
    coef = sparse.random_array(shape, density=0.4, format="csc", rng=0)
    coef[: shape[0] // 2, : shape[1] // 2] = 0
    coef.eliminate_zeros()
    display = SparsityPatternDisplay(coef=coef, layer=0).plot()
    cells = display.image_.get_array()
    assert cells.shape == (min(100, shape[0]), 75)
    np.testing.assert_allclose(cells[: cells.shape[0] // 2 - 1, :36], 0)
    assert abs(cells[cells.shape[0] // 2 + 1 :].mean() - 0.4) < 0.02
    assert display.image_.get_extent() == [-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5]


def test_importances_with_their_spread():
    X, y = load_iris(return_X_y=True)
    model = SETClassifier((20,), max_iter=2, random_state=7)
    found = seed_importances(model, X, y, n_seeds=4, n_top=2, random_state=0)
    assert model.random_state == 7 and not hasattr(model, "coefs_")
    assert found.importances.shape == (4, 4) and found.feature_names is None
    seeds = {each.random_state for each in found.estimators}
    assert len(seeds) == 4
    again = clone(model).set_params(random_state=found.estimators[2].random_state).fit(X, y)
    np.testing.assert_array_equal(found.importances[:, 2], again.feature_importances_)
    np.testing.assert_allclose(found.importances_std, found.importances.std(axis=1, ddof=1))
    tops = [set(np.argsort(-column)[:2]) for column in found.importances.T]
    expected = [np.mean([i in top for top in tops]) for i in range(4)]
    np.testing.assert_array_equal(found.share_on_top, expected)
    parallel = seed_importances(model, X, y, n_seeds=4, n_top=2, random_state=0, n_jobs=2)
    np.testing.assert_array_equal(parallel.importances, found.importances)
    with pytest.raises(ValueError, match="n_seeds=1 tells of no spread"):
        seed_importances(model, X, y, n_seeds=1)


def test_importances_of_groups():
    X, y = load_iris(return_X_y=True)
    model = SETClassifier((20,), max_iter=2)
    options = {"n_seeds": 3, "n_top": 1, "random_state": 0}
    single = seed_importances(model, X, y, **options).importances
    labels = np.array(["sepal", "petal", "petal", "sepal"])
    found = seed_importances(model, X, y, groups=labels, **options)
    assert list(found.feature_names) == ["sepal", "petal"]
    np.testing.assert_allclose(found.importances, [single[[0, 3]].sum(0), single[[1, 2]].sum(0)])
    assert found.share_on_top.sum() == 1
    with pytest.raises(ValueError, match=r"groups has the shape \(3,\)"):
        seed_importances(model, X, y, groups=labels[:3], **options)
    display = ImportancesDisplay.from_estimator(model, X, y, groups=labels, **options)
    assert {label.get_text() for label in display.ax_.get_yticklabels()} == {"sepal", "petal"}


def test_importances_display():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(PolynomialFeatures(), SETClassifier((20,), max_iter=2))
    options = {"n_seeds": 3, "n_top": 4, "n_features": 6, "random_state": 0}
    display = ImportancesDisplay.from_estimator(pipeline, X, y, **options)
    mean = display.importances.mean(axis=1)
    top = np.argsort(-mean, kind="stable")[:6]
    points, _, (bars,) = display.container_.lines
    np.testing.assert_array_equal(points.get_xdata()[::-1], mean[top])
    widths = [segment[1, 0] - segment[0, 0] for segment in bars.get_segments()]
    np.testing.assert_allclose(widths[::-1], 2 * display.importances.std(axis=1, ddof=1)[top])
    names = PolynomialFeatures().fit(X).get_feature_names_out()
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]  # from the top
    assert labels == list(names[top])
    counts = [text.get_text() for text in display.ax_.texts][::-1]
    assert counts == [f"{round(3 * display.share_on_top[i])} of 3" for i in top]


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


LOOKS = [
    LearningCurveDisplay.from_estimator,
    ScoreCurveDisplay.from_estimator,
    TopologyHistoryDisplay.from_estimator,
    DegreeDistributionDisplay.from_estimator,
    InputConnectivityDisplay.from_estimator,
    SparsityPatternDisplay.from_estimator,
]


def test_what_holds_no_network_is_refused():
    X = load_iris().data
    for look in [*LOOKS, lambda estimator: attributions(estimator, X)]:
        for estimator in (
            SETClassifier(),
            make_pipeline(StandardScaler(), SETClassifier()),
            GridSearchCV(SETClassifier(), {}),
        ):
            with pytest.raises(NotFittedError):
                look(estimator)
        with pytest.raises(TypeError, match=r"StandardScaler has no .*or a Pipeline that ends"):
            look(StandardScaler().fit(X))


@pytest.mark.parametrize("kind", ["pipeline", "search", "nested"])
def test_pipelines_and_searches_are_looked_into(kind):
    X, y = load_iris(return_X_y=True, as_frame=True)
    network = SETClassifier((20,), max_iter=3, early_stopping=True, random_state=0)
    given = pipeline = make_pipeline(SelectKBest(k=3), StandardScaler(), network)
    if kind == "search":
        given = GridSearchCV(pipeline, {"setclassifier__zeta": [0.1]}, cv=2)
    if kind == "nested":
        given = make_pipeline(SelectKBest(k=3), make_pipeline(StandardScaler(), network))
    given.fit(X, y)
    inside = {"pipeline": lambda: given[-1], "nested": lambda: given[-1][-1]}.get(
        kind, lambda: given.best_estimator_[-1]
    )()
    for look in LOOKS:
        look(given)
    line = LearningCurveDisplay.from_estimator(given).line_
    np.testing.assert_array_equal(line.get_ydata(), inside.history_["training_loss"])
    best = getattr(given, "best_estimator_", given)
    if kind != "nested":
        labels = InputConnectivityDisplay.from_estimator(given).ax_.get_yticklabels()
        assert {each.get_text() for each in labels} == set(best[:-1].get_feature_names_out())
        read = best[:-1].transform(X)
    else:
        read = given[-1][:-1].transform(given[:-1].transform(X))
    np.testing.assert_array_equal(attributions(given, X), attributions(inside, read))


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
