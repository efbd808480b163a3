"""Pictures of what a network learned and how its topology evolved.

Every display follows scikit-learn's convention: ``SomethingDisplay.from_estimator(model)``
draws and returns an object with the data, ``ax_`` and ``figure_``, whose ``plot`` draws
again. Pipelines that end in an estimator of this package and searches are taken, too. Several
displays fit into one figure with ``plt.subplots(…, layout="constrained")``. They need
matplotlib (``pip install "sklearn-set[plot]"``).
"""

from ._attributions import attributions
from ._curves import LearningCurveDisplay, ScoreConnectionsDisplay, ScoreCurveDisplay
from ._importances import ImportancesDisplay, InputConnectivityDisplay, seed_importances
from ._stability import StabilityDisplay
from ._structure import (
    DegreeDistributionDisplay,
    SparsityPatternDisplay,
    TopologyHistoryDisplay,
)

__all__ = [
    "DegreeDistributionDisplay",
    "ImportancesDisplay",
    "InputConnectivityDisplay",
    "LearningCurveDisplay",
    "ScoreConnectionsDisplay",
    "ScoreCurveDisplay",
    "SparsityPatternDisplay",
    "StabilityDisplay",
    "TopologyHistoryDisplay",
    "attributions",
    "seed_importances",
]
