"""Which features a single prediction hangs on.

Owns: derivatives of a fitted network's raw outputs with respect to its inputs.
May not touch: the network.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.utils.validation import validate_data

from ._validation import as_network_reads, fitted_network_in

__all__ = ["attributions"]


def _activate(z: np.ndarray, kind: str, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Activation and derivative of a hidden layer's pre-activations."""
    if kind == "tanh":
        a = np.tanh(z)
        return a, 1 - a**2
    if kind == "logistic":
        a = expit(z)
        return a, a * (1 - a)
    if kind == "gelu":
        factor = np.sqrt(2 / np.pi)
        t = np.tanh(factor * (z + 0.044715 * z**3))
        slope_inside = factor * (1 + 3 * 0.044715 * z**2)
        return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * slope_inside
    derivative = np.where(z > 0, 1.0, 1.0 if kind == "identity" else slope)
    return z * derivative, derivative


def attributions(estimator, X, *, output=None, method="gradient_times_input"):
    """Attribute each sample's prediction to the features.

    Parameters
    ----------
    estimator : fitted estimator of this package, or Pipeline that ends in one
        A Pipeline transforms `X` as in `predict`; the attributions are those of the columns
        that its last step reads, which ``pipeline[:-1].get_feature_names_out()`` names.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    output : int, default=None
        Which raw output (column of ``decision_function``) to explain. None: for
        classifiers with several outputs the one of the predicted class, else
        the only one.
    method : {"gradient_times_input", "gradient"}, default="gradient_times_input"
        "gradient": the derivative of the raw output with respect to each input.
        "gradient_times_input": the derivative with respect to each conditioned input, times
        this input; for a network without biases and with piecewise linear activations,
        the attributions of a sample add up to its raw output. Of decorrelated inputs: the
        derivative with respect to each standardised column, times its value.

    Returns
    -------
    attributions : ndarray of shape (n_samples, n_inputs)
        Zero for features without connections.

    Raises
    ------
    ValueError
        If `output` is no output of the network or is needed and missing.
    TypeError
        If `estimator` has no network.

    Notes
    -----
    The gradient speaks of the network near one sample. Correlated features share
    what they say in a way that depends on the initial topology; compare a few
    random states before drawing conclusions.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_set import SETClassifier
    >>> from sklearn_set.inspection import attributions
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SETClassifier((50,), max_iter=20, random_state=0).fit(X, y)
    >>> attributions(model, X[:3]).shape
    (3, 4)
    """
    if method not in ("gradient_times_input", "gradient"):
        raise ValueError(f"method={method!r} is unknown; use 'gradient_times_input' or 'gradient'.")
    X, estimator = as_network_reads(estimator, X), fitted_network_in(estimator, "coefs_")
    X = validate_data(estimator, X, accept_sparse="csr", dtype=np.float64, reset=False)
    columns = estimator.conditioner_._columns
    coefs = [coef.astype(np.float64) for coef in estimator.coefs_]
    activations, derivatives = columns.apply(X), []
    kinds = [*estimator._network.activations, ("identity", 0.0)]
    for coef, bias, kind in zip(coefs, estimator.intercepts_, kinds):
        z = activations @ coef
        z = (z.toarray() if sparse.issparse(z) else z) + bias
        activations, derivative = _activate(z, *kind)
        derivatives.append(derivative)
    gradient = _output_gradient(z, output, estimator)
    for coef, derivative in zip(coefs[:0:-1], derivatives[-2::-1]):
        gradient = (coef @ gradient.T).T * derivative
    gradient = (coefs[0] @ gradient.T).T
    X = X.toarray() if sparse.issparse(X) else X
    if method == "gradient":
        return columns.pull_back(X, gradient)
    return columns.gradient_times_input(X, gradient)


def _output_gradient(raw: np.ndarray, output, estimator) -> np.ndarray:
    """Derivative of the explained output with respect to all outputs: 1 for itself, else 0."""
    n_samples, n_outputs = raw.shape
    if output is None:
        if n_outputs == 1:
            chosen = np.zeros(n_samples, dtype=int)
        elif hasattr(estimator, "classes_") and estimator.out_activation_ == "softmax":
            chosen = raw.argmax(axis=1)
        else:
            raise ValueError(
                f"The network has {n_outputs} independent outputs; say which to explain with "
                f"output=0 to {n_outputs - 1}."
            )
    elif 0 <= output < n_outputs:
        chosen = np.full(n_samples, output)
    else:
        raise ValueError(f"output={output} is not one of the outputs 0 to {n_outputs - 1}.")
    return np.eye(n_outputs)[chosen]
