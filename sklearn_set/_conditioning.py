"""The conditioning of inputs: a common robust scale, and decorrelation where it pays.

Owns: what happens to the user's columns before a network reads them, and the way back.
May not touch: networks, the strength of regularisation.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, Self, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from ._columns import (
    AsTheyAre,
    Components,
    Decorrelated,
    Scaled,
    Scaling,
    Weighed,
    blocks,
    component_gain,
    few_rows,
    own_components,
    smooth_clip,
    spread_rows,
)
from ._data import check_sparse
from ._kernel import CLEAR, KernelRidge, arc_cosine_kernel, numbers_of_rows, target_matrix
from ._network_parameters import Conditioning
from ._parameters import Declared, same_parameter
from ._samples import Samples, bounded_weight, check_weight, validated
from ._sklearn_compat import check_feature_names_in, fit_context
from ._threads import one_blas_thread

__all__ = ["InputConditioner", "condition", "learn"]

CHO = """\
Cho, Y., Saul, L.K., "Kernel methods for deep learning", NeurIPS 22, 2009."""
LEE = """\
Lee, J., Bahri, Y., Novak, R., Schoenholz, S.S., Pennington, J., Sohl-Dickstein, J.,
"Deep neural networks as Gaussian processes", ICLR, 2018."""

_GAIN = 0.95  # relative error below which decorrelation pays; .8 to .95 choose alike
_HOPELESS = 1.2  # the same of the first strength, above which no other one is tried
_STRENGTHS = (0.1, 0.01, 0.001, 1e-4, 1e-5)
_ROWS_OF_COMPONENTS = 2000  # samples that principal components are computed from

#: Rows, and the kernel ridge regression on their conditioned values.
Found: TypeAlias = tuple[np.ndarray, KernelRidge]


class InputConditioner(TransformerMixin, Declared):
    """Bring columns to a common robust scale, and decorrelate them where that pays.

    What the estimators of this package do with their inputs, as a transformer.

    {parameters}

    {attributes}

    See Also
    --------
    SETClassifier : Conditions its inputs by itself.

    Notes
    -----
    Scaling: a column becomes ``z = (x - mean) / deviation``. A column whose interquartile
    range tells of less than half its deviation has heavy tails; it becomes
    ``asinh((x - median) / (IQR / 1.349))``, standardised. Then all values are clipped
    smoothly at 3 deviations, ``z / sqrt(1 + (z / 3)²)``, so that no value can do much.
    Constant columns become 0. Sparse columns are divided by their deviation and
    clipped; they stay sparse.

    Decorrelation: the principal components of the standardised columns, each of unit
    variance and clipped at 3, are multiplied by ``sqrt(v / (v + strength * v_max))``
    with their variances v. Directions of small variance, in which spectra and other
    collinear columns hide what tells samples apart, are then seen by a network.

    The choice: the leave-one-out error of kernel ridge regression with the arc-cosine
    kernel of two ReLU layers [1]_, which is an infinitely wide network [2]_, is known in
    closed form. Strengths are tried from 0.1 to 1e-5, until that error rises, or at once is
    above 1.2 of the one of the scaled columns. Columns are decorrelated, with the strength of
    the smallest error, if it is at most 0.95 of the latter. Errors are computed on 200
    distinct samples at most, or on 400 if they are not below one half or if the targets are
    values; components are those of 2,000 samples at most.

    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_set import InputConditioner
    >>> rng = np.random.default_rng(0)
    >>> hidden = rng.normal(size=(80, 30)) * 0.7 ** np.arange(30)
    >>> X, y = hidden @ rng.normal(size=(30, 200)), hidden[:, 12]
    >>> conditioner = InputConditioner().fit(X, y)
    >>> conditioner.method_, conditioner.transform(X).shape
    ('decorrelate', (80, 30))
    """

    _references = (CHO, LEE)
    _attribute_texts = """
        method_ : {"scale", "decorrelate", "weigh", "none"}
            What is done with the columns. Survival analyses can weigh them; see there.
        strength_ : float or None
            Strength of the decorrelation.
        errors_ : dict
            Leave-one-out error of the kernel, relative to that of the mean, with scaled
            columns ("scale") and for each strength that was tried. Empty if nothing had to
            be chosen.
    """

    conditioning: Any = same_parameter(Conditioning, "conditioning", default="auto", kw_only=False)

    @fit_context
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Learn the scale of the columns, and whether to decorrelate them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets: class labels, indicators or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, >= 0.

        Returns
        -------
        self : InputConditioner
            The fitted transformer.
        """
        dense_only = isinstance(self.conditioning, Real)
        X = validated(
            self, X, accept_sparse=not dense_only and "csr", dtype=(np.float64, np.float32)
        )
        weight = bounded_weight(check_weight(sample_weight, X, "sample_weight"))
        target = None
        if y is not None:
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
            numbers = type_of_target(y).startswith(("continuous", "multilabel"))
            target = y.astype(np.float64) if numbers else np.unique(y, return_inverse=True)[1]
        if weight is not None and not weight.all():
            used = np.flatnonzero(weight)
            X, weight = X[used], weight[used]
            target = None if target is None else target[used]
        return self._learn(X, target, weight)[0]

    def _learn(
        self, X, target: np.ndarray | None, weight: np.ndarray | None
    ) -> tuple[Self, Found | None]:
        """Fit to validated samples; targets are class indices (n,) or values (n, n_outputs).

        Returns what was found by the way, too.
        """
        self.n_features_in_ = X.shape[1]
        self._columns: Any
        self.errors_: dict[str | float, float] = {}
        self.strength_: float | None = None
        if self.conditioning is None:
            self.method_, self._columns = "none", AsTheyAre(X.shape[1])
            return self, None
        if sparse.issparse(X):
            check_sparse(X)
        found = None
        with one_blas_thread():
            scaling = Scaling(X, weight)
            if isinstance(self.conditioning, Real):
                if sparse.issparse(X):
                    raise ValueError(
                        f"conditioning={self.conditioning!r} decorrelates columns, which makes "
                        'them dense, but X is sparse. Use "scale", or a dense X.'
                    )
                self.strength_ = float(self.conditioning)
            elif self.conditioning == "auto" and target is not None and not sparse.issparse(X):
                found = self._choose(scaling, X, target)
            self.method_, self._columns = "scale", Scaled(scaling)
            if self.strength_ is not None:
                rows = spread_rows(X.shape[0], _ROWS_OF_COMPONENTS)
                weight = None if weight is None else weight[rows]
                components = Components(scaling.standardise(X[rows]), weight)
                self.method_ = "decorrelate"
                self._columns = Decorrelated(scaling, components, self.strength_)
        return self, found

    def _weigh(self, gain: np.ndarray) -> None:
        """Multiply scaled columns by numbers >= 0; those of 0 are not read."""
        self.method_, self._columns = "weigh", Weighed(self._columns.scaling, gain)

    @property
    def _read(self) -> np.ndarray | None:
        """The columns that are read; None: all of them."""
        return np.flatnonzero(self._columns.gain) if self.method_ == "weigh" else None

    def _choose(self, scaling: Scaling, X, target) -> Found | None:
        """Choose whether to decorrelate, and how strongly."""
        if np.isinf(scaling.deviation).all():  # constant columns
            return None
        for number in numbers_of_rows(target):
            rows = few_rows(X, number)
            if len(rows) < 10:
                return None
            kernel = self._compare(scaling, X[rows], target_matrix(target[rows]))
            if kernel.error < CLEAR or len(rows) < number:
                break
        return rows, kernel

    def _compare(self, scaling: Scaling, X, target) -> KernelRidge:
        """Try the strengths on some samples; returns what was found with the best."""
        self.errors_, self.strength_ = {}, None
        found = kernel = KernelRidge(arc_cosine_kernel(smooth_clip(scaling.apply(X))), target)
        self.errors_["scale"] = found.error
        unit, variance = own_components(scaling.standardise(X))
        smooth_clip(unit)
        best, limit = _GAIN * found.error, _HOPELESS * found.error
        for strength in _STRENGTHS:
            K = arc_cosine_kernel(unit * component_gain(variance, strength))
            kernel = KernelRidge(K, target, start=kernel.ridge)
            self.errors_[strength] = kernel.error
            if kernel.error <= best:
                best, self.strength_, found = kernel.error, strength, kernel
            if kernel.error > limit:  # it would go on to rise
                break
            limit = kernel.error
        return found

    # ------------------------------------------------------------ there and back

    def transform(self, X):
        """Condition samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        X_new : {ndarray, csr matrix} of shape (n_samples, n_features or n_components)
            Conditioned samples, of the dtype of `X`.
        """
        check_is_fitted(self)
        X = validated(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)
        return self._apply(X)

    def _apply(self, X):
        """Condition validated samples."""
        if sparse.issparse(X):
            check_sparse(X)
        elif self.method_ == "decorrelate":
            with one_blas_thread():
                return self._in_blocks(X)
        elif self.conditioning is not None:
            return self._in_blocks(X)
        return self._columns.apply(X).astype(X.dtype, copy=False)

    def _in_blocks(self, X: np.ndarray) -> np.ndarray:
        """Condition dense samples, some at a time."""
        if len(X) == 1:
            return self._columns.apply(X).astype(X.dtype, copy=False)
        conditioned = np.empty((len(X), self._n_features_out), dtype=X.dtype)
        for part in blocks(*X.shape):
            conditioned[part] = self._columns.apply(X[part])
        return conditioned

    def inverse_transform(self, X):
        """Undo the conditioning.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features or n_components)
            Conditioned samples.

        Returns
        -------
        X_original : {ndarray, csr matrix} of shape (n_samples, n_features)
            Samples; constant columns get their mean. Of decorrelated samples, the part that
            the components describe.
        """
        check_is_fitted(self)
        X = check_array(X, accept_sparse="csr", dtype=(np.float64, np.float32))
        return self._columns.invert(X).astype(X.dtype, copy=False)

    @property
    def _n_features_out(self) -> int:
        return self._columns.n_outputs

    def get_feature_names_out(self, input_features=None):
        """Names of the conditioned columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; None: those seen while fitting, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str
            The same names, or "component0", "component1", ...
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        if self.method_ != "decorrelate":
            return names
        return np.array([f"component{i}" for i in range(self._n_features_out)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "method_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not isinstance(self.conditioning, Real)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def learn(conditioner: InputConditioner, samples: Samples) -> tuple[InputConditioner, Found | None]:
    """The conditioner, fitted to samples with numbers as targets, and what was found by the way."""
    return conditioner._learn(samples.X, samples.target, samples.weight)


def condition(conditioner: InputConditioner, samples: Samples) -> Samples:
    """Samples as a network reads them."""
    return replace(samples, X=conditioner._apply(samples.X))
