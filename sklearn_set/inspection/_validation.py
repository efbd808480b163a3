"""What can be looked into.

Owns: the refusal of all else. May not touch: the estimator.
"""

from sklearn.utils.validation import check_is_fitted

__all__ = ["check_has"]


def check_has(estimator, attribute: str) -> None:
    """Check that an estimator is fitted and of a kind that has an attribute."""
    if hasattr(estimator, "steps"):
        raise TypeError(
            f"{type(estimator).__name__} is not a network but holds one: pass its last step, "
            "pipeline[-1] (and samples as the steps before transform them)."
        )
    check_is_fitted(estimator)
    if not hasattr(estimator, attribute):
        raise TypeError(
            f"{type(estimator).__name__} has no {attribute}; pass a fitted classifier or "
            "regressor of sklearn_set."
        )
