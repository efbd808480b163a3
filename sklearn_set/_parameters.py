"""Estimators whose parameters are declared once.

Owns: how a declared parameter gets into `__init__`, into validation and into the
docstring, and what the words of its type allow. May not touch: what a parameter means.
"""

from __future__ import annotations

import inspect
import itertools
import re
import textwrap
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self, dataclass_transform

from ._hints import check_arguments, explains_arguments, hint_for
from ._sklearn_compat import Interval, Options, RealNotInt, StrOptions, TooltipsWithoutLink
from ._version import StampedEstimator

__all__ = ["Declared", "constraint_of", "parameter", "same_parameter"]

_places = itertools.count()

_NAMED = {
    "int, RandomState instance or None": "random_state",
    "array-like": "array-like",
    "bool": "boolean",
    "False": Options(bool, {False}),
    "callable": callable,
    "dict": dict,
    "list": list,
    "None": None,
}
_NAME = "|".join(re.escape(name) for name in _NAMED)
_RANGE = r"(?P<left>[\[(])(?P<low>\d+), (?P<high>\d+|inf)(?P<right>[\])])"
_ALTERNATIVE = re.compile(
    rf"""(?:(?P<choices>\{{"[^}}]+"\}}|"\w+")|(?P<name>{_NAME})(?: of \w+)?"""
    rf"""|(?P<number>int|float)(?: in {_RANGE})?)(?:, | or |$)"""
)
_CLOSED = {"[]": "both", "[)": "left", "(]": "right", "()": "neither"}


def constraint_of(kind: str) -> list:
    """What scikit-learn's validation is to allow, by the type of a numpydoc entry.

    >>> print(*constraint_of('int >= 1 or "auto"'), sep=", ")
    an int in the range [1, inf), a str among {'auto'}
    """
    real = RealNotInt if re.search(r"\bint\b", kind) else Real
    rest = re.sub(r" >= (\d+)", r" in [\1, inf)", kind)
    rest = re.sub(r" > (\d+)", r" in (\1, inf)", rest)
    found: list = []
    while rest:
        part = _ALTERNATIVE.match(rest)
        if part is None:
            raise ValueError(f"The type {kind!r} is not understood from {rest!r} on.")
        rest = rest[part.end() :]
        if part["choices"]:
            found.append(StrOptions(set(re.findall(r"\w+", part["choices"]))))
        elif part["name"]:
            found.append(_NAMED[part["name"]])
        else:
            number = {"int": Integral, "float": real}[part["number"]]
            if part["left"]:
                low, high = int(part["low"]), None if part["high"] == "inf" else int(part["high"])
                number = Interval(number, low, high, closed=_CLOSED[part["left"] + part["right"]])
            found.append(number)
    return found


@dataclass(frozen=True)
class _Parameter:
    kind: str
    text: str
    default: Any
    constraint: list
    kw_only: bool
    place: int

    def entry(self, name: str, default) -> str:
        """The parameter in a numpydoc section."""
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        text = textwrap.indent(self.text, "    ")
        return f"{name} : {self.kind}, default={shown}\n{text}\n"


def parameter(
    kind: str, text: str, *, default, constraint: list | None = None, kw_only: bool = True
) -> Any:
    """Declare a parameter of a `Declared` estimator, in the body of its class.

    Parameters
    ----------
    kind : str
        Its type as in numpydoc, such as "float in [0, 1) or None".
    text : str
        Its description.
    default : object
        Its default. A subclass gives another one by a plain class attribute.
    constraint : list, default=None
        What scikit-learn's validation allows, if `kind` is not enough for `constraint_of`.
    kw_only : bool, default=True
        False: it may be given by position, too.
    """
    allowed = constraint_of(kind) if constraint is None else constraint
    return _Parameter(kind, inspect.cleandoc(text), default, allowed, kw_only, next(_places))


def same_parameter(owner: type[Declared], name: str, *, default, kw_only: bool = True) -> Any:
    """Declare a parameter that means what it does in another class."""
    declared = owner._declared[name]
    return replace(declared, default=default, kw_only=kw_only, place=next(_places))


@dataclass_transform(
    kw_only_default=True, eq_default=False, field_specifiers=(parameter, same_parameter)
)
class Declared(TooltipsWithoutLink, StampedEstimator):
    """An estimator whose parameters are declared in the bodies of its class and bases.

    Every subclass without an `__init__` of its own gets one, with a real signature: the
    parameters in the order in which they were declared. Python's inheritance of class
    attributes decides about defaults. ``{parameters}``, ``{attributes}`` and
    ``{references}`` in the docstring become sections with their titles.

    Type checkers and editors know the signature, too (PEP 681). They take every annotation
    in the body of a subclass for a parameter: those of other attributes stand in classes
    besides, which are no `Declared` ones.
    """

    #: numpydoc entries of the attributes that this class adds.
    _attribute_texts: ClassVar[str] = """
        n_features_in_ : int
            Number of features seen while fitting.
        feature_names_in_ : ndarray of shape (`n_features_in_`,)
            Names of the features, if `X` had string names.
    """
    #: Sources for ``{references}``, [1] the first.
    _references: ClassVar[tuple[str, ...]] = ()
    _declared: ClassVar[dict[str, _Parameter]] = {}
    _parameter_constraints: ClassVar[dict] = {}

    def _check_parameters(self) -> None:
        """Check what the single constraints cannot: combinations and likely mistakes."""

    @explains_arguments
    def set_params(self, **params) -> Self:
        """Set parameters of this estimator, as in scikit-learn.

        Parameters
        ----------
        **params : dict
            Parameters by their names.

        Returns
        -------
        self : object
        """
        known = self.get_params(deep=False)
        for name in sorted(params.keys() - known.keys()):
            hint = hint_for(name, known)
            if hint:
                raise ValueError(f"Invalid parameter {name!r} for {type(self).__name__}{hint}.")
        return super().set_params(**params)

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and not name.startswith("_"):
                setattr(cls, name, explains_arguments(method))
        cls._declared = {k: v for k, v in vars(cls).items() if isinstance(v, _Parameter)}
        for name, declared in cls._declared.items():
            setattr(cls, name, declared.default)
        if getattr(cls.__init__, "_is_declared", cls.__init__ is object.__init__):
            parameters = _parameters_of(cls)
            setattr(cls, "__init__", _init_of(cls, parameters))  # noqa: B010
            own = vars(cls).get("_parameter_constraints", {})
            cls._parameter_constraints = {n: p.constraint for n, p in parameters.items()} | own
            _document(cls, parameters)


def _parameters_of(cls) -> dict[str, _Parameter]:
    """All parameters, those that may be given by position first."""
    found: dict[str, _Parameter] = {}
    for base in reversed(cls.__mro__):
        found |= vars(base).get("_declared", {})
    return dict(sorted(found.items(), key=lambda item: (item[1].kw_only, item[1].place)))


def _init_of(cls, parameters: dict[str, _Parameter]):
    """A constructor that stores its arguments."""
    defaults = {name: getattr(cls, name) for name in parameters}
    by_position = [name for name, declared in parameters.items() if not declared.kw_only]
    kind = inspect.Parameter
    given_how = {True: kind.KEYWORD_ONLY, False: kind.POSITIONAL_OR_KEYWORD}
    signature = inspect.Signature(
        [kind("self", kind.POSITIONAL_OR_KEYWORD)]
        + [
            kind(name, given_how[declared.kw_only], default=defaults[name])
            for name, declared in parameters.items()
        ]
    )

    def __init__(self, *args, **given):
        if args or not given.keys() <= defaults.keys():
            first = by_position[: len(args)]
            if len(first) < len(args) or not given.keys() <= defaults.keys() - set(first):
                check_arguments(signature, "", self, args, given)
            given |= zip(first, args)
        vars(self).update(defaults, **given)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    __init__.__module__ = cls.__module__
    __init__._is_declared = True  # type: ignore[attr-defined]
    return __init__


def _document(cls, parameters: dict[str, _Parameter]) -> None:
    doc = vars(cls).get("__doc__")
    if not doc or "{parameters}" not in doc:
        return
    entries = (p.entry(name, getattr(cls, name)) for name, p in parameters.items())
    attributes = (vars(base).get("_attribute_texts", "") for base in reversed(cls.__mro__))
    references = (
        textwrap.indent(f".. [{n}] {text}", "   ", lambda line: not line.startswith(".."))
        for n, text in enumerate(map(inspect.cleandoc, cls._references), 1)
    )
    sections = {
        "Parameters": "".join(entries).strip(),
        "Attributes": "\n".join(filter(None, map(inspect.cleandoc, attributes))),
        "References": "\n".join(references),
    }
    doc = inspect.cleandoc(doc)
    for title, text in sections.items():
        doc = doc.replace(f"{{{title.lower()}}}", f"{title}\n{'-' * len(title)}\n{text}")
    cls.__doc__ = doc
