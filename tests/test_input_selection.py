"""The selection of inputs, and when it is done."""

import pickle

import numpy as np
import pytest
from helpers import assert_same
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_classification, make_friedman1, make_regression

from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor
from sklearn_set._pruning import InputSelection
from sklearn_set._relevance import null_fraction

SMALL = {
    "hidden_layer_sizes": (30, 20), "epsilon": 8, "max_iter": 12, "conditioning": None,
    "weight_decay": 0.02, "shrinkage": 0,
    "random_state": 0,
}  # fmt: skip
INPUTS = {"select_inputs": 20}


def mostly_noise():
    """Two of 100 features decide."""
    X = np.random.default_rng(0).normal(size=(200, 100))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def one_step(n_inputs, epoch, last_epoch=8):
    """How many inputs stay at a removal, of 60 on their way to 20."""
    return round(n_inputs * (20 / n_inputs) ** (1 / (last_epoch + 1 - epoch)))


def test_selected_inputs_take_over_the_connections_of_the_others(samples):
    X, y = samples
    model = SETClassifier(**SMALL, **INPUTS).fit(X, y)
    assert model.null_fraction_ is None
    selected = model.selected_features_
    assert len(selected) == 20 and (np.diff(selected) > 0).all()
    first = model.coefs_[0]
    assert first.shape == (60, 30) and model.n_features_in_ == 60
    used = np.flatnonzero(np.diff(first.tocsr().indptr))
    assert np.isin(used, selected).all()
    assert_array_equal(model.feature_importances_[np.setdiff1d(np.arange(60), selected)], 0)
    assert model.feature_importances_.sum() == pytest.approx(1)
    connections = model.history_["n_connections_0"]
    assert connections[-1] == min(connections[0], 20 * 30)
    n_left, n_pruned = 60, [0]
    for epoch in range(1, 9):
        n_pruned.append(n_left - one_step(n_left, epoch))
        n_left -= n_pruned[-1]
    assert n_left == 20 and min(n_pruned[1:]) > 0
    assert model.history_["n_pruned"] == n_pruned + [0] * 3


@pytest.mark.parametrize(
    "n_epochs, start, last", [(1, 1, 1), (2, 1, 1), (12, 1, 8), (120, 10, 80), (200, 16, 133)]
)
def test_when_inputs_leave(n_epochs, start, last):
    selection = InputSelection.over(7, n_epochs)
    assert (selection.n_selected, selection.start, selection.last_epoch) == (7, start, last)


@pytest.mark.parametrize("cls", [SETClassifier, NPSETClassifier, SETRegressor, NPSETRegressor])
@pytest.mark.parametrize(
    "wanted, n_selected", [(1, 1), (60, 60), (1e-6, 1), (0.29, 17), (0.999, 59), (np.int64(7), 7)]
)
def test_as_many_inputs_stay_as_were_asked_for(samples, cls, wanted, n_selected):
    X, y = samples
    pruning = {"beta": 1, "gamma": 1} if issubclass(cls, NPSETClassifier | NPSETRegressor) else {}
    model = cls(**SMALL, **pruning, select_inputs=wanted).fit(X, y)
    assert len(model.selected_features_) == n_selected


def test_a_share_is_the_decimal_that_was_written():
    X, y = make_classification(60, 100, random_state=0)
    model = SETClassifier(**SMALL, select_inputs=0.29).fit(X, y)
    assert len(model.selected_features_) == 29  # int(0.29 * 100) is 28


def test_more_inputs_than_there_are(samples):
    with pytest.raises(ValueError, match="select_inputs=61 is more than the 60 features of X"):
        SETClassifier(**SMALL, select_inputs=61).fit(*samples)


def test_prediction_is_the_forward_pass_over_coefs(samples):
    X, y = samples
    model = SETClassifier(**SMALL, **INPUTS).fit(X, y)
    raw = X
    for number, (coef, bias) in enumerate(zip(model.coefs_, model.intercepts_)):
        raw = raw @ coef + bias
        if number < 2:
            raw = np.maximum(raw, 0)
    assert_allclose(model.decision_function(X), raw, rtol=1e-8, atol=1e-10)


def test_input_selection_on_sparse_samples(samples):
    X, y = samples
    X = X * (np.abs(X) > 0.5)
    dense = SETClassifier(**SMALL, **INPUTS).fit(X, y)
    csr = SETClassifier(**SMALL, **INPUTS).fit(sparse.csr_array(X), y)
    assert_array_equal(dense.selected_features_, csr.selected_features_)
    assert_allclose(dense.predict_proba(X), csr.predict_proba(sparse.csr_array(X)), rtol=1e-5)


@pytest.mark.parametrize("zeta", [0.0, 0.3])
def test_input_selection_finds_the_informative_features(zeta):
    X, y = make_friedman1(300, 100, noise=0.1, random_state=0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = SETRegressor(zeta=zeta, random_state=0, max_iter=120, hidden_layer_sizes=100)
    kept = model.fit(X.astype(np.float32), y).selected_features_
    assert len(kept) < 30 and np.isin([0, 1, 3, 4], kept).all()


def test_input_selection_survives_pickle_partial_fit_and_warm_start(samples):
    X, y = samples
    model = SETClassifier(**SMALL, **INPUTS, warm_start=True).fit(X, y)
    selected = model.selected_features_
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert_array_equal(model.fit(X, y).selected_features_, selected)
    model.partial_fit(X, y)
    assert_array_equal(model.selected_features_, selected)


def test_same_bits_with_any_number_of_threads(samples):
    X, y = samples
    one = SETClassifier(**SMALL, **INPUTS, n_jobs=1).fit(X, y)
    two = SETClassifier(**SMALL, **INPUTS, n_jobs=2).fit(X, y)
    assert_same(one, two)


def test_early_stopping_restores_the_inputs_too(samples):
    X, y = samples
    parameters = {**SMALL, **INPUTS, "early_stopping": True}
    model = SETClassifier(**parameters).fit(X, y)
    assert model.coefs_[0].shape == (60, 30)
    assert len(model.selected_features_) == 20


def test_inputs_leave_by_their_strength_summed_over_the_epochs(samples):
    X, y = samples
    seen = []

    class Spy(SETClassifier):
        def _end_epoch(self, learner, *args):
            first = learner.network.layers[0]
            strength = np.zeros(60)
            read = learner.network.features
            read = np.arange(60) if read is None else read
            strength[read] = first.connectivity.out_strength(first.weights)
            seen.append((read, strength))
            return super()._end_epoch(learner, *args)

    Spy(**{**SMALL, **INPUTS, "averaging": 0}).fit(X, y)
    for epoch in range(1, 12):
        before, after = seen[epoch - 1][0], seen[epoch][0]
        total = np.sum([strength for _, strength in seen[:epoch]], axis=0)
        n_left = one_step(len(before), epoch) if epoch <= 8 else len(before)
        assert_array_equal(after, np.sort(before[np.argsort(total[before])][-n_left:]))


def test_l2_gives_way_to_decay_by_epoch_after_the_last_removal():
    noisy = mostly_noise()
    settings = {**SMALL, "max_iter": 20, "averaging": 0}
    model = SETClassifier(**settings).fit(*noisy)
    assert 0 < len(model.selected_features_) < 50
    by_hand = SETClassifier(**settings, decay_rule="l2")
    for epoch in range(20):
        if epoch == 13:  # two thirds of 20 epochs
            by_hand.set_params(decay_rule="per_epoch")
        by_hand.partial_fit(*noisy, classes=[0, 1])
    assert_same(model, by_hand)


def test_without_a_selection_the_decay_is_the_one_that_was_asked_for():
    """On a table of mostly noise too: ``select_inputs=False`` is SET, bit for bit."""
    noisy = mostly_noise()
    settings = {**SMALL, "max_iter": 20}
    assert null_fraction(*noisy, None) > 0.8
    plain = SETClassifier(**settings, select_inputs=False).fit(*noisy)
    assert plain.null_fraction_ is None and len(plain.selected_features_) == 100
    assert_same(plain, NPSETClassifier(**settings, alpha=0).fit(*noisy))
    # Where no features predict better than all of them, "auto" is off.
    hopeless = noisy[0], np.random.default_rng(0).permutation(noisy[1])
    auto, off = (SETClassifier(**settings, select_inputs=s).fit(*hopeless) for s in ("auto", False))
    assert auto.null_fraction_ > 0.8 and len(auto.selection_errors_) > 1
    assert off.null_fraction_ is None and off.selection_errors_ == {}
    assert_same(auto, off)
    # All three rules of decay are different ones.
    others = [
        SETClassifier(**settings, select_inputs=False, decay_rule=rule).fit(*noisy)
        for rule in ("per_epoch", "l2", "per_step")
    ]
    assert_same(plain, others[0])
    assert len({model.loss_ for model in others}) == 3


def test_the_tests_of_features_do_not_see_what_early_stopping_holds_out(monkeypatch):
    X, y = make_classification(250, 40, random_state=0)
    seen = []

    def spy(X, target, weight=None):
        seen.append(X)
        return null_fraction(X, target, weight)

    monkeypatch.setattr("sklearn_set._multilayer_perceptron.null_fraction", spy)
    SETClassifier(**SMALL, early_stopping=True, validation_fraction=0.2).fit(X, y)
    SETClassifier(**SMALL, early_stopping=True).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert [len(rows) for rows in seen] == [200, 200]


def test_as_many_inputs_stay_as_predict_best_out_of_sample():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    X = rng.normal(size=(300, 1000))
    X[:, :160] += 0.5 * y[:, None]
    model = SETClassifier(**SMALL).fit(X, y)
    assert model.null_fraction_ > 0.8
    errors = dict(model.selection_errors_)
    everything = errors.pop("all")
    best = min(errors, key=errors.get)
    assert len(model.selected_features_) == best and errors[best] <= 0.95 * everything
    named = SETClassifier(**SMALL, select_inputs=4).fit(X, y)
    assert len(named.selected_features_) == 4
    assert named.null_fraction_ is None and set(named.selection_errors_) == {"all", 4}


@pytest.mark.parametrize("estimator", [SETClassifier, SETRegressor])
def test_the_number_that_auto_would_choose_gives_the_same_network(estimator):
    X, y = make_regression(150, 600, n_informative=8, noise=5.0, random_state=0)
    y = y if estimator is SETRegressor else y > 0
    auto = estimator(**SMALL).fit(X, y)
    number = len(auto.selected_features_)
    assert number < 300
    assert_same(auto, estimator(**SMALL, select_inputs=number).fit(X, y))


def test_inputs_are_selected_only_where_most_are_noise():
    noisy = mostly_noise()
    full = make_classification(200, 30, n_informative=20, n_redundant=10, random_state=0)
    settings = {**SMALL, "max_iter": 30}
    selecting = SETClassifier(**settings).fit(*noisy)
    assert selecting.null_fraction_ > 0.8 and len(selecting.selected_features_) < 50
    plain = SETClassifier(**settings).fit(*full)
    assert plain.null_fraction_ < 0.5 and len(plain.selected_features_) == 30
    assert plain.selection_errors_ == {}
    assert_same(plain, SETClassifier(**settings, select_inputs=False).fit(*full))
    regressor = SETRegressor(**settings).fit(noisy[0], noisy[0][:, 0])
    assert len(regressor.selected_features_) < 50
    csr = SETClassifier(**settings).fit(sparse.csr_array(noisy[0]), noisy[1])
    assert csr.null_fraction_ is None and len(csr.selected_features_) == 100


def test_what_was_found_on_the_first_samples_holds_for_those_that_follow():
    noisy = mostly_noise()
    full = make_classification(200, 100, n_informative=60, n_redundant=40, random_state=0)
    settings = {**SMALL, "max_iter": 30}
    stream = SETClassifier(**settings).partial_fit(*noisy, classes=[0, 1])
    found = stream.null_fraction_
    for _ in range(4):
        stream.partial_fit(*full)
    assert stream.null_fraction_ == found > 0.8 and len(stream.selected_features_) < 100
    # And the other way round.
    stream = SETClassifier(**settings).partial_fit(*full, classes=[0, 1])
    found = stream.null_fraction_
    for _ in range(4):
        stream.partial_fit(*noisy)
    assert stream.null_fraction_ == found < 0.8 and len(stream.selected_features_) == 100


def test_named_methods_are_special_cases(samples):
    plain = SETClassifier(**SMALL, select_inputs=False).fit(*samples)
    assert_same(plain, NPSETClassifier(**SMALL, alpha=0).fit(*samples))
    selecting = SETClassifier(**SMALL, select_inputs=20).fit(*samples)
    assert_same(selecting, NPSETClassifier(**SMALL, alpha=0, select_inputs=20).fit(*samples))
    pruning = {"alpha": 0.1, "beta": 2, "gamma": 4}
    pruned = NPSETClassifier(**SMALL, **pruning).fit(*samples)
    assert_same(pruned, NPSETClassifier(**SMALL, **pruning, select_inputs=False).fit(*samples))
    auto = SETClassifier(**SMALL).fit(*samples)
    assert_same(auto, NPSETClassifier(**SMALL, alpha=0, select_inputs="auto").fit(*samples))


@pytest.mark.parametrize("budget", ["shrink", "keep"])
def test_inputs_and_neurons_leave_together(samples, budget):
    pruning = {"alpha": 0.1, "beta": 2, "gamma": 4, "budget": budget}
    model = NPSETClassifier(**SMALL, **pruning, select_inputs=20).fit(*samples)
    assert len(model.selected_features_) == 20
    assert model.hidden_layer_sizes_ == (19, 14)
    alone = NPSETClassifier(**SMALL, **pruning).fit(*samples)
    assert alone.hidden_layer_sizes_ == (19, 14)
    connections = [m.history_["n_connections_0"] for m in (model, alone)]
    if budget == "keep":
        assert connections[0][-1] == min(connections[0][0], 20 * 19)
    else:
        # The inputs that leave cost no connections, the neurons do.
        assert connections[0][:2] == connections[1][:2]
        assert connections[0][-1] < connections[0][1]


@pytest.mark.parametrize("layers", [("output",), (2,), (-1,), ("input", -2)])
def test_unknown_layers_are_refused(samples, layers):
    with pytest.raises(ValueError, match="prune_layers="):
        NPSETClassifier(**SMALL, prune_layers=layers).fit(*samples)


def test_npset_prunes_inputs_by_their_own_parameter(samples):
    with pytest.raises(ValueError, match=r"no hidden layer.* For inputs see select_inputs"):
        NPSETClassifier(**SMALL, prune_layers=("input",)).fit(*samples)
