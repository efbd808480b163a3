"""Pictures of what a network learned and how its topology evolved.

Every display follows scikit-learn's convention: ``SomethingDisplay.from_estimator(model)``
draws and returns an object with the data, ``ax_`` and ``figure_``, whose ``plot`` draws
again. They need matplotlib (``pip install "sklearn-set[plot]"``) and read fitted
attributes only.
"""

from ._attributions import attributions
from ._displays import (
    DegreeDistributionDisplay,
    InputConnectivityDisplay,
    LearningCurveDisplay,
    SparsityPatternDisplay,
    TopologyHistoryDisplay,
)

__all__ = [
    "DegreeDistributionDisplay",
    "InputConnectivityDisplay",
    "LearningCurveDisplay",
    "SparsityPatternDisplay",
    "TopologyHistoryDisplay",
    "attributions",
]
