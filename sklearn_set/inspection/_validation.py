"""The network in what the user gives: an estimator, a Pipeline or a search.

Owns: how it is found, and the refusal of all else. May not touch: the estimator.
"""

from __future__ import annotations

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "as_network_reads",
    "fitted_network_in",
    "names_of_inputs",
    "network_in",
    "without_search",
]


def without_search(estimator):
    """The estimator in a fitted search or TransformedTargetRegressor, or the estimator itself."""
    for name in ("best_estimator_", "regressor_"):
        if hasattr(estimator, name):
            return without_search(getattr(estimator, name))
    return estimator


def network_in(estimator):
    """The estimator itself, or the last step of the Pipeline that it is or holds."""
    estimator = without_search(estimator)
    return network_in(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def as_network_reads(estimator, X):
    """Samples as the network in an estimator reads them."""
    estimator = without_search(estimator)
    if not hasattr(estimator, "steps"):
        return X
    if len(estimator.steps) > 1:
        X = estimator[:-1].transform(X)
    return as_network_reads(estimator.steps[-1][1], X)


def fitted_network_in(estimator, attribute: str):
    """The fitted network in an estimator; TypeError if it lacks an attribute."""
    network = network_in(estimator)
    check_is_fitted(network)
    if not hasattr(network, attribute):
        raise TypeError(
            f"{type(network).__name__} has no {attribute}; pass a fitted classifier or "
            "regressor of sklearn_set, or a Pipeline that ends in one."
        )
    return network


def names_of_inputs(estimator):
    """Names of the columns that the network in an estimator reads, or None."""
    network = network_in(estimator)
    names = getattr(network, "feature_names_in_", None)
    estimator = without_search(estimator)
    if names is None and hasattr(estimator, "steps"):
        try:
            names = estimator[:-1].get_feature_names_out()
        except (AttributeError, NotFittedError, ValueError):  # a step does not know
            return None
    return names
