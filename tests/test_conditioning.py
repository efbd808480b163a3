"""Inputs as they come: their scale, decorrelation, and what is chosen by the infinite network."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge as DenseKernelRidge
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from sklearn_set import InputConditioner, SETClassifier, SETRegressor, SETSurvivalAnalysis
from sklearn_set._columns import distinct_rows
from sklearn_set._kernel import RIDGES, KernelRidge, arc_cosine_kernel
from sklearn_set._regularization import Signal
from sklearn_set._samples import Samples

SMALL = dict(hidden_layer_sizes=(20,), max_iter=5, random_state=0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def spectra(rng, n=90, strength=0.6):
    """Smooth collinear columns, whose target hides in directions of small variance."""
    hidden = rng.normal(size=(n, 20)) * strength ** np.arange(20)
    loadings = np.cos(np.outer(np.arange(20), np.linspace(0, np.pi, 120)))
    return hidden @ loadings + 5, hidden[:, 8] / strength**8


# ------------------------------------------------------------------ the kernel


def test_the_kernel_is_that_of_random_relu_layers(rng):
    """Products of the outputs of two wide random layers, to 12 %; one or three are 40 % off."""
    X = rng.normal(size=(4, 7))
    hidden = X
    for width in (5000, 3000):
        W = rng.normal(size=(hidden.shape[1], width)) / np.sqrt(hidden.shape[1])
        hidden = np.sqrt(2) * np.maximum(hidden @ W, 0)
    np.testing.assert_allclose(arc_cosine_kernel(X), hidden @ hidden.T / 3000, rtol=0.12)
    assert np.allclose(np.diag(arc_cosine_kernel(X)), (X**2).mean(axis=1))
    np.testing.assert_allclose(arc_cosine_kernel(sparse.csr_array(X)), arc_cosine_kernel(X))
    np.testing.assert_allclose(arc_cosine_kernel(X, X[:2]), arc_cosine_kernel(X)[:, :2], rtol=1e-9)


def test_leave_one_out_errors_are_those_of_fits_without_the_sample(rng):
    X, Y = rng.normal(size=(15, 4)), rng.normal(size=(15, 2))
    K = arc_cosine_kernel(X)
    ridge = KernelRidge(K, Y)
    K = K / np.trace(K) * 15

    def error(penalty):
        total = 0.0
        for i in range(15):
            rest = np.arange(15) != i
            # A free intercept: a constant kernel so large that it is not penalised.
            model = DenseKernelRidge(alpha=penalty, kernel="precomputed")
            model.fit(K[np.ix_(rest, rest)] + 1e6, Y[rest])
            total += np.square(model.predict(K[i : i + 1, rest] + 1e6)[0] - Y[i]).sum()
        return total

    errors = [error(penalty) for penalty in RIDGES]
    assert ridge.ridge == RIDGES[np.argmin(errors)]
    total = sum(np.square(Y[i] - np.delete(Y, i, axis=0).mean(axis=0)).sum() for i in range(15))
    assert ridge.error == pytest.approx(min(errors) / total, rel=1e-4)
    fitted = DenseKernelRidge(alpha=ridge.ridge, kernel="precomputed").fit(K + 1e6, Y)
    np.testing.assert_allclose(
        ridge.predict(arc_cosine_kernel(X)), fitted.predict(K + 1e6), atol=1e-4
    )


def test_distinct_rows_do_not_depend_on_the_order_of_the_samples(rng):
    X = rng.normal(size=(20, 3))
    twice = np.concatenate([X, X[:7]])
    order = rng.permutation(27)
    np.testing.assert_array_equal(X[distinct_rows(X)], twice[distinct_rows(twice)])
    np.testing.assert_array_equal(X[distinct_rows(X)], twice[order][distinct_rows(twice[order])])
    assert len(distinct_rows(sparse.csr_array(twice))) == 20


# ------------------------------------------------------------------ the scale


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_unit_of_a_column_does_not_matter(rng, dtype):
    X = rng.normal(size=(60, 5)) ** 3
    y = X[:, 0] > 0
    other = (X * [1, 1e-6, 1e6, 3, 40] + [0, 1e-7, 5e6, -9, 4]).astype(dtype)
    X = X.astype(dtype)
    tolerance = 1e-3 if dtype == np.float32 else 1e-9
    one, two = (InputConditioner("scale").fit(Z, y).transform(Z) for Z in (X, other))
    np.testing.assert_allclose(one, two, atol=tolerance)
    before = StandardScaler().fit_transform(X)
    three = InputConditioner("scale").fit(before, y).transform(before)
    np.testing.assert_allclose(one, three, atol=tolerance)
    assert one.dtype == dtype


@pytest.mark.parametrize("conditioning", ["scale", 0.01])
def test_no_value_makes_a_prediction_explode(rng, conditioning):
    X, y = spectra(rng)
    X[:, 3] = 0
    X[0, 3] = 1e-3  # hardly varies in training
    model = SETRegressor(**SMALL, conditioning=conditioning).fit(X, y)
    wild = X[:4].copy()
    wild[0, 3], wild[1, 7], wild[2] = 1e9, -1e300, 1e12
    predicted = model.predict(wild)
    assert np.isfinite(predicted).all()
    assert np.abs(predicted - y.mean()).max() < 20 * y.std()
    assert np.abs(model.conditioner_._apply(wild)).max() <= 3


def test_constant_columns_say_nothing(rng):
    X = rng.normal(size=(30, 3))
    X[:, 1] = 0.1
    conditioner = InputConditioner("scale").fit(X)
    X[:, 1] = 17
    assert (conditioner.transform(X)[:, 1] == 0).all()


def test_heavy_tails_become_logarithms(rng):
    X = np.stack([rng.normal(size=400), np.exp(3 * rng.normal(size=400))], axis=1)
    Z = InputConditioner("scale").fit_transform(X)
    rank = np.argsort(np.argsort(X[:, 1]))
    assert np.corrcoef(Z[:, 1], rank)[0, 1] > 0.8 > np.corrcoef(X[:, 1], rank)[0, 1] + 0.3
    assert abs(Z.mean()) < 0.1 and np.abs(Z[:, 1].std() - 1) < 0.25


def test_sparse_columns_stay_sparse(rng):
    X = sparse.random(50, 30, density=0.2, random_state=0, format="csr")
    conditioner = InputConditioner().fit(X, np.arange(50) % 2)
    Z = conditioner.transform(X)
    assert sparse.issparse(Z) and conditioner.method_ == "scale"
    np.testing.assert_array_equal(Z.indices, X.indices)
    deviation = X.toarray().std(axis=0)
    scaled = X.toarray() / np.where(deviation > 0, deviation, 1)
    np.testing.assert_allclose(Z.toarray(), scaled / np.sqrt(1 + (scaled / 3) ** 2))
    np.testing.assert_allclose(conditioner.inverse_transform(Z).toarray(), X.toarray())
    with pytest.raises(ValueError, match=r"conditioning=0\.1 .* but X is sparse"):
        SETClassifier(**SMALL, conditioning=0.1).fit(X, np.arange(50) % 2)


def test_weights_are_repetitions(rng):
    X, y = spectra(rng, 40)
    weight = rng.integers(0, 3, 40)
    rows = rng.permutation(np.repeat(np.arange(40), weight))
    weighted = InputConditioner(0.01).fit(X, y, weight)
    repeated = InputConditioner(0.01).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-6)


# ------------------------------------------------------------------ decorrelation


def test_components_are_uncorrelated_and_come_back(rng):
    X, y = spectra(rng)
    conditioner = InputConditioner(1e-4).fit(X, y)
    Z = conditioner.transform(X)
    correlation = np.corrcoef(Z[:, :10].T) - np.eye(10)
    assert np.abs(correlation).max() < 0.2  # but for what is clipped
    np.testing.assert_allclose(conditioner.inverse_transform(Z), X, atol=1e-6)
    names = conditioner.get_feature_names_out()
    assert list(names[:2]) == ["component0", "component1"] and len(names) == Z.shape[1]


def test_decorrelation_is_chosen_where_it_pays(rng):
    X, y = spectra(rng)
    found = SETRegressor(**SMALL).fit(X, y).conditioner_
    assert found.method_ == "decorrelate" and found.strength_ in found.errors_
    assert found.errors_[found.strength_] <= 0.95 * found.errors_["scale"]
    assert found.errors_[found.strength_] == min(found.errors_.values())
    common = rng.normal(size=(90, 1))  # what matters is what varies most
    plain = common * rng.normal(size=40) + rng.normal(size=(90, 40))
    refused = SETRegressor(**SMALL).fit(plain, common[:, 0]).conditioner_
    assert refused.method_ == "scale" and len(refused.errors_) > 1
    assert SETRegressor(**SMALL, conditioning=None).fit(X, y).conditioner_.errors_ == {}


def test_it_learns_what_it_could_not(rng):
    X, y = spectra(rng, 300)
    scores = {
        conditioning: SETRegressor((50,), max_iter=60, random_state=0, conditioning=conditioning)
        .fit(X[:200], y[:200])
        .score(X[200:], y[200:])
        for conditioning in ("scale", "auto")
    }
    assert scores["auto"] > scores["scale"] + 0.2 and scores["auto"] > 0.8


def test_all_speaks_of_the_users_columns(rng):
    X, y = spectra(rng)
    model = SETClassifier(**SMALL, conditioning=1e-3).fit(X, y > 0)
    assert model.feature_importances_.shape == (120,)
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.coefs_[0].shape[0] == model.conditioner_.transform(X).shape[1] < 120
    with pytest.raises(ValueError, match="select_inputs=5 needs columns"):
        SETClassifier(**SMALL, conditioning=1e-3, select_inputs=5).fit(X, y > 0)


@pytest.mark.parametrize("conditioning", ["auto", "scale", 0.01, None])
def test_streams_and_refits_keep_the_first_condition(rng, conditioning):
    X, y = spectra(rng)
    model = SETClassifier(**SMALL, conditioning=conditioning)
    model.partial_fit(X[:50], y[:50] > 0, classes=[False, True])
    before = model.conditioner_.transform(X)
    model.partial_fit(10 * X[50:], y[50:] > 0)
    np.testing.assert_array_equal(model.conditioner_.transform(X), before)
    assert model.predict(X).shape == (90,)


# ------------------------------------------------------------------ strength by signal


def signal_of(X, y):
    return Signal.of(
        Samples(InputConditioner("scale").fit_transform(X), y.reshape(len(y), -1), None)
    )


def test_noise_is_held_back_more(rng):
    X = rng.normal(size=(200, 20))
    clear = X[:, 0] + X[:, 1]
    noisy = clear + 5 * rng.normal(size=200)
    strong, weak, none = (
        signal_of(X, clear),
        signal_of(X, noisy),
        signal_of(X, rng.normal(size=200)),
    )
    assert strong.noise < weak.noise and strong.shrinkage == 0 < weak.shrinkage
    assert none.shrinkage > 0.8
    one, two = (SETRegressor(**SMALL).fit(X, y) for y in (clear, noisy))
    assert one.weight_decay_ <= two.weight_decay_ and one.shrinkage_ < two.shrinkage_


def test_more_samples_are_asked_where_the_signal_is_weak(rng):
    X = rng.normal(size=(500, 5))
    classes = {"clear": (X[:, 0] > 0).astype(int), "none": rng.integers(0, 2, 500)}
    seen = {name: len(Signal.of(Samples(X, y, None)).rows) for name, y in classes.items()}
    assert seen == {"clear": 200, "none": 400}
    assert len(Signal.of(Samples(X, X[:, :1], None)).rows) == 400  # which can be smoothed


@pytest.mark.parametrize("n_columns", [10, 120])
def test_the_signal_is_that_in_the_conditioned_samples(rng, n_columns):
    X, y = spectra(rng)
    X = X[:, :n_columns]
    model = SETRegressor(**SMALL).fit(X, y)
    assert model.conditioner_.method_ == "decorrelate"
    Z = model.conditioner_.transform(X)
    signal = Signal.of(Samples(Z, ((y - y.mean()) / y.std())[:, None], None))
    assert signal.kernel.error == pytest.approx(min(model.conditioner_.errors_.values()), rel=1e-6)
    alone = SETRegressor(**SMALL, conditioning=None).fit(Z, y)
    np.testing.assert_allclose(alone.weight_decay_, model.weight_decay_, rtol=1e-6)
    np.testing.assert_allclose(alone.predict(Z), model.predict(X), rtol=1e-6)


def test_pure_noise_is_told_like_the_class_frequencies(rng):
    """Log-loss at most 0.03 above that of the frequencies, where it was 0.3 without shrinkage."""
    X, y = rng.normal(size=(240, 60)), rng.integers(0, 2, 240)
    log_loss = {}
    for shrinkage in ("auto", 0.0):
        model = SETClassifier(random_state=0, max_iter=60, shrinkage=shrinkage)
        model.fit(X[:120], y[:120])
        p = model.predict_proba(X[120:])[np.arange(120), y[120:]]
        log_loss[shrinkage] = -np.log(p).mean()
    assert log_loss["auto"] < np.log(2) + 0.03 < log_loss[0.0] - 0.09


@pytest.mark.parametrize("targets", ["two", "three", "labels", "values", "poisson"])
def test_full_shrinkage_is_the_constant_model(rng, targets):
    X = rng.normal(size=(60, 5))
    weight = rng.integers(1, 4, 60)
    if targets in ("two", "three"):
        y = rng.integers(0, 2 if targets == "two" else 3, 60)
        model = SETClassifier(**SMALL, shrinkage=1.0).fit(X, y, weight)
        shares = np.bincount(y, weights=weight) / weight.sum()
        np.testing.assert_allclose(model.predict_proba(X), np.tile(shares, (60, 1)))
    elif targets == "labels":
        y = rng.integers(0, 2, (60, 3))
        model = SETClassifier(**SMALL, shrinkage=1.0).fit(X, y, weight)
        shares = np.average(y, axis=0, weights=weight)
        np.testing.assert_allclose(model.predict_proba(X), np.tile(shares, (60, 1)))
    else:
        y = rng.gamma(2, size=60)
        loss = "poisson" if targets == "poisson" else "squared_error"
        model = SETRegressor(**SMALL, shrinkage=1.0, loss=loss).fit(X, y, weight)
        np.testing.assert_allclose(model.predict(X), np.average(y, weights=weight), rtol=1e-6)
    assert model.shrinkage_ == 1


def test_a_continued_fit_is_shrunk_once(rng):
    X, y = rng.normal(size=(60, 5)), rng.integers(0, 2, 60)
    model = SETClassifier(**SMALL, shrinkage=0.5, warm_start=True).fit(X, y)
    learned = model._learner.network.layers[-1].weights
    np.testing.assert_allclose(model.coefs_[-1].data, 0.5 * learned)
    model.fit(X, y)
    np.testing.assert_allclose(
        model.coefs_[-1].data, 0.5 * model._learner.network.layers[-1].weights
    )


def test_outputs_left_out_are_those_of_a_kernel_that_has_not_seen_them(rng):
    X, Y = rng.normal(size=(20, 6)), rng.normal(size=(20, 2))
    K = X @ X.T
    whole = KernelRidge(K, Y)
    centring = np.eye(20) - 1 / 20
    centred = centring @ (K / np.trace(K) * 20) @ centring
    Z = rng.normal(size=(20, 3))
    for i in (0, 7, 19):
        kept = np.delete(np.arange(20), i)
        # The kernel stays centred and scaled by all samples; the intercept is free.
        system = np.zeros((20, 20))
        system[:19, :19] = centred[np.ix_(kept, kept)] + whole.ridge * np.eye(19)
        system[19, :19] = system[:19, 19] = 1
        solved = np.linalg.solve(system, np.vstack([Z[kept], np.zeros(3)]))
        expected = centred[i, kept] @ solved[:19] + solved[19]
        np.testing.assert_allclose(Z[i] - whole.residuals(Z)[1][i], expected)
    fitted = Z.mean(axis=0) + centred @ np.linalg.solve(
        centred + whole.ridge * np.eye(20), Z - Z.mean(axis=0)
    )
    np.testing.assert_allclose(Z - whole.residuals(Z)[0], fitted)


def clouds(rng, n_classes, distance, n=240, n_features=40):
    """Samples of equally likely classes around centres, and the classes."""
    y = rng.integers(0, n_classes, n)
    return rng.normal(size=(n, n_features)) + distance * rng.normal(size=(8, n_features))[y], y


def test_classifiers_are_as_sure_as_their_samples_allow(rng):
    X, y = clouds(rng, 6, 0.8)
    train, test = slice(60), slice(60, None)
    plain = SETClassifier(random_state=0, max_iter=60, shrinkage=0).fit(X[train], y[train])
    surer = SETClassifier(random_state=0, max_iter=60).fit(X[train], y[train])
    assert plain.temperature_ == 1 and surer.temperature_ < 0.9 and surer.shrinkage_ == 0
    raw = [model._raw_predict(X) for model in (plain, surer)]
    np.testing.assert_allclose(raw[0], surer.temperature_ * raw[1], rtol=1e-10)
    np.testing.assert_array_equal(plain.predict(X), surer.predict(X))
    losses = [log_loss(y[test], m.predict_proba(X[test])) for m in (plain, surer)]
    assert losses[1] < losses[0] - 0.01


def test_the_temperature_is_that_of_the_samples_whatever_their_form(rng):
    X, y = clouds(rng, 3, 0.8, n=60)
    labels = np.eye(3, dtype=int)[y]
    assert SETClassifier(random_state=0).fit(X, labels).temperature_ < 1
    order = rng.permutation(60)
    settings = dict(random_state=0, shuffle=False, mixup=0, batch_size=60)
    one, other = (SETClassifier(**settings).fit(X[o], y[o]) for o in (np.arange(60), order))
    np.testing.assert_allclose(one.temperature_, other.temperature_, rtol=1e-6)
    weight = np.where(np.arange(60) < 10, 0.0, 1.0)
    without = SETClassifier(**settings).fit(X[10:], y[10:]).temperature_
    assert SETClassifier(**settings).fit(X, y, weight).temperature_ == without


def test_there_is_no_temperature_without_its_reasons(rng):
    X, y = clouds(rng, 2, 0.0)
    assert SETClassifier(random_state=0, max_iter=10).fit(X, y).temperature_ == 1  # noise
    X, y = clouds(rng, 2, 0.8)
    assert SETClassifier(random_state=0, max_iter=30, select_inputs=5).fit(X, y).temperature_ == 1
    assert SETRegressor(random_state=0, max_iter=10).fit(X, X[:, 0]).temperature_ == 1
    squared = SETClassifier(random_state=0, max_iter=10, loss="squared_error")
    assert squared.fit(X, y).temperature_ == 1
    stream = SETClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
    assert stream.temperature_ == 1


def test_each_continued_fit_finds_its_temperature(rng):
    X, y = clouds(rng, 3, 0.8, n=60)
    model = SETClassifier(random_state=0, max_iter=10, warm_start=True, averaging=0)
    found = [model.fit(X, y).temperature_ for _ in range(4)]
    whole = SETClassifier(random_state=0, max_iter=40, averaging=0).fit(X, y)
    assert whole.temperature_ < 1 and len(set(found)) == 4
    np.testing.assert_allclose(found[-1], whole.temperature_, rtol=1e-6)
    model.partial_fit(X, y)  # keeps the last one
    assert model.temperature_ == found[-1]


def test_small_networks_can_still_learn(rng):
    """The decay leaves neurons of few inputs, trained on few batches, able to learn."""
    X = rng.normal(size=(80, 12))
    y = np.digitize(X[:, 0] + X[:, 1], [-0.2, 0.2])
    model = SETClassifier((30, 20), epsilon=4, max_iter=60, random_state=0, shrinkage=0)
    assert model.fit(X, y).score(X, y) > 0.75


def test_parameters_that_do_not_go_together(rng):
    X, y = rng.normal(size=(20, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=r"weight_decay=.auto. .* decay_rule='l2'"):
        SETClassifier(**SMALL, decay_rule="l2").fit(X, y)


def test_regressors_learn_values_half_way_to_what_the_kernel_finds(rng):
    X, y = rng.normal(size=(500, 6)), rng.normal(size=(500, 2))
    y[:, 0] += X[:, 0]
    signal = Signal.of(Samples(X, y, None))
    smoothed, seen = signal.smoothed(Samples(X, y, None)), signal.rows
    unseen = np.setdiff1d(np.arange(500), seen)
    assert len(unseen) > 0 and 0 < signal.kernel.error < 1
    np.testing.assert_array_equal(smoothed[unseen], y[unseen])
    fitted, left_out = signal.kernel.residuals(y[seen])
    between = (1 - signal.kernel.error) * fitted + signal.kernel.error * left_out
    np.testing.assert_allclose(smoothed[seen], y[seen] - between / 2)
    few = Samples(X[:5], y[:5], None)
    assert Signal.of(few).smoothed(few) is few.target


@pytest.mark.parametrize("cls", [SETRegressor, SETSurvivalAnalysis])
def test_regularisation_does_not_follow_a_chunk_whose_inputs_are_selected(rng, cls):
    X = rng.normal(size=(100, 30))  # tells nothing of the targets
    y = np.column_stack([np.arange(100) % 2, 1 + rng.random(100)])
    model = cls(20, select_inputs=3, conditioning="scale", max_iter=2, random_state=0)
    whole, chunk = clone(model).fit(X, y), clone(model).partial_fit(X, y)
    every = clone(model).set_params(select_inputs=False).partial_fit(X, y)
    assert whole.weight_decay_ > chunk.weight_decay_ == every.weight_decay_
    assert chunk.shrinkage_ == 0


@pytest.mark.parametrize("continued", [False, True])
def test_smoothed_values_are_learned_where_shrinkage_follows_the_signal(rng, continued):
    X = rng.normal(size=(60, 5)).astype(np.float32)
    y = X[:, 0] + rng.normal(size=60)
    settings = dict(SMALL, scale_target=False, conditioning=None, weight_decay=0.1)
    model = SETRegressor(**settings, warm_start=continued).fit(X, y)
    samples = Samples(X, y[:, None].astype(np.float32), None)
    signal = Signal.of(samples)
    other = SETRegressor(**settings, warm_start=continued, shrinkage=signal.shrinkage)
    smoothed = signal.smoothed(samples)[:, 0]
    other.fit(X, smoothed)
    if continued:
        model.fit(X, y)
        other.fit(X, smoothed)
    assert signal.shrinkage == 0
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_copies_of_samples_learn_towards_the_same_values(rng, kind):
    X, y = kind(rng.normal(size=(30, 4))), rng.normal(size=(30, 1))
    samples = Samples(X, y, None)
    rows = rng.permutation(np.arange(90) % 30)
    expected = Signal.of(samples).smoothed(samples)[rows]
    repeated = Samples(X[rows], y[rows], None)
    signal = Signal.of(repeated)
    np.testing.assert_allclose(signal.smoothed(repeated), expected)
    copy = np.setdiff1d(np.arange(90), signal.rows)[0]
    repeated.target[copy] += 1  # half of it is noise
    expected[copy] += 0.5
    np.testing.assert_allclose(signal.smoothed(repeated), expected)


def test_a_weighted_sample_is_a_repeated_one_where_values_are_smoothed(rng):
    X, weight = rng.normal(size=(40, 5)), np.arange(40) % 3 + 1
    y = X[:, 0] + 0.3 * rng.normal(size=40)
    options = dict(SMALL, mixup=0, batch_size=80)
    weighted = SETRegressor(**options).fit(X, y, sample_weight=weight)
    repeated = SETRegressor(**options).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert weighted.shrinkage_ == 0  # predictions vary
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_values_are_learned_as_they_are_where_inputs_are_selected(rng, kind):
    X = kind(rng.normal(size=(60, 12)))
    y = X.sum(axis=1) + rng.normal(size=60)
    options = dict(SMALL, select_inputs=4, weight_decay=0.1)
    found = SETRegressor(**options).fit(X, y)
    given = SETRegressor(**options, shrinkage=found.shrinkage_).fit(X, y)
    assert found.n_iter_ > 3 and len(np.flatnonzero(found.feature_importances_)) == 4
    np.testing.assert_array_equal(found.predict(X), given.predict(X))


def test_columns_that_are_constant_but_for_rounding_tell_nothing(rng):
    X, y = 1 + 2.3e-16 * rng.integers(0, 2, size=(40, 6)), rng.normal(size=40)
    assert len(distinct_rows(X)) > 10
    conditioner = InputConditioner().fit(X, y)
    assert conditioner.method_ == "scale" and conditioner.errors_ == {}
    assert not conditioner.transform(X).any()
    np.testing.assert_allclose(SETRegressor(**SMALL).fit(X, y).predict(X), y.mean(), atol=0.3)
