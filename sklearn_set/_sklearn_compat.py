"""The parts of scikit-learn that are not public, or differ between 1.7 and 1.9.

Owns: every such import, and a stand-in for the callbacks of scikit-learn 1.9 on older
versions: the same protocol (setup, on_fit_task_begin, on_fit_task_end, teardown), without
propagation from meta-estimators. May not touch: what is done with them.
"""

from __future__ import annotations

import copy
import functools
import inspect
import uuid
from datetime import UTC, datetime
from typing import Any

from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, Options, RealNotInt, StrOptions
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "Options",
    "RealNotInt",
    "StrOptions",
    "TooltipsWithoutLink",
    "check_feature_names_in",
    "fit_context",
]


class TooltipsWithoutLink(BaseEstimator):
    """No "?" in the HTML representation, since the documentation has no address yet.

    scikit-learn shows the texts of parameters and attributes only beside a link. Theirs goes
    to the page itself.
    """

    def _get_doc_link(self) -> str:
        return ""

    def _get_params_html(self, deep=True, doc_link="#"):
        return self._with_texts(super()._get_params_html(deep))

    def _get_fitted_attr_html(self, doc_link="#"):
        return self._with_texts(super()._get_fitted_attr_html())

    @staticmethod
    def _with_texts(table):
        if hasattr(table, "doc_link"):
            table.doc_link = "#"
        return table


try:
    from sklearn.callback import CallbackSupportMixin

    fit_context = _fit_context(prefer_skip_nested_validation=True)

except ImportError:  # scikit-learn < 1.9

    class _Context:
        """One task of a fit: the fit itself, or one of its epochs."""

        def __init__(self, estimator, task_name: str, task_id: int, max_subtasks: int, parent):
            self._callbacks = getattr(estimator, "_skl_callbacks", [])
            self._n_subtasks = 0
            self._estimator, self.estimator_name = estimator, type(estimator).__name__
            self.task_name, self.task_id, self.parent = task_name, task_id, parent
            self.max_subtasks, self.sequential_subtasks = max_subtasks, True
            self.root_uuid = uuid.uuid4() if parent is None else parent.root_uuid
            self.init_time = datetime.now(UTC)

        def subcontext(self, task_name: str = "", max_subtasks: int = 0) -> _Context:
            self._n_subtasks += 1
            return _Context(self._estimator, task_name, self._n_subtasks - 1, max_subtasks, self)

        def _call(self, hook: str, estimator, values: dict[str, Any]) -> bool:
            stop = False
            for callback in self._callbacks:
                method = getattr(callback, hook)
                parameters = inspect.signature(method).parameters.values()
                wanted = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
                given = {name: self._value(name, estimator, values) for name in wanted}
                stop |= bool(method(estimator, self, **given))
            return stop

        @staticmethod
        def _value(name: str, estimator, values: dict[str, Any]):
            if name != "fitted_estimator":
                value = values.get(name)
                return value() if callable(value) else value
            attributes = values.get("reconstruction_attributes")
            attributes = attributes() if callable(attributes) else attributes
            if attributes is None:
                return None
            fitted = copy.copy(estimator)
            vars(fitted).update(attributes)
            return fitted

        def call_on_fit_task_begin(self, *, estimator, **values) -> _Context:
            self._call("on_fit_task_begin", estimator, values)
            return self

        def call_on_fit_task_end(self, *, estimator, **values) -> bool:
            return self._call("on_fit_task_end", estimator, values)

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Callbacks for scikit-learn before 1.9."""

        def set_callbacks(self, *callbacks):
            """Set the callbacks of the estimator; without arguments remove them.

            Parameters
            ----------
            *callbacks : callback instances

            Returns
            -------
            self : object
            """
            hooks = ("setup", "on_fit_task_begin", "on_fit_task_end", "teardown")
            for callback in callbacks:
                if isinstance(callback, type) or not all(hasattr(callback, h) for h in hooks):
                    raise TypeError(
                        f"callbacks must be instances with the methods {hooks}, got {callback!r}."
                    )
            self.__dict__.pop("_skl_callbacks", None)
            if callbacks:
                self._skl_callbacks = list(callbacks)
            return self

        def _init_callback_context(self, task_name="fit", max_subtasks=0):
            context = _Context(self, task_name, 0, max_subtasks, None)
            self._callback_fit_ctx = context
            for callback in getattr(self, "_skl_callbacks", []):
                callback.setup(self, context)
            return context

    def fit_context(method):
        """Validate parameters, and tear callbacks down after the fit."""

        @functools.wraps(method)
        def wrapper(estimator, *args, **kwargs):
            try:
                return method(estimator, *args, **kwargs)
            finally:
                context = vars(estimator).pop("_callback_fit_ctx", None)
                if context is not None:
                    for callback in getattr(estimator, "_skl_callbacks", []):
                        callback.teardown(estimator, context)

        return _fit_context(prefer_skip_nested_validation=True)(wrapper)
