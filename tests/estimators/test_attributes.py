"""What a fitted estimator says of itself."""

import numpy as np
import pytest
from estimators.common import ALL, BOTH, PRUNING, SMALL, X, Y, assert_consistent
from sklearn.exceptions import NotFittedError

from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@ALL
@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_attributes(cls, held_out, early_stopping):
    settings = PRUNING if cls.__name__.startswith("NP") else SMALL
    model = cls(**settings, early_stopping=early_stopping)
    given = {"X_val": X[:20], "y_val": Y[:20]} if held_out else {}
    assert model.fit(X, Y, **given) is model
    assert_consistent(model)
    assert model.n_features_in_ == 7 and model.n_iter_ == 8
    history = model.history_
    names = {"loss", "n_connections", "n_dropped", "n_grown", "n_survived", "n_pruned", "time"}
    names |= {"n_connections_0", "n_connections_1", "n_connections_2"}
    names |= {"hidden_layer_size_0", "hidden_layer_size_1"}
    validated = held_out or early_stopping
    if validated:
        names |= {"training_loss", "validation_loss", "validation_score"}
        assert model.validation_scores_ == history["validation_score"]
        assert model.validation_loss_curve_ == history["validation_loss"]
    else:
        assert model.validation_scores_ is model.validation_loss_curve_ is None
    assert set(history) == names
    for i in range(8):
        assert history["n_connections"][i] == sum(
            history[f"n_connections_{k}"][i] for k in (0, 1, 2)
        )
    assert all(t > 0 for t in history["time"]) and sum(history["time"]) < 60
    assert history["n_dropped"][0] == 0 and min(history["n_dropped"][1:]) > 0
    assert history["n_connections"][-1] == model.n_connections_
    assert (history["hidden_layer_size_0"][-1],) == model.hidden_layer_sizes_[:1]
    n_train = 54 if early_stopping and not held_out else 60
    assert model.t_ == 8 * n_train
    if early_stopping:
        last = 4 if cls.__name__.startswith("NP") else 0
        assert model.best_loss_ is None
        assert model.best_validation_score_ == max(model.validation_scores_[last:])
    else:
        assert model.best_validation_score_ is None
        assert model.best_loss_ == min(model.loss_curve_)
    if cls in (SETClassifier, NPSETClassifier):
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])
        assert (model.n_outputs_, model.out_activation_) == (3, "softmax")
    else:
        assert not hasattr(model, "classes_")
        assert (model.n_outputs_, model.out_activation_) == (1, "identity")
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize(
    "cls, y, loss, n_outputs, activation",
    [
        (SETClassifier, Y == 1, "log_loss", 1, "logistic"),
        (SETClassifier, Y == 1, "squared_error", 2, "logistic"),
        (SETClassifier, Y, "squared_error", 3, "logistic"),
        (SETClassifier, np.eye(3, dtype=int)[Y], "log_loss", 3, "logistic"),
        (SETClassifier, np.eye(3, dtype=int)[Y], "squared_error", 3, "logistic"),
        (SETRegressor, Y + 1.0, "poisson", 1, "exp"),
        (SETRegressor, np.eye(3)[Y], "huber", 3, "identity"),
    ],
)
def test_outputs(cls, y, loss, n_outputs, activation):
    model = cls(**SMALL, loss=loss)
    if cls is SETRegressor:
        model.set_params(scale_target=False)
    model.fit(X, y)
    assert_consistent(model)
    assert (model.n_outputs_, model.out_activation_) == (n_outputs, activation)
    raw = model._raw_predict(X)
    assert raw.shape == (60, n_outputs)
    if cls is SETRegressor:
        outputs = np.exp(raw) if loss == "poisson" else raw
        np.testing.assert_allclose(model.predict(X), outputs[:, 0] if n_outputs == 1 else outputs)
        return
    p, decision = model.predict_proba(X), model.decision_function(X)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p))
    assert (p >= 0).all() and (p <= 1).all()
    if y.ndim == 2:
        np.testing.assert_allclose(p, 1 / (1 + np.exp(-raw)), rtol=1e-6)
        np.testing.assert_array_equal(decision, raw)
        np.testing.assert_array_equal(model.predict(X), (p > 0.5).astype(int))
        assert model.score(X, y) == (model.predict(X) == y).all(axis=1).mean()
        return
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    assert model.score(X, y) == (model.predict(X) == y).mean()
    if len(model.classes_) == 2:
        assert decision.shape == (60,)
        np.testing.assert_array_equal(model.predict(X), model.classes_[(decision > 0).astype(int)])
        order = np.argsort(decision)
        assert (np.diff(p[order, 1]) >= -1e-12).all()
    else:
        np.testing.assert_array_equal(decision, raw)


@BOTH
def test_attributes_before_fit(cls):
    model = cls()
    names = "coefs_ intercepts_ hidden_layer_sizes_ n_connections_ density_ "
    names += "feature_importances_ history_ n_iter_ loss_"
    for name in names.split():
        assert not hasattr(model, name)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_coefs_share_the_models_memory():
    model = SETClassifier(**SMALL).fit(X, Y)
    assert np.shares_memory(model.coefs_[1].data, model.coefs_[1].data)
    before = model.decision_function(X)
    model.coefs_[-1].data[:] *= 2
    model.intercepts_[-1][:] *= 2
    np.testing.assert_allclose(model.decision_function(X), 2 * before)


def test_the_network_is_what_the_attributes_say():
    model = NPSETClassifier(**PRUNING, activation="tanh").fit(X, Y)
    a = X
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1]):
        a = np.tanh(a @ coef + intercept)
    np.testing.assert_allclose(
        a @ model.coefs_[-1] + model.intercepts_[-1], model.decision_function(X), atol=1e-12
    )


def test_feature_importances_find_the_informative_features():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(300, 50))
    target = (data[:, 3] + data[:, 17] > 0).astype(int)
    model = SETClassifier((50, 50), epsilon=5, max_iter=60, random_state=0).fit(data, target)
    assert set(np.argsort(model.feature_importances_)[-2:]) == {3, 17}
    assert model.feature_importances_.sum() == pytest.approx(1)
