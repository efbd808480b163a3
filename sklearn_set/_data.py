"""Samples and targets in the form that the core reads.

Owns: their conversion. May not touch: what targets mean, networks.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from . import _native

__all__ = ["Data", "check_sparse"]


def _readable(values, dtype) -> np.ndarray:
    """The values as the core takes them: of this type, in C order and aligned."""
    values = np.ascontiguousarray(values, dtype)
    return values if values.flags.aligned else values.copy()


def check_sparse(X: sparse.csr_array) -> None:
    """Check the columns that a sparse matrix names: SciPy does not."""
    for wrong in (X.indices.min(initial=0), X.indices.max(initial=-1)):
        if not -1 < wrong < X.shape[1] and X.indices.size:
            raise ValueError(
                f"The sparse matrix X is malformed: it has {X.shape[1]} columns and a column "
                f"index {wrong}. Build it anew from its entries."
            )


class Data:
    """Samples with their targets in the form that the core reads.

    X, dense or CSR, is converted to the dtype of the network. The loss says how targets are read:
    class indices (n_samples,) or values (n_samples, n_outputs).
    """

    def __init__(self, X, dtype, loss=None, target=None, sample_weight=None):
        self.X = X
        self.dtype = np.dtype(dtype)
        self.loss, self.target, self.sample_weight = loss, target, sample_weight
        native = _native.DataF32 if self.dtype == np.float32 else _native.DataF64
        if sparse.issparse(X):
            if X.indices.dtype != np.int32:  # 2**32 would become 0 on the way to the core
                check_sparse(X)
            self.native = native(
                None,
                _readable(X.data, self.dtype),
                _readable(X.indices, np.int32),
                _readable(X.indptr, np.int64),
                X.shape[1],
            )
        else:
            X = _readable(X, self.dtype)
            self.native = native(X, None, None, None, X.shape[1])
        if target is not None:
            labels = _readable(target, np.int32) if target.ndim == 1 else None
            values = _readable(target, self.dtype) if target.ndim == 2 else None
            weights = None if sample_weight is None else _readable(sample_weight, self.dtype)
            self.native.set_targets(loss.code, labels, values, weights, loss.huber_delta)

    @property
    def n_samples(self) -> int:
        return self.X.shape[0]

    def of_features(self, features: np.ndarray | None) -> Data:
        """The same samples, but these features only."""
        if features is None:
            return self
        X = self.X[:, features]
        return Data(X, self.dtype, self.loss, self.target, self.sample_weight)
