"""What the words of a parameter's type allow."""

from numbers import Integral, Real

import numpy as np
import pytest
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)

import sklearn_set
from sklearn_set import rules
from sklearn_set._amounts import SCHEDULES
from sklearn_set._network import ACTIVATIONS
from sklearn_set._parameters import constraint_of


def described(constraints):
    """Constraints compare by identity: what they say."""
    return [vars(c) if isinstance(c, Interval | Options) else c for c in constraints]


@pytest.mark.parametrize(
    "kind, expected",
    [
        ('{"adam", "sgd"}', [StrOptions({"adam", "sgd"})]),
        ('"auto" or int >= 1', [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]),
        ("float > 0", [Interval(Real, 0, None, closed="neither")]),
        ("float >= 0 or None", [Interval(Real, 0, None, closed="left"), None]),
        ("float in [0, 1)", [Interval(Real, 0, 1, closed="left")]),
        ("float in (0, 1]", [Interval(Real, 0, 1, closed="right")]),
        ("float in [1, inf]", [Interval(Real, 1, None, closed="both")]),
        ("int", [Integral]),
        ("bool", ["boolean"]),
        ("False, callable, dict or list of dict", [Options(bool, {False}), callable, dict, list]),
        (
            "array-like of int or int >= 1",
            ["array-like", Interval(Integral, 1, None, closed="left")],
        ),
        ("int, RandomState instance or None", ["random_state"]),
    ],
)
def test_types_are_understood(kind, expected):
    assert described(constraint_of(kind)) == described(expected)


@pytest.mark.parametrize(
    "kind",
    [
        "strange",
        "int or strange",
        "int >= x",
        "float in [0, 1",
        "{auto}",
        "ints",
        "DropRule",
        "int bool",
    ],
)
def test_what_is_not_understood_is_refused(kind):
    with pytest.raises(ValueError, match="is not understood"):
        constraint_of(kind)


@pytest.mark.parametrize("kind, allowed, refused", [
    ("int >= 1", [1, np.int64(7)], [0, 1.0, "1", None]),
    ("float in [0, 1)", [0, 0.5], [1, -0.1, "0", np.nan]),
    ("float > 0", [1, 1e-9], [0, np.inf]),
    ("float in [1, inf]", [1, np.inf], [0.5]),
    ("bool", [True, np.bool_(0)], [None, "yes"]),
    ('False or "auto"', [False, "auto"], [True, "no"]),
    ("list of dict or None", [[{}], None], [(), {}]),
])  # fmt: skip
def test_values(kind, allowed, refused):
    constraints = {"x": constraint_of(kind)}
    for value in allowed:
        validate_parameter_constraints(constraints, {"x": value}, caller_name="Test")
    for value in refused:
        with pytest.raises(ValueError, match="parameter of Test"):
            validate_parameter_constraints(constraints, {"x": value}, caller_name="Test")


@pytest.mark.parametrize(
    "name, choices",
    [
        ("activation", ACTIVATIONS),
        ("zeta_schedule", SCHEDULES),
        ("drop", rules.DROPS),
        ("grow", rules.GROWS),
    ],
)
def test_choices_are_those_that_exist(name, choices):
    constraint, *_ = sklearn_set.SETClassifier._parameter_constraints[name]
    assert constraint.options == set(choices)
