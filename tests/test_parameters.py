"""Parameters that are declared once reach all places where scikit-learn looks for them."""

import inspect
import pickle
from numbers import Real

import numpy as np
import pytest
from helpers import SHORT, assert_same
from sklearn.base import clone
from sklearn.utils import estimator_html_repr

import sklearn_set
from sklearn_set import NPSETClassifier, SETClassifier, SETRegressor
from sklearn_set._parameters import Declared, parameter
from sklearn_set._sklearn_compat import Interval

PERCEPTRONS = [
    getattr(sklearn_set, name)
    for name in sklearn_set.__all__
    if name.endswith(("Classifier", "Regressor"))
]
QUICK = {**SHORT, "hidden_layer_sizes": (9,), "max_iter": 2}


class Inheriting(SETClassifier):
    """No constructor of its own."""


class Quick(SETClassifier):
    """Another default."""

    max_iter = 3
    zeta = 0.1


class Quicker(Quick):
    """The default of its base, and one more."""

    epsilon = 2


class Own(SETClassifier):
    """A constructor of its own, with a parameter more."""

    def __init__(self, hidden_layer_sizes=(9,), *, extra=3, max_iter=2, random_state=None):
        super().__init__(hidden_layer_sizes, max_iter=max_iter, random_state=random_state)
        self.extra = extra


class BelowOwn(Own):
    """Inherits that constructor."""


class Declaring(SETClassifier):
    """One parameter more.

    {parameters}
    """

    zeta = 0.2
    steepness: float = parameter("float in (0, 1)", "How steep it is.\nOn two lines.", default=0.5)


class BelowDeclaring(Declaring):
    """Another default for it.

    {parameters}
    """

    steepness = 0.25


# ------------------------------------------------------------------ where parameters are seen


@pytest.mark.parametrize("cls", PERCEPTRONS)
def test_parameters_reach_all_places(cls):
    signature = inspect.signature(cls)
    names = list(signature.parameters)
    assert names[:2] == ["hidden_layer_sizes", "activation"]
    assert list(inspect.signature(cls.__init__).parameters) == ["self", *names]
    assert cls.__init__.__qualname__ == f"{cls.__name__}.__init__"
    defaults = {name: p.default for name, p in signature.parameters.items()}
    model = cls()
    assert model.get_params() == defaults
    assert vars(model).keys() >= defaults.keys()
    assert repr(model) == f"{cls.__name__}()"
    assert set(cls._parameter_constraints) >= set(names)
    for name, default in defaults.items():
        assert getattr(cls, name) is default
        assert f"\n{name} : " in inspect.cleandoc(cls.__doc__)
    model = cls((7,), "tanh", epsilon=4)
    for copy in (clone(model), pickle.loads(pickle.dumps(model))):
        assert copy.get_params() == {
            **defaults, "hidden_layer_sizes": (7,), "activation": "tanh", "epsilon": 4,
        }  # fmt: skip
    page = estimator_html_repr(model)
    assert all(name in page for name in names)
    assert set(model.set_params(epsilon=5).get_params().items()) - set(defaults.items()) == {
        ("hidden_layer_sizes", (7,)),
        ("activation", "tanh"),
        ("epsilon", 5),
    }


def test_dask_tells_models_apart(few_digits):
    tokenize = pytest.importorskip("dask.base").tokenize
    X, y = few_digits
    assert tokenize(SETClassifier(**QUICK)) == tokenize(SETClassifier(**QUICK))
    assert tokenize(SETClassifier(**QUICK)) != tokenize(SETClassifier(**QUICK, zeta=0.1))
    assert tokenize(SETClassifier(**QUICK)) != tokenize(NPSETClassifier(**QUICK))
    one, other = (SETClassifier(**QUICK).fit(X[rows], y[rows]) for rows in (slice(200), slice(400)))
    assert tokenize(one) != tokenize(other) != tokenize(SETClassifier(**QUICK))


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        ((), {"zetta": 0.3}, "unexpected keyword argument 'zetta'"),
        (
            ((5,),),
            {"hidden_layer_sizes": (5,)},
            "multiple values for argument 'hidden_layer_sizes'",
        ),
        (((5,), "relu", 30), {}, "too many positional arguments"),
        (((5,), "relu", 30), {"zetta": 1}, "too many positional arguments"),
        (((5,), "relu"), {"activation": "tanh"}, "multiple values for argument 'activation'"),
    ],
)
@pytest.mark.parametrize("cls", [SETClassifier, SETRegressor, Inheriting, Declaring])
def test_arguments_that_python_would_refuse(cls, arguments, options, message):
    with pytest.raises(TypeError, match=message):
        cls(*arguments, **options)


def test_parameters_of_another_estimator_are_unknown():
    for cls, name in ((SETClassifier, "alpha"), (sklearn_set.DSRClassifier, "zeta")):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            cls(**{name: 0.1})
        with pytest.raises(ValueError, match=f"Invalid parameter '{name}'"):
            cls().set_params(**{name: 0.1})
    with pytest.raises(ValueError, match=r"'xyz' for estimator SETClassifier.*Valid parameters"):
        SETClassifier().set_params(xyz=1)


def test_type_checkers_see_parameters_only():
    """They take all that is annotated in a class for a parameter (PEP 681)."""

    def below(cls):
        return {cls}.union(*map(below, cls.__subclasses__()))

    public = {*PERCEPTRONS, sklearn_set.SETFeatureSelector, sklearn_set.StabilitySelector}
    classes = {c for c in below(Declared) - {Declared} if c.__module__.startswith("sklearn_set")}
    assert public <= classes
    for cls in classes:
        annotated = {n for n, kind in cls.__annotations__.items() if "ClassVar" not in kind}
        assert annotated <= cls._declared.keys(), cls
    assert Declared.__dataclass_transform__["kw_only_default"]


def test_type_checkers_know_the_attributes_of_fitted_estimators(few_digits):
    X, y = few_digits
    models = [
        SETClassifier(**QUICK, select_inputs=9).fit(X, y, X_val=X, y_val=y),
        SETRegressor(**QUICK).fit(X, y),
        sklearn_set.SETSurvivalAnalysis(**QUICK).fit(X, np.column_stack([y > 2, y + 1])),
    ]
    for model in models:
        bases = type(model).__mro__
        known = {name for base in bases for name in vars(base).get("__annotations__", {})}
        fitted = {name for name in vars(model) if name.endswith("_") and name[0] != "_"}
        assert fitted - known <= {"null_fraction_", "selection_errors_"}  # set in typed methods


# ------------------------------------------------------------------ subclasses of users


def test_a_subclass_without_a_constructor_inherits(few_digits):
    assert inspect.signature(Inheriting) == inspect.signature(SETClassifier)
    assert Inheriting.__init__.__qualname__ == "Inheriting.__init__"
    model = clone(Inheriting(**QUICK))
    assert type(model) is Inheriting
    assert_same(model.fit(*few_digits), SETClassifier(**QUICK).fit(*few_digits))


def test_a_default_is_overridden_by_a_class_attribute(few_digits):
    for cls, given in ((Quick, {}), (Quicker, {"epsilon": 2})):
        expected = {**SETClassifier().get_params(), "max_iter": 3, "zeta": 0.1, **given}
        assert cls().get_params() == expected
        assert list(inspect.signature(cls).parameters) == list(
            inspect.signature(SETClassifier).parameters
        )
        assert inspect.signature(cls).parameters["max_iter"].default == 3
        assert repr(cls()) == f"{cls.__name__}()" and repr(cls(max_iter=4)) == (
            f"{cls.__name__}(max_iter=4)"
        )
        assert clone(cls(zeta=0.2)).zeta == 0.2
    assert SETClassifier().max_iter == 120 and SETClassifier().zeta == 0.3
    settings = {name: value for name, value in QUICK.items() if name != "max_iter"}
    model = Quick(**settings).fit(*few_digits)
    assert_same(model, SETClassifier(**settings, max_iter=3, zeta=0.1).fit(*few_digits))
    with pytest.raises(ValueError, match="The 'zeta' parameter of Quick"):
        Quick(**{**QUICK, "zeta": 2}).fit(*few_digits)


def test_defaults_follow_the_order_of_inheritance():
    class Slow(SETClassifier):
        max_iter = 500

    class Both(Quick, Slow):
        pass

    class Mixed(NPSETClassifier, Slow):
        pass

    assert Both().max_iter == 3
    assert Mixed().max_iter == 500 and Mixed().select_inputs is False
    assert set(Mixed().get_params()) == set(NPSETClassifier().get_params())


@pytest.mark.parametrize("cls", [Own, BelowOwn])
def test_a_subclass_with_a_constructor_of_its_own(cls, few_digits):
    names = ["hidden_layer_sizes", "extra", "max_iter", "random_state"]
    assert list(inspect.signature(cls).parameters) == names
    model = cls(extra=5, random_state=0)
    assert model.get_params() == {
        "hidden_layer_sizes": (9,), "extra": 5, "max_iter": 2, "random_state": 0,
    }  # fmt: skip
    assert model.zeta == 0.3  # as SETClassifier
    for copy in (clone(model), pickle.loads(pickle.dumps(model))):
        assert type(copy) is cls and copy.get_params() == model.get_params()
    assert "extra" in estimator_html_repr(model)
    model.fit(*few_digits)
    plain = SETClassifier((9,), max_iter=2, random_state=0).fit(*few_digits)
    assert_same(model, plain)
    assert clone(model).set_params(extra=7).extra == 7
    with pytest.raises(ValueError, match=f"The 'max_iter' parameter of {cls.__name__}"):
        cls(max_iter=0).fit(*few_digits)
    with pytest.raises(TypeError, match="zeta"):
        cls(zeta=0.1)


@pytest.mark.parametrize("cls, default", [(Declaring, 0.5), (BelowDeclaring, 0.25)])
def test_a_parameter_more_is_declared_in_one_place(cls, default, few_digits):
    parameters = inspect.signature(cls).parameters
    assert list(parameters) == [*inspect.signature(SETClassifier).parameters, "steepness"]
    assert parameters["steepness"].default == default
    assert parameters["steepness"].kind is inspect.Parameter.KEYWORD_ONLY
    entry = (
        f"steepness : float in (0, 1), default={default}\n    How steep it is.\n    On two lines."
    )
    assert entry in cls.__doc__
    assert "zeta : float in [0, 1], default=0.2\n" in cls.__doc__
    assert "zeta : float in [0, 1], default=0.3\n" in SETClassifier.__doc__
    model = cls(**QUICK, steepness=0.75)
    assert model.get_params()["steepness"] == 0.75
    for copy in (clone(model), pickle.loads(pickle.dumps(model))):
        assert copy.steepness == 0.75
    assert "steepness=0.75" in repr(model) and "steepness" in estimator_html_repr(model)
    model.fit(*few_digits)
    with pytest.raises(ValueError, match=f"The 'steepness' parameter of {cls.__name__}"):
        model.set_params(steepness=1.0).fit(*few_digits)
    assert "steepness" not in SETClassifier().get_params()
    assert "steepness" not in SETClassifier._parameter_constraints


def test_constraints_of_a_class_join_those_that_are_declared():
    class Stricter(Declaring):
        _parameter_constraints = {"zeta": [Interval(Real, 0, 0.1, closed="both")]}

    assert Stricter._parameter_constraints["zeta"][0].right == 0.1
    assert "steepness" in Stricter._parameter_constraints
    with pytest.raises(ValueError, match="The 'zeta' parameter of Stricter"):
        Stricter(zeta=0.2).fit(np.eye(4), [0, 1, 0, 1])


def test_texts_of_a_declared_class():
    class Plain(Declared):
        """A class.

        {parameters}

        {references}
        """

        _references = ('Doe, J.,\n"A title".', "Roe, J.")
        name: str = parameter("str", "A name.", default="a", constraint=[str])
        size: float = parameter("float", "A size.", default=np.inf)

    assert inspect.cleandoc(Plain.__doc__) == (
        'A class.\n\nParameters\n----------\nname : str, default="a"\n    A name.\n'
        "size : float, default=inf\n    A size.\n\nReferences\n----------\n"
        '.. [1] Doe, J.,\n   "A title".\n.. [2] Roe, J.'
    )
    with pytest.raises(TypeError):
        Plain("b")  # none of them is one for a position
    assert Plain(name="b").size == np.inf
