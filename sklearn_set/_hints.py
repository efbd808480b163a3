"""What a keyword that does not exist is called here, and text where numbers are needed.

Owns: hints for names of other packages and for misspelled ones; finding text. May not touch:
parameters, data.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection
from difflib import get_close_matches

import numpy as np

__all__ = ["check_arguments", "explains_arguments", "hint_for", "text_in"]

_HELD_OUT = ("X_val", "give held-out samples as X_val=…, y_val=…")
#: A name elsewhere: the name here, and what to do.
_ELSEWHERE = {
    "alpha": (
        "weight_decay",
        "an L2 penalty is weight_decay here; alpha is NPSET's share of pruning",
    ),
    "beta_1": ("adam_betas", "Adam's decays are adam_betas=(beta_1, beta_2)"),
    "beta_2": ("adam_betas", "Adam's decays are adam_betas=(beta_1, beta_2)"),
    "nesterovs_momentum": ("solver", 'Nesterov\'s momentum is solver="nesterov"'),
    "learning_rate": (
        "learning_rate_init",
        "the learning rate is constant: give its value as learning_rate_init",
    ),
    "power_t": ("learning_rate_init", "leave it out: the learning rate is constant"),
    "max_fun": ("solver", "leave it out: there is no L-BFGS"),
    "lr": ("learning_rate_init", "the learning rate is learning_rate_init"),
    "epochs": ("max_iter", "the number of epochs is max_iter"),
    "n_epochs": ("max_iter", "the number of epochs is max_iter"),
    "density": ("epsilon", "the density follows from epsilon"),
    "sparsity": ("epsilon", "the density follows from epsilon"),
    "early_stopping_rounds": ("n_iter_no_change", "set early_stopping=True, n_iter_no_change=…"),
    "seed": ("random_state", "the seed is random_state"),
    "eval_set": _HELD_OUT,
    "validation_data": _HELD_OUT,
    "X_valid": _HELD_OUT,
    "y_valid": _HELD_OUT,
    "callbacks": ("set_callbacks", "callbacks are given to set_callbacks"),
}


def hint_for(name: str, known: Collection[str]) -> str:
    """A hint at the known name that is meant by an unknown one: " (…)", or ""."""
    meant, hint = _ELSEWHERE.get(name, ("", ""))
    if meant not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else ""
    return f" ({hint})" if hint else ""


def check_arguments(signature: inspect.Signature, method: str, self, args, given) -> None:
    """Refuse arguments as Python does, but by the name of the user's class and with hints."""
    try:
        signature.bind(self, *args, **given)
    except TypeError as error:
        known = [*signature.parameters, "set_callbacks"]
        constructor = self.get_params(deep=False) if method else {}
        hints = {
            name: hint_for(name, known) or hint_for(name, constructor)
            for name in given
            if name not in signature.parameters
        }
        for name in hints.keys() & constructor:
            hints[name] = " (it is a parameter of the constructor)"
        message = str(error)
        if "unexpected" in message:
            kind = "unexpected keyword arguments"
            if len(hints) == 1:
                kind = "an unexpected keyword argument"
            named = ", ".join(f"{name!r}{hint}" for name, hint in hints.items())
            message = f"got {kind} {named}"
        raise TypeError(f"{type(self).__name__}{method}() {message}.") from None


def explains_arguments(method):
    """Decorate a method so that `check_arguments` checks its arguments."""
    signature = inspect.signature(method)

    @functools.wraps(method)
    def wrapper(self, *args, **given):
        check_arguments(signature, f".{method.__name__}", self, args, given)
        return method(self, *args, **given)

    return wrapper


def text_in(values) -> str | None:
    """The first text among values, as it is written in Python; None if there is none."""
    values = np.asarray(values)
    if values.dtype.kind not in "OUS":
        return None
    return next((repr(str(value)) for value in values.ravel() if isinstance(value, str)), None)
