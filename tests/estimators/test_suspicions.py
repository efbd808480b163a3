"""What works, but looks like a mistake, is warned of."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import sklearn
from estimators.common import SMALL, X, Y
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_set import NPSETClassifier, SETBernoulliRBM, SETClassifier, SETRegressor, _reporting

FAR = 100 + 30 * X
UNSCALED = {**SMALL, "scale_target": False, "max_iter": 30}


@pytest.fixture
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def scaled(**options):
    return Pipeline([("scale", StandardScaler()), ("net", SETClassifier(**SMALL, **options))])


@pytest.mark.parametrize("as_sparse", [False, True])
def test_held_out_samples_that_skip_the_pipeline(as_sparse):
    model, far = scaled(), FAR
    if as_sparse:
        far = scipy.sparse.csr_array(FAR)
        model.set_params(scale__with_mean=False)
    with pytest.warns(
        UserWarning, match=r"not transformed as X was.*transform_input=\[\"X_val\"\]"
    ):
        model.fit(far, Y, net__X_val=far[:20], net__y_val=Y[:20])


def test_held_out_samples_whose_columns_are_large_and_small():
    """As many large columns as small ones are of another scale, too."""
    units = 10.0 ** np.linspace(-4, 4, X.shape[1])
    with pytest.warns(UserWarning, match="not transformed as X was"):
        scaled().fit(units * X, Y, net__X_val=units * X[:20], net__y_val=Y[:20])


def test_held_out_samples_that_are_transformed(no_warnings):
    with sklearn.config_context(enable_metadata_routing=True):
        net = SETClassifier(**SMALL).set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("net", net)]
        Pipeline(steps, transform_input=["X_val"]).fit(FAR, Y, X_val=FAR[:20], y_val=Y[:20])


def test_held_out_samples_of_the_same_kind(no_warnings):
    for rows in (slice(0, 1), slice(3, 5), slice(20, 60)):
        SETClassifier(**SMALL | {"random_state": 1}).fit(FAR, Y, X_val=FAR[rows], y_val=Y[rows])
        by_class = np.argsort(Y)  # all of one class, and other samples
        SETClassifier(**SMALL).fit(X, Y, X_val=X[by_class][rows], y_val=Y[by_class][rows])
    constant = np.ones((60, 3))
    SETClassifier(**SMALL).fit(constant, Y, X_val=1 + constant, y_val=Y)


def test_held_out_words_are_rare(no_warnings):
    """And heavy tails are no other scale."""
    rng = np.random.default_rng(0)
    words = scipy.sparse.random_array((400, 2000), density=0.003, format="csr", rng=rng)
    tails = np.exp(2 * rng.normal(size=(400, 30)))
    for data in (words, words.toarray(), tails):
        for n in (10, 40, 200):
            y = rng.integers(0, 2, 400)
            SETClassifier(**{**SMALL, "max_iter": 1}).fit(
                data[n:], y[n:], X_val=data[:n], y_val=y[:n]
            )


@pytest.mark.parametrize("target", [1e100 * X[:, 0], 1e4 + X[:, 0], 1e-9 * X[:, 0]])
def test_a_target_that_is_not_scaled(target):
    with pytest.warns(ConvergenceWarning, match=r"learned nothing: the loss.*scale_target=True"):
        SETRegressor(**UNSCALED).fit(X, target)


def test_a_target_that_is_neither_scaled_nor_learned_as_it_is():
    """The loss and the constant prediction's are those of the same smoothed values."""
    target = 1e3 * (X[:, 0] + 2 * np.random.default_rng(0).normal(size=60))
    with pytest.warns(ConvergenceWarning, match=r"learned nothing: .*scale_target=True"):
        SETRegressor(**{**UNSCALED, "shrinkage": "auto", "max_iter": 3}).fit(X, target)


def test_a_loss_that_is_absurd_without_being_infinite():
    wild = {**SMALL, "learning_rate_init": 1.0, "weight_decay": 0}
    with pytest.warns(
        ConvergenceWarning, match=r"learned nothing.*Lower learning_rate_init \(now 1\)"
    ):
        SETClassifier(**wild).fit(1000 * X, Y)


def test_losses_that_are_none(no_warnings):
    noise = np.random.default_rng(0).normal(size=60)
    for target in (X[:, 0], noise, 50 * noise, np.ones(60)):
        SETRegressor(**UNSCALED).fit(X, target)
    SETRegressor(max_iter=1, random_state=0).fit(X, 1e4 + noise)
    SETRegressor(max_iter=1, loss="poisson", random_state=0).fit(X, np.exp(9 + noise))
    SETClassifier(max_iter=1, random_state=0).fit(X, np.arange(60) == 3)


def test_inputs_that_are_not_scaled_are_named():
    wild = {**SMALL, "learning_rate_init": 1.0, "weight_decay": 0}
    with pytest.warns(ConvergenceWarning, match=r"The inputs look unscaled: feature number \d"):
        SETClassifier(**wild).fit(1000 * X, Y)


def test_inputs_look_unscaled_from_a_hundred_on():
    samples = np.array([[1.0, 100.0], [0.5, -3.0]])
    hint = _reporting.unscaled_hint(samples, None)
    assert "feature number 1 has absolute values up to 100, half of the features" in hint
    assert _reporting.unscaled_hint(0.999 * samples, None) == ""


def test_values_that_a_machine_cannot_have(no_warnings):
    inside = np.clip(X, 0, 1)
    SETBernoulliRBM(4, n_iter=1).fit(inside)
    SETBernoulliRBM(4, n_iter=1).fit(scipy.sparse.csr_array(inside))
    with pytest.warns(UserWarning, match=r"values from -.* to .*MinMaxScaler"):
        SETBernoulliRBM(4, n_iter=1).fit(X)


def test_an_alpha_that_prunes_nobody_waits_for_nobody():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NPSETClassifier(**SMALL, alpha=1e-4).fit(X, Y)  # 8 epochs, and beta + gamma are 50
    assert [warning.category for warning in caught] == [UserWarning]


def test_a_held_out_score_that_is_no_number():
    model = SETClassifier(**SMALL, early_stopping=True, scoring="roc_auc")
    two = Y > 0
    with pytest.warns(UserWarning, match=r"score on the held-out samples is not a number"):
        model.fit(X, two, X_val=X[two][:5], y_val=two[two][:5])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, two, X_val=X, y_val=two)
        SETClassifier(**SMALL, warm_start=True).fit(X, two).fit(X, two, X_val=X, y_val=two)
