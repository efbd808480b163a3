"""Times with censoring: targets, predictions, scores, and scikit-survival."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import SHORT, assert_same
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_set import NPSETSurvivalAnalysis, SETSurvivalAnalysis, _column_weights
from sklearn_set._column_weights import column_weights
from sklearn_set._concordance import concordance
from sklearn_set._times import StepFunction, Times
from sklearn_set.callback import TimeBudget
from sklearn_set.inspection import attributions

SMALL = {"hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "random_state": 0}


def sample(n=200, n_features=6, seed=0, ties=False):
    """Exponential times with the hazard exp(x0 - x1); a third or so is censored."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    death, end = rng.exponential(np.exp(X[:, 1] - X[:, 0])), rng.uniform(0.2, 3, n)
    time = np.minimum(death, end)
    if ties:
        time = np.ceil(5 * time)
    return X, np.column_stack([death <= end, time])


def structured(y):
    result = np.empty(len(y), dtype=[("dead", bool), ("months", float)])
    result["dead"], result["months"] = y[:, 0] > 0, y[:, 1]
    return result


# ------------------------------------------------------------------ the clock


def nelson_aalen(y, time):
    """From its definition."""
    deaths = np.unique(y[y[:, 0] > 0, 1])
    return sum(
        ((y[:, 1] == t) & (y[:, 0] > 0)).sum() / (y[:, 1] >= t).sum() for t in deaths if t <= time
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_intervals", [1, 4, "auto"])
def test_the_clock(ties, n_intervals):
    _, y = sample(ties=ties)
    targets = Times.of(y, None, n_intervals)
    assert_array_equal(targets.steps, np.unique(y[y[:, 0] > 0, 1]))
    assert_allclose(targets.clock, [nelson_aalen(y, t) for t in targets.steps])
    events, exposure = np.hsplit(targets.for_loss(targets.encode(y, np.float64), np.float64), 2)
    # Each event in one interval, and on the clock the population's hazard is 1 in each.
    assert_array_equal(events.sum(axis=1), y[:, 0])
    assert_allclose(exposure.sum(axis=1), [nelson_aalen(y, t) for t in y[:, 1]])
    assert_allclose(events.sum(axis=0), exposure.sum(axis=0))
    if not ties:
        assert targets.n_outputs == {1: 1, 4: 4, "auto": y[:, 0].sum() // 20}[n_intervals]
        assert np.ptp(events.sum(axis=0)) <= 1
    # With raw outputs 0 the prediction is the population's curve.
    hazard = targets.cumulative_hazard(np.zeros((2, targets.n_outputs)))
    assert_allclose(hazard, [targets.clock] * 2)


def test_an_event_lies_in_the_interval_that_it_ends():
    y = np.column_stack([np.ones(6), [1.0, 2, 3, 4, 5, 6]])
    targets = Times.of(y, None, 3)
    events, exposure = np.hsplit(targets.for_loss(y, np.float64), 2)
    assert_array_equal(events, np.repeat(np.eye(3), 2, axis=0))
    assert_allclose(exposure[:, 0], np.cumsum([1 / 6, 1 / 5, 0, 0, 0, 0]))
    assert_allclose(exposure[:, 1], np.cumsum([0, 0, 1 / 4, 1 / 3, 0, 0]))
    assert_allclose(exposure[:, 2], np.cumsum([0, 0, 0, 0, 1 / 2, 1]))


def test_times_beyond_the_first_ones():
    _, y = sample()
    targets = Times.of(y, None, 3)
    later = np.array([[1.0, 99.0], [0.0, 99.0], [0.0, 1e-9]])
    events, exposure = np.hsplit(targets.for_loss(later, np.float64), 2)
    assert_array_equal(events, [[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert_allclose(exposure.sum(axis=1), [targets.clock[-1]] * 2 + [0])


def test_martingale_residuals_score_columns_as_cox_does():
    """Their product with a column is the derivative of Cox's log partial likelihood at 0."""
    X, y = sample()
    column = X[:, 0]

    def partial_likelihood(beta):
        risk = np.exp(beta * column)
        return sum(
            beta * x - np.log(risk[y[:, 1] >= time].sum())
            for x, (dead, time) in zip(column, y)
            if dead
        )

    residuals = Times.of(y, None, 5).as_numbers(y)
    slope = (partial_likelihood(1e-5) - partial_likelihood(-1e-5)) / 2e-5
    assert column @ residuals[:, 0] == pytest.approx(slope, rel=1e-6)


def test_the_loss_of_one_interval_nearly_is_that_of_cox():
    """Minimising either gives nearly the same coefficient.

    Not the same: the clock is that of the population, whose high risks leave first.
    """
    from scipy.optimize import minimize, minimize_scalar

    X, y = sample(2000)
    column = X[:, 0]
    targets = Times.of(y, None, 1)
    target = targets.for_loss(y, np.float64)

    def loss(theta):
        return targets.loss.value((theta[0] + theta[1] * column)[:, None], target, None)

    order = np.argsort(-y[:, 1])

    def cox(beta):
        at_risk = np.logaddexp.accumulate(beta * column[order])
        return -(y[order, 0] * (beta * column[order] - at_risk)).sum()

    mine, theirs = minimize(loss, [0.0, 0.0]).x[1], minimize_scalar(cox).x
    assert theirs > 0.7 and mine == pytest.approx(theirs, rel=0.1)


def test_the_unit_of_time_does_not_matter():
    X, y = sample()
    a = SETSurvivalAnalysis(**SMALL).fit(X, y)
    b = SETSurvivalAnalysis(**SMALL).fit(X, y * [1, 365.25])
    assert_same(a, b)
    assert_allclose(b.unique_times_, 365.25 * a.unique_times_)


# ------------------------------------------------------------------ the estimators


@pytest.mark.parametrize("cls", [SETSurvivalAnalysis, NPSETSurvivalAnalysis])
def test_learns_and_predicts(cls):
    X, y = sample(600)
    model = cls(hidden_layer_sizes=(60, 40), random_state=0).fit(X[:400], y[:400])
    risk = model.predict(X[400:])
    assert risk.shape == (200,) and model.score(X[400:], y[400:]) > 0.75
    assert np.corrcoef(risk, X[400:, 0] - X[400:, 1])[0, 1] > 0.85
    hazard = model.predict_cumulative_hazard_function(X[400:], return_array=True)
    survival = model.predict_survival_function(X[400:], return_array=True)
    assert hazard.shape == survival.shape == (200, len(model.unique_times_))
    assert (hazard > 0).all() and (np.diff(hazard) > 0).all()
    assert_allclose(survival, np.exp(-hazard))
    # Curves are calibrated: on average, that of the population.
    assert_allclose(survival.mean(axis=0), np.exp(-model._targets.clock), atol=0.1)
    assert_array_equal(np.argsort(-risk)[:20], np.argsort(-hazard.mean(axis=1))[:20])


def test_functions_and_arrays_say_the_same():
    X, y = sample()
    model = SETSurvivalAnalysis(**SMALL).fit(X, y)
    for predict, start in (
        (model.predict_survival_function, 1.0),
        (model.predict_cumulative_hazard_function, 0.0),
    ):
        functions, values = predict(X[:5]), predict(X[:5], return_array=True)
        assert functions.shape == (5,)
        for function, row in zip(functions, values):
            assert_array_equal(function(model.unique_times_), row)
            assert function(model.unique_times_[0] / 2) == start
            assert function.domain == (0.0, y[:, 1].max())
            with pytest.raises(ValueError, match="known from 0 to"):
                function([1.0, 2 * y[:, 1].max()])


def test_a_step_function():
    step = StepFunction(np.array([1.0, 2.0]), np.array([0.6, 0.3]), 1.0, (0.0, 3.0))
    assert_array_equal(step([0.5, 1.0, 1.5, 2.0, 3.0]), [1.0, 0.6, 0.6, 0.3, 0.3])
    assert step(0) == 1.0 and isinstance(step(2.5), float)


def test_one_interval_means_proportional_hazards():
    X, y = sample()
    model = SETSurvivalAnalysis(**SMALL, n_intervals=1).fit(X, y)
    hazard = model.predict_cumulative_hazard_function(X, return_array=True)
    assert_allclose(hazard, np.exp(model.predict(X))[:, None] * model._targets.clock)
    crossing = SETSurvivalAnalysis(**SMALL, n_intervals=4).fit(X, y)
    hazard = crossing.predict_cumulative_hazard_function(X, return_array=True)
    assert np.ptp(hazard[:, -1] / hazard[:, 0]) > 1e-3


def test_forms_of_targets_are_the_same():
    X, y = sample()
    models = [
        SETSurvivalAnalysis(**SMALL).fit(X, given)
        for given in (
            y,
            y.tolist(),
            structured(y),
            pd.DataFrame(y),
            structured(y)[["dead", "months"]],
        )
    ]
    frame = pd.DataFrame({"dead": y[:, 0] > 0, "months": y[:, 1]})
    models.append(SETSurvivalAnalysis(**SMALL).fit(X, frame))
    for model in models[1:]:
        assert_same(models[0], model)
    assert models[0].score(X, structured(y)) == models[0].score(X, y)


def test_float32_keeps_times_apart():
    X, y = sample()
    y[:, 1] = 1 + y[:, 1] * 1e-9  # a float32 has 1e-7
    model = SETSurvivalAnalysis(**SMALL).fit(X.astype(np.float32), y)
    assert model._network.dtype == np.float32
    assert len(model.unique_times_) == y[:, 0].sum()


def test_sample_weights_are_repetitions():
    X, y = sample()
    weight = np.arange(200) % 3
    plain = SETSurvivalAnalysis(**SHORT, max_iter=1, batch_size=1000, shuffle=False, zeta=0)
    weighted = clone(plain).fit(X, y, sample_weight=weight)
    repeated = clone(plain).fit(X.repeat(weight, axis=0), y.repeat(weight, axis=0))
    assert_allclose(weighted._targets.clock, repeated._targets.clock)
    assert_allclose(weighted._targets.ends, repeated._targets.ends)
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6, atol=1e-9)
    assert weighted.score(X, y, sample_weight=weight) == pytest.approx(
        repeated.score(X.repeat(weight, axis=0), y.repeat(weight, axis=0))
    )


def test_early_stopping_and_held_out_samples():
    X, y = sample(400)
    model = SETSurvivalAnalysis(**SMALL).fit(
        X[:300], y[:300], X_val=X[300:], y_val=structured(y[300:])
    )
    assert model.validation_scores_[-1] == pytest.approx(
        concordance(y[300:, 0] > 0, y[300:, 1], model.predict(X[300:])), abs=0.02
    )
    model = SETSurvivalAnalysis(**SMALL, early_stopping=True).fit(X, y)
    assert model.best_validation_score_ == model.validation_scores_[-1]
    model.set_params(averaging=0).fit(X, y)
    assert model.best_validation_score_ == max(model.validation_scores_)
    model.set_params(scoring="loss").fit(X, y)
    assert model.best_validation_score_ == -min(model.validation_loss_curve_)


def test_scorers_of_the_user_get_structured_targets():
    X, y = sample(300)
    seen = []

    def scorer(estimator, X, y):
        seen.append(y)
        return concordance(y["event"], y["time"], estimator.predict(X))

    model = SETSurvivalAnalysis(**SMALL, scoring=scorer)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert len(seen) == SMALL["max_iter"] and len(seen[0]) == 100
    assert max(model.validation_scores_) > 0.6


def test_partial_fit_keeps_the_first_clock():
    X, y = sample(300)
    model = SETSurvivalAnalysis(**SMALL).partial_fit(X[:150], y[:150])
    times = model.unique_times_
    for _ in range(30):
        model.partial_fit(X[150:], structured(y[150:]))
    assert_array_equal(model.unique_times_, times)
    assert model.n_iter_ == 31 and model.score(X[150:], y[150:]) > 0.6


def test_warm_start_pickles_and_threads():
    X, y = sample()
    model = SETSurvivalAnalysis(**SMALL).fit(X, y)
    assert_same(model, SETSurvivalAnalysis(**SMALL, n_jobs=2).fit(X, y))
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    functions = pickle.loads(pickle.dumps(model.predict_survival_function(X[:2])))
    assert_array_equal(functions[0].y, model.predict_survival_function(X[:2])[0].y)
    warm = SETSurvivalAnalysis(**SMALL, warm_start=True).fit(X, y)
    assert warm.fit(X, y).n_iter_ == 2 * SMALL["max_iter"]


def test_callbacks_see_a_fitted_survival_analysis():
    X, y = sample()
    model = SETSurvivalAnalysis(**SMALL)
    model.set_callbacks(TimeBudget(1e-9)).fit(X, structured(y))
    assert model.n_iter_ == 1 and len(model.predict(X)) == 200


def test_useless_inputs_leave():
    X, y = sample(300, 250)  # with fewer samples than columns these are weighed, see below
    model = SETSurvivalAnalysis(random_state=0).fit(X, y)
    assert len(model.selected_features_) < 100
    assert {0, 1} <= set(model.selected_features_)
    assert model.null_fraction_ > 0.8 and model.selection_errors_["all"] > 0.75


def test_noise_leaves_an_order():
    """Outputs are pulled to the population's hazard, but samples are still told apart."""
    rng = np.random.default_rng(0)
    X, (_, y) = rng.normal(size=(100, 50)), sample(100)
    model = SETSurvivalAnalysis(**SMALL).fit(X, y)
    assert 0.4 < model.shrinkage_ <= 0.5
    assert len(np.unique(model.predict(X))) == 100


# ------------------------------------------------------------------ weighed columns


def wide(n=150, n_features=300):
    """Two of the columns decide."""
    return sample(n, n_features, seed=1)


def weights_of(X, y, weight=None):
    return column_weights(X, Times.of(y, weight, 1), y, weight)


def test_elastic_nets_of_hazards_are_at_their_optimum():
    """No column's slope is above the penalty, and those that are left have exactly it."""
    X, y = wide()
    exposure = y[:, 0] - Times.of(y, None, 1).as_numbers(y)[:, 0]
    coefs, unit = _column_weights._path(X, y[:, 0], exposure, np.ones(len(X)))
    assert not coefs[:, 0].any() and coefs[:2, 3].all()
    for strength, coef in list(zip(_column_weights._STRENGTHS, coefs.T))[1:8]:
        hazard = np.exp(X @ coef)
        expected = exposure * hazard * y[:, 0].sum() / (exposure @ hazard)  # free intercept
        slope = X.T @ (y[:, 0] - expected) / y[:, 0].sum() - 0.3 * unit * strength * coef
        bound = 0.7 * unit * strength
        assert np.abs(slope).max() < 1.1 * bound
        assert_allclose(slope[coef != 0], bound * np.sign(coef[coef != 0]), rtol=0.15)


def test_columns_are_weighed_where_that_predicts_better():
    X, y = wide()
    weights, errors = weights_of(X, y)
    kept = np.flatnonzero(weights)
    assert set(np.argsort(-weights)[:2]) == {0, 1} and len(kept) < 100
    assert np.square(weights[kept]).mean() == pytest.approx(1)
    assert errors[len(kept)] < errors["all"] - 0.1
    noise = np.random.default_rng(0).normal(size=X.shape)
    assert weights_of(noise, y)[0] is None
    for few in (X[:99], X[:, :100]):  # samples, columns
        assert weights_of(few, y[: len(few)]) == (None, {})


def test_columns_are_not_weighed_where_folds_cannot_be_scored():
    X, y = wide()
    few = np.column_stack([np.arange(150) < 9, y[:, 1]])
    last = np.arange(150) >= 130  # all events are at the last time
    late = np.column_stack([last, 1.0 + last])
    late[149, 0] = 0
    for times in (few, late):
        assert weights_of(X, times) == (None, {})


def test_weights_do_not_depend_on_the_order_or_on_repetitions():
    X, y = wide()
    weights, errors = weights_of(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    again = weights_of(X[order], y[order])
    assert_allclose(again[0], weights, atol=1e-6)
    assert again[1] == pytest.approx(errors)
    weight = 1.0 + np.arange(len(X)) % 3
    repeated = weights_of(*(given.repeat(weight.astype(int), axis=0) for given in (X, y)))
    weighted = weights_of(X, y, weight)
    assert_allclose(weighted[0], repeated[0], atol=1e-6)
    assert not np.allclose(weighted[0], weights, atol=1e-3)


def test_the_network_reads_weighed_columns():
    X, y = wide(300)
    model = SETSurvivalAnalysis(**SMALL, select_inputs=False).fit(X[:150], y[:150])
    assert model.conditioner_.method_ == "scale" and len(model.selected_features_) == 300
    poor = model.score(X[150:], y[150:])
    model = SETSurvivalAnalysis(**SMALL, n_intervals=1).fit(X[:150], y[:150])
    assert model.conditioner_.method_ == "weigh" and model.null_fraction_ is None
    assert model.score(X[150:], y[150:]) > poor + 0.1
    selected = model.selected_features_
    assert set(model.selection_errors_) == {"all", len(selected)}
    assert set(np.argsort(-model.feature_importances_)[:2]) == {0, 1}
    Z = model.conditioner_.transform(X)
    assert_array_equal(np.flatnonzero(Z.any(axis=0)), selected)
    back = model.conditioner_.inverse_transform(Z)
    assert_allclose(back[:, selected], X[:, selected], atol=1e-6)
    # A small change of a column changes the risk as its attribution says.
    step = np.zeros(300)
    step[0] = 1e-6
    change = (model.predict(X[:1] + step) - model.predict(X[:1] - step)) / 2e-6
    slope = attributions(model, X[:1], method="gradient")[0, 0]
    assert slope == pytest.approx(change[0], rel=1e-3)


def test_errors_of_a_selection_are_the_same_when_the_fit_goes_on():
    X, y = sample(80)
    model = SETSurvivalAnalysis((20,), max_iter=6, select_inputs=3, warm_start=True, random_state=0)
    errors = model.fit(X, y).selection_errors_
    assert set(errors) == {"all", 3}
    assert model.fit(X, y).selection_errors_ == errors


def test_weighing_survives_what_comes_after():
    X, y = wide()
    model = SETSurvivalAnalysis(**SMALL, warm_start=True).fit(X, y)
    kept = model.selected_features_
    assert_same(pickle.loads(pickle.dumps(model)), model)
    for again in (model.fit(X, y), model.partial_fit(X, y)):
        assert_array_equal(again.selected_features_, kept)
    assert model.n_iter_ == 2 * SMALL["max_iter"] + 1
    chunk = SETSurvivalAnalysis(**SMALL).partial_fit(X, y).partial_fit(X[:20], y[:20])
    assert_array_equal(chunk.selected_features_, kept)


# ------------------------------------------------------------------ wrong targets


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda y: y * [0, 1], "y has no event"),
        (lambda y: y - [0, 1], "Times must be positive; .* of 200 are not"),
        (lambda y: np.where(y == y[0], np.nan, y), "contains NaN"),
        (lambda y: np.where(y == y.max(), np.inf, y), "contains infinity"),
        (lambda y: y[:, ::-1], "The first column of y says whether there was an event"),
        (lambda y: y[:, 1], r"y has the shape \(200,\)"),
        (
            lambda y: np.column_stack([np.where(y[:, 0], "yes", "no"), y[:, 1]]),
            "text, such as 'yes'|'no'",
        ),
        (lambda y: y[:, [0, 1, 1]], r"y has the shape \(200, 3\)"),
        (lambda y: None, "requires y to be passed"),
        (lambda y: y[:100], "inconsistent numbers of samples"),
        (lambda y: np.column_stack([y[:, 1] == y[:, 1].max(), y[:, 1]]), "has a sample that lived"),
        (lambda y: np.zeros(200, [("a", bool), ("b", float), ("c", float)]), r"the fields \('a'"),
    ],
)
def test_wrong_targets(change, message):
    X, y = sample()
    with pytest.raises(ValueError, match=message):
        SETSurvivalAnalysis(**SMALL).fit(X, change(y))


def test_one_row():
    with pytest.raises(ValueError, match="n_samples = 1"):
        SETSurvivalAnalysis(**SMALL).fit([[1.0, 2.0]], [[1, 3.0]])


def test_samples_that_cannot_be_scored():
    X, y = sample()
    model = SETSurvivalAnalysis(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="concordance of these 20 samples is not defined"):
        model.score(X[:20], y[:20] * [0, 1])


# ------------------------------------------------------------------ concordance


def by_definition(event, time, risk, weight):
    agreeing = compared = 0.0
    for i in np.flatnonzero(event):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        share = np.where(np.abs(risk - risk[i]) <= 1e-8, 0.5, risk < risk[i])
        agreeing += weight[i] * (weight * share)[later].sum()
        compared += weight[i] * weight[later].sum()
    return agreeing / compared


@pytest.mark.parametrize("n", [3, 16, 33, 300])
@pytest.mark.parametrize("n_values", [2, 10, 10**6])
def test_concordance(n, n_values):
    rng = np.random.default_rng(n)
    for _ in range(20):
        event, weight = rng.random(n) < 0.6, rng.uniform(0.1, 2, n)
        time, risk = rng.integers(1, n_values + 1, n) / 7, rng.integers(0, n_values, n) / 3
        event[time.argmin()], event[time.argmax()] = True, False
        ones = np.ones(n)
        wanted = by_definition(event, time, risk, ones)
        assert concordance(event, time, risk) == pytest.approx(wanted, abs=1e-12)
        wanted = by_definition(event, time, risk, weight)
        assert concordance(event, time, risk, weight) == pytest.approx(wanted, abs=1e-12)


# ------------------------------------------------------------------ scikit-learn, scikit-survival


class AsChecked(SETSurvivalAnalysis):
    """Takes any y that scikit-learn's checks make, as times of which some are censored."""

    @staticmethod
    def times(y):
        numbers = np.asarray(y)
        if y is None or numbers.ndim != 1 or numbers.dtype.kind not in "iufO":
            return y
        numbers = numbers.astype(float)
        return np.column_stack([numbers < numbers.max(), np.exp(numbers / np.abs(numbers).max())])

    def fit(self, X, y, sample_weight=None, **held_out):
        return super().fit(X, self.times(y), sample_weight, **held_out)

    def partial_fit(self, X, y, sample_weight=None):
        return super().partial_fit(X, self.times(y), sample_weight)

    def score(self, X, y, sample_weight=None):
        return super().score(X, self.times(y), sample_weight)


@parametrize_with_checks([AsChecked(**SHORT, batch_size=32)])
def test_sklearn_check(estimator, check):
    check(estimator)


def test_searches_and_pipelines():
    X, y = sample()
    pipeline = make_pipeline(StandardScaler(), SETSurvivalAnalysis(**SMALL))
    assert cross_val_score(pipeline, X, structured(y), cv=3).min() > 0.5
    search = GridSearchCV(SETSurvivalAnalysis(**SMALL), {"n_intervals": [1, 3]}, cv=2).fit(X, y)
    assert search.score(X, y) == search.best_estimator_.score(X, y)


@pytest.fixture
def sksurv():
    return pytest.importorskip("sksurv")


def test_concordance_is_that_of_scikit_survival(sksurv):
    from sksurv.metrics import concordance_index_censored

    rng = np.random.default_rng(0)
    for n in (10, 100, 1000):
        event, time = rng.random(n) < 0.5, rng.integers(1, n, n).astype(float)
        risk = rng.integers(0, n, n) / 7
        wanted = concordance_index_censored(event, time, risk)[0]
        assert concordance(event, time, risk) == pytest.approx(wanted, abs=1e-12)


def test_metrics_of_scikit_survival(sksurv):
    from sksurv import metrics
    from sksurv.nonparametric import nelson_aalen_estimator
    from sksurv.util import Surv

    X, y = sample(500, ties=True)
    y = Surv.from_arrays(y[:, 0] > 0, y[:, 1])
    model = SETSurvivalAnalysis(**{**SMALL, "max_iter": 60}).fit(X[:300], y[:300])
    times, clock = nelson_aalen_estimator(y["event"][:300], y["time"][:300])
    assert_allclose(model._targets.clock, clock[np.isin(times, model.unique_times_)])

    inside = 300 + np.flatnonzero(y["time"][300:] < y["time"][:300].max())
    X, train, test = X[inside], y[:300], y[inside]
    times = np.unique(np.quantile(test["time"], np.linspace(0.1, 0.8, 9)))
    risk = model.predict(X)
    assert metrics.concordance_index_ipcw(train, test, risk)[0] > 0.75
    assert metrics.cumulative_dynamic_auc(train, test, risk, times)[1] > 0.75
    curves = np.vstack([curve(times) for curve in model.predict_survival_function(X)])
    error = metrics.integrated_brier_score(train, test, curves, times)
    assert error < 0.8 * metrics.integrated_brier_score(
        train, test, np.tile(curves.mean(axis=0), (len(test), 1)), times
    )


def test_scorers_of_scikit_survival(sksurv):
    from sksurv import metrics
    from sksurv.util import Surv

    X, y = sample(300, ties=True)
    y[:, 1] = np.minimum(y[:, 1], 8)
    y = Surv.from_arrays(y[:, 0] > 0, y[:, 1])
    search = GridSearchCV(
        metrics.as_integrated_brier_score_scorer(SETSurvivalAnalysis(**SMALL), times=[2, 3, 4]),
        {"estimator__n_intervals": [1, 2]},
        cv=2,
    ).fit(X, y)
    assert -0.25 < search.best_score_ < 0
