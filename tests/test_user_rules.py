"""Rules of evolution that users write: in estimators, in searches, and what is wrong with them."""

import copy

import numpy as np
import pytest
from helpers import SHORT, assert_same, check, fitted, keys_of, used_network
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_set import DSRClassifier, NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set._evolution import Evolution
from sklearn_set.rules import (
    DropMagnitude,
    DropRule,
    DropSensitivity,
    GrowRandom,
    GrowSteepest,
    GrowthRule,
    Site,
)


class DropInTurns(DropRule):
    """Drops the weak and the strong in turns: what it has done so far decides."""

    def __init__(self, first="weak"):
        self.first = first
        self.n_rewirings_ = 0

    def scores(self, network, number):
        size = np.abs(network.layers[number].weights)
        weak = (self.n_rewirings_ % 2 == 0) == (self.first == "weak")
        return size if weak else size.max(initial=0) - size

    def after(self, n_dropped, n_connections, fraction):
        assert 0 <= n_dropped <= n_connections and 0 <= fraction <= 1
        self.n_rewirings_ += 1

    def columns(self):
        return {"n_rewirings": self.n_rewirings_}


class GrowInTurns(GrowthRule):
    """Grows at the first and at the last free places in turns, half of them at random."""

    def __init__(self):
        self.n_layers_ = 0

    def places(self, site):
        assert site.steepest is None
        assert site.layer is site.network.layers[site.number]
        self.n_layers_ += 1
        places = np.arange(site.layer.n_in * site.layer.n_out)
        free = places[site.free(places)]
        n_chosen = site.n_new // 2
        return free[:n_chosen] if self.n_layers_ % 2 else free[len(free) - n_chosen :]


MINE = {"drop": DropInTurns(), "grow": GrowInTurns()}


# ------------------------------------------------------------------ in estimators


@pytest.mark.parametrize("cls", [SETClassifier, SETRegressor, NPSETClassifier])
def test_rules_of_users_drive_a_fit(digits, cls):
    pruning = {"beta": 2, "gamma": 2} if cls is NPSETClassifier else {}
    model = fitted(cls, digits, **MINE, **pruning)
    assert model.history_["n_rewirings"] == [0, 1, 2, 3, 4, 5]
    assert all(n > 0 for n in model.history_["n_dropped"][1:])
    assert model.history_["n_dropped"] == model.history_["n_grown"]
    named = fitted(cls, digits, **pruning)
    assert any(
        a.nnz != b.nnz or (a.indices != b.indices).any() for a, b in zip(model.coefs_, named.coefs_)
    )
    assert_same(model, fitted(cls, digits, **MINE, **pruning, n_jobs=2))
    other = fitted(cls, digits, drop=DropInTurns("strong"), grow=GrowInTurns(), **pruning)
    assert (other.coefs_[0].data.tobytes()) != model.coefs_[0].data.tobytes()


def test_named_rules_and_their_instances_are_the_same(digits):
    named = fitted(SETClassifier, digits)
    assert_same(named, fitted(SETClassifier, digits, drop=DropMagnitude(), grow=GrowRandom()))
    named = fitted(SETClassifier, digits, drop="sensitivity", grow="gradient")
    rules = {"drop": DropSensitivity(), "grow": GrowSteepest()}
    assert_same(named, fitted(SETClassifier, digits, **rules))


def test_a_fit_leaves_the_instance_that_it_was_given(digits):
    X, y = digits
    before = {name: copy.deepcopy(vars(rule)) for name, rule in MINE.items()}
    model = SETClassifier(**SHORT, **MINE, max_iter=4, warm_start=True)
    for _ in range(2):
        model.fit(X[:240], y[:240])
    model.partial_fit(X[:240], y[:240])
    assert {name: vars(rule) for name, rule in MINE.items()} == before
    assert model.drop is MINE["drop"] and model.grow is MINE["grow"]


@pytest.mark.parametrize("how", ["warm_start", "partial_fit"])
def test_continued_fits_take_over_the_state_of_rules(digits, how):
    X, y = (part[:240] for part in digits)
    whole = SETClassifier(**SHORT, **MINE, max_iter=8).fit(X, y)
    assert whole.history_["n_rewirings"][-1] == 7
    if how == "warm_start":
        parts = SETClassifier(**SHORT, **MINE, max_iter=4, warm_start=True).fit(X, y).fit(X, y)
    else:
        parts = SETClassifier(**SHORT, **MINE)
        for _ in range(8):
            parts.partial_fit(X, y, classes=np.unique(y))
    assert parts.history_["n_rewirings"] == whole.history_["n_rewirings"]
    assert_same(whole, parts)
    # A fit that is none begins anew.
    again = SETClassifier(**SHORT, **MINE, max_iter=8).fit(X, y).fit(X, y)
    assert_same(whole, again)


def test_only_what_was_learned_is_taken_over_and_only_by_its_like(digits):
    X, y = (part[:240] for part in digits)
    model = SETClassifier(**SHORT, **MINE, max_iter=4, warm_start=True).fit(X, y)
    model.set_params(drop=DropInTurns("strong")).fit(X, y)
    assert model._learner.evolution.drop.first == "strong"
    assert model.history_["n_rewirings"] == list(range(8))
    model.set_params(drop="magnitude").fit(X, y)
    assert np.isnan(model.history_["n_rewirings"][8:]).all()
    model.set_params(drop=DropInTurns()).fit(X, y)
    assert model.history_["n_rewirings"][12:] == [1, 2, 3, 4]


def test_a_search_over_instances(digits):
    X, y = (part[:240] for part in digits)
    candidates = {"drop": ["magnitude", DropInTurns(), DropInTurns("strong")], "grow": ["random"]}
    candidates["grow"].append(GrowInTurns())
    search = GridSearchCV(SETClassifier(**SHORT, max_iter=3), candidates, cv=2)
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    assert [rule.n_rewirings_ for rule in candidates["drop"][1:]] == [0, 0]
    by_hand = clone(search.best_estimator_).fit(X, y)
    assert_same(search.best_estimator_, by_hand)
    assert search.best_estimator_.get_params()["drop"] == search.best_params_["drop"] or isinstance(
        search.best_params_["drop"], DropInTurns
    )


def test_what_rules_need_is_there(digits):
    class Needing(DropRule):
        needs = frozenset({"sensitivity"})

        def scores(self, network, number):
            assert (network.layers[number].sensitivity > 0).any()
            return network.layers[number].sensitivity

    class Steep(GrowthRule):
        needs = frozenset({"gradient"})

        def places(self, site):
            assert site.free(site.steepest).all() and len(site.steepest) <= site.n_new
            return site.steepest

    named = fitted(SETClassifier, digits, drop="sensitivity", grow="gradient")
    assert_same(named, fitted(SETClassifier, digits, drop=Needing(), grow=Steep()))
    assert Evolution(0.3, drop=Needing(), grow=Steep()).needs == {"sensitivity", "gradient"}
    assert Evolution(0.0, drop=Needing(), grow=Steep()).needs == set()


def test_scores_of_any_numbers(digits):
    class Whole(DropRule):
        def scores(self, network, number):
            return np.arange(network.layers[number].nnz)[::-1]  # of int, and not contiguous

    network = used_network([9, 14, 3], 0)
    keep = Whole().keep(network, 0, 0.29)
    nnz = network.layers[0].nnz
    np.testing.assert_array_equal(keep != 0, np.arange(nnz) < nnz - 29 * nnz // 100)
    assert_same(
        fitted(SETClassifier, digits, drop=Whole()), fitted(SETClassifier, digits, drop=Whole())
    )


# ------------------------------------------------------------------ growth


def test_missing_places_are_drawn_at_random():
    network = used_network([9, 14, 3], 0)
    layer = network.layers[0]
    keep = (np.arange(layer.nnz) % 3 > 0).astype(np.uint8)
    n_new = int((keep == 0).sum())
    rewiring = GrowInTurns().rewiring(Site(network, 0, keep, n_new, np.random.default_rng(0)))
    check(rewiring.after)
    assert rewiring.after.nnz == layer.nnz
    keys = keys_of(rewiring.after)
    np.testing.assert_array_equal(
        keys[rewiring.source >= 0], keys_of(layer.connectivity)[keep != 0]
    )
    free = np.setdiff1d(np.arange(9 * 14), keys[rewiring.source >= 0])
    new = keys[rewiring.source < 0]
    assert len(new) == n_new and np.isin(free[: n_new // 2], new).all()


def test_free_places_are_those_that_nobody_keeps():
    network = used_network([9, 14, 3], 0)
    layer = network.layers[0]
    keep = (np.arange(layer.nnz) % 3 > 0).astype(np.uint8)
    site = Site(network, 0, keep, 5, np.random.default_rng(0))
    taken = keys_of(layer.connectivity)[keep != 0]
    places = np.random.default_rng(1).permutation(9 * 14)
    np.testing.assert_array_equal(site.free(places), ~np.isin(places, taken))


# ------------------------------------------------------------------ what is wrong with a rule


class Dropping(DropRule):
    """Scores, or marks, whatever it is told."""

    def __init__(self, scores=None, keep=None):
        self.given_scores, self.given_keep = scores, keep

    def scores(self, network, number):
        return self.given_scores(network.layers[number])

    def keep(self, network, number, fraction):
        if self.given_keep is None:
            return super().keep(network, number, fraction)
        return self.given_keep(network.layers[number])


class Growing(GrowthRule):
    """Grows wherever it is told."""

    def __init__(self, places):
        self.given = places

    def places(self, site):
        return self.given(site)


def taken(site):
    return keys_of(site.layer.connectivity)[site.keep != 0]


WRONG = [
    (Dropping(lambda la: np.abs(la.weights)[1:]), r"Dropping .* shape \(\d+,\) for layer 0"),
    (Dropping(lambda la: np.abs(la.weights)[:, None]), r"Dropping .* shape \(\d+, 1\)"),
    (Dropping(lambda la: np.full(la.nnz, np.nan)), "Dropping"),
    (Dropping(lambda la: np.full(la.nnz, -1.0)), "Dropping"),
    (
        Dropping(keep=lambda la: np.ones(la.nnz + 1)),
        r"Dropping .* layer 0, which has \d+ connections",
    ),
    (
        Dropping(keep=lambda la: np.ones((1, la.nnz))),
        r"Dropping marked an array of shape \(1, \d+\)",
    ),
    (Dropping(keep=lambda la: True), r"Dropping marked an array of shape \(\)"),
    (Dropping(keep=lambda la: np.full(la.nnz, 256)), "Dropping"),  # 0 as one byte
    (
        Growing(lambda site: np.arange(site.n_new + 1)),
        r"Growing\.places gave \d+ places for layer 0, where \d+ connections are to grow",
    ),
    (Growing(lambda site: taken(site)[:1]), "Growing"),
    (Growing(lambda site: [site.layer.n_in * site.layer.n_out]), "Growing"),
    (Growing(lambda site: [-1]), "Growing"),
    (Growing(lambda site: [0.5]), "Growing"),
    (Growing(lambda site: np.repeat(np.flatnonzero(site.free(np.arange(99)))[:1], 2)), "Growing"),
]


@pytest.mark.parametrize("rule, message", WRONG)
def test_a_rule_that_is_wrong_is_named(few_digits, rule, message):
    X, y = few_digits
    name = "drop" if isinstance(rule, DropRule) else "grow"
    network = used_network([9, 14, 12, 3], 0)
    with pytest.raises(ValueError, match=message):
        Evolution(0.3, **{name: rule}).start_epoch(1, network, np.random.default_rng(0))
    model = SETClassifier(**SHORT, max_iter=3).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**{name: rule}).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


def test_rules_that_define_nothing(few_digits):
    with pytest.raises(NotImplementedError, match="DropRule must define scores or keep"):
        SETClassifier(**SHORT, max_iter=3, drop=DropRule()).fit(*few_digits)
    with pytest.raises(NotImplementedError, match="GrowthRule must define places"):
        SETClassifier(**SHORT, max_iter=3, grow=GrowthRule()).fit(*few_digits)


def test_classes_and_rules_of_the_other_kind_are_no_rules(few_digits):
    wrong = {"drop": [DropInTurns, GrowInTurns()], "grow": [GrowInTurns, DropInTurns()]}
    for name, value in [(name, value) for name, values in wrong.items() for value in values]:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of SETClassifier"):
            SETClassifier(**SHORT, **{name: value}).fit(*few_digits)
    with pytest.raises(TypeError, match="drop"):
        DSRClassifier(drop=DropInTurns())
