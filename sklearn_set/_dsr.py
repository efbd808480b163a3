"""The estimators of Dynamic Sparse Reparameterization.

Owns: which parameters and rules make the method, and their documentation. May not
touch: anything that `_base.py` does for all estimators.
"""

from __future__ import annotations

from ._amounts import in_proportion, new_weights_rule
from ._base import BaseSparseMLP
from ._classification import BaseSparseMLPClassifier
from ._evolution import Evolution
from ._network_parameters import MOCANU, MOSTAFA, Redistribution
from ._pruning import InputSelection
from ._regression import BaseSparseMLPRegressor
from .rules import AdaptiveThreshold, GrowElsewhere

__all__ = ["DSRClassifier", "DSRRegressor"]


class _DSR(Redistribution, BaseSparseMLP):
    """DSR's rewiring between steps."""

    _references = (MOCANU, MOSTAFA)
    # The method's own: connections move between all layers, and start with a weight of 0.
    new_weights = "zero"
    evolve_output = True

    def _make_evolution(self, select: InputSelection | None = None) -> Evolution:
        return Evolution(
            fraction=self.target_fraction,
            drop=AdaptiveThreshold(self.initial_threshold),
            grow=GrowElsewhere(),
            new_weights=new_weights_rule(self.new_weights, self.init),
            evolve_output=self.evolve_output,
            redistribute=in_proportion,
            every_steps=self.rewire_every,
        )


class DSRClassifier(_DSR, BaseSparseMLPClassifier):
    """Sparse multilayer perceptron whose connections move between layers while it learns.

    Dynamic Sparse Reparameterization [2]_: every few steps the connections below one
    threshold, which adapts, are dropped in all layers, and as many grow, most of
    them where most survived, so that the layers' densities find themselves.

    {parameters}

    {attributes}

    See Also
    --------
    SETClassifier : Each layer keeps its number of connections.
    DSRRegressor : The same for regression.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    Notes
    -----
    A rewiring drops every weight nearer to zero than the threshold, but never the
    last one of a layer, and grows as many connections, all layers together: each
    layer gets a share in proportion to those it kept, at random free places
    other than those just emptied, and what a full layer cannot take goes to the
    others. The number of connections of the network never changes; that of a
    layer does. If less (more) than `target_fraction` went, by more than a tenth
    of it, the threshold doubles (halves). The column "threshold" of `history_`
    holds it after each epoch, the columns "n_connections_0", … the layers'
    connections. The rules are those of the authors' code, with a fraction instead
    of a number as target, an interval that stays, rounding by largest remainders
    instead of at random, and an optimizer state that leaves with its connection.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_set import DSRClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = DSRClassifier(hidden_layer_sizes=100, max_iter=20, random_state=0)
    >>> bool(model.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.9)
    True
    >>> len(set(model.history_["n_connections"]))
    1
    """


class DSRRegressor(_DSR, BaseSparseMLPRegressor):
    """Sparse multilayer perceptron for regression whose connections move between layers.

    Dynamic Sparse Reparameterization [2]_, see the notes of `DSRClassifier`.

    {parameters}

    {attributes}

    See Also
    --------
    SETRegressor : Each layer keeps its number of connections.
    DSRClassifier : The same for classification.
    sklearn_set.inspection.seed_importances : Importances with their spread over seeds.

    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_set import DSRRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = DSRRegressor(hidden_layer_sizes=100, max_iter=60, random_state=0)
    >>> bool(model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.4)
    True
    """
