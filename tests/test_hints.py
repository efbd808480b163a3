"""Keywords that do not exist say what is meant, and by the name that the user wrote."""

import inspect

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import sklearn_set
from sklearn_set import NPSETClassifier, SETBernoulliRBM, SETClassifier, SETRegressor
from sklearn_set._hints import _ELSEWHERE, hint_for

X, Y = np.eye(6), np.arange(6) % 2


@pytest.mark.parametrize(
    "name, meant",
    [
        ("alpha", "weight_decay"),
        ("beta_1", "adam_betas"),
        ("nesterovs_momentum", 'solver="nesterov"'),
        ("learning_rate", "learning_rate_init"),
        ("epochs", "max_iter"),
        ("max_iters", "did you mean max_iter?"),
    ],
)
def test_parameters_by_names_from_elsewhere(name, meant):
    with pytest.raises(
        TypeError, match=rf"^SETClassifier\(\) got an unexpected.*{name!r} \(.*"
    ) as e:
        SETClassifier(**{name: 1e-4})
    assert meant in str(e.value)
    with pytest.raises(ValueError, match=f"Invalid parameter {name!r} for SETR") as e:
        SETRegressor().set_params(**{name: 1e-4})
    assert meant in str(e.value)


def test_a_name_that_is_a_parameter_or_like_none_has_no_hint():
    assert NPSETClassifier(alpha=0.1).set_params(alpha=0.2).alpha == 0.2
    with pytest.raises(TypeError, match=r"argument 'eval_set'\.$"):
        SETBernoulliRBM(eval_set=None)
    with pytest.raises(TypeError, match=r"argument 'quux'\.$"):
        SETClassifier(quux=1)
    with pytest.raises(ValueError, match=r"Invalid parameter 'quux'.*Valid parameters are"):
        SETClassifier().set_params(quux=1)


def test_all_that_was_pasted_is_named_at_once():
    pasted = {"alpha": 1e-4, "learning_rate": "constant", "power_t": 0.5, "beta_1": 0.9, "quux": 1}
    with pytest.raises(TypeError, match="got unexpected keyword arguments 'alpha'") as error:
        SETClassifier(**pasted, max_iter=200)
    for name in pasted:
        assert repr(name) in str(error.value)
    assert str(error.value).count("(") == 1 + 4 + 1  # SETClassifier(), hints, beta_1's pair
    with pytest.raises(TypeError, match="set_callbacks"):
        SETClassifier(callbacks=[])


def test_a_search_says_it_too():
    search = GridSearchCV(SETClassifier(max_iter=1), {"alpha": [1e-4]}, cv=2)
    with pytest.raises(ValueError, match="weight_decay"):
        search.fit(X, Y)


@pytest.mark.parametrize(
    "given, meant",
    [
        ("eval_set", "X_val=…, y_val=…"),
        ("validation_data", "X_val=…, y_val=…"),
        ("callbacks", "set_callbacks"),
        ("max_iter", "a parameter of the constructor"),
        ("epochs", "the number of epochs is max_iter"),
        ("sample_weights", "did you mean sample_weight?"),
    ],
)
def test_arguments_of_fit_by_names_from_elsewhere(given, meant):
    model = SETClassifier(max_iter=1)
    with pytest.raises(TypeError, match=rf"^SETClassifier\.fit\(\).*{given!r}") as error:
        model.fit(X, Y, **{given: 1})
    assert meant in str(error.value)
    assert not hasattr(model, "n_features_in_")


def test_hints_name_parameters_that_exist():
    known = {
        name
        for each in sklearn_set.__all__
        for method in ("__init__", "fit")
        for name in inspect.signature(getattr(getattr(sklearn_set, each), method)).parameters
    }
    assert {meant for meant, _ in _ELSEWHERE.values()} <= known | {"set_callbacks"}
    assert hint_for("beta_1", ["beta"]) == " (did you mean beta?)"


@pytest.mark.parametrize("name", sorted(sklearn_set.__all__))
def test_no_error_about_arguments_names_a_private_class(name):
    """Of all methods but those of scikit-learn's mixins."""
    cls = getattr(sklearn_set, name)
    model, seen = cls(), 0
    for method, function in inspect.getmembers(cls, inspect.isfunction):
        if method.startswith("_") or not function.__module__.startswith("sklearn_set"):
            continue
        with pytest.raises(TypeError, match=rf"{name}\.{method}\(\) ") as error:
            getattr(model, method)(1, 2, 3, 4, 5, 6)
        assert "Base" not in str(error.value).replace(name, "") and " _" not in str(error.value)
        seen += 1
    assert seen >= 2
