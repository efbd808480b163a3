"""The training loop: epochs, batches, evolution, patience, history.

Owns: the order in which learning goes on, and its state while it does. May not touch:
the user's parameters, the meaning of targets, what is printed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Self

import numpy as np

from ._data import Data
from ._evolution import Changes, Evolution
from ._mixtures import Mixtures
from ._network import Network
from ._optimizers import Optimizer

__all__ = ["Generators", "Learner", "NonFiniteLossError", "Patience", "Progress", "train"]

# Growth by gradient looks at no fewer samples than this: small batches are too noisy.
_MIN_GRADIENT_BATCH = 128


class NonFiniteLossError(ValueError):
    """Training diverged: the loss or a weight is not a finite number."""


@dataclass
class Generators:
    """Independent random generators, one for each purpose.

    So that, say, a network with ``zeta=0`` shuffles as one with ``zeta=0.3``.
    """

    init: np.random.Generator
    shuffle: np.random.Generator
    evolution: np.random.Generator
    dropout: np.random.Generator
    mixup: np.random.Generator
    noise: np.random.Generator

    @classmethod
    def spawn(cls, entropy) -> Generators:
        """Generators from a seed."""
        children = np.random.SeedSequence(entropy).spawn(6)
        return cls(*(np.random.Generator(np.random.PCG64(child)) for child in children))


@dataclass
class Progress:
    """What happened, epoch by epoch, and where the clock stands."""

    epoch: int = 0  # epochs on the clock that evolution follows
    n_samples_seen: int = 0
    history: dict[str, list] = field(default_factory=dict)
    interrupted: bool = False
    kept_epoch: int | None = None  # with patience: the one whose network is the result so far

    def record(self, **columns) -> None:
        """Add a row to the history."""
        if not columns.keys() <= self.history.keys():  # held-out samples may come and go
            n_before = max(map(len, self.history.values()), default=0)
            for name in columns:
                self.history.setdefault(name, [np.nan] * n_before)
        for name, column in self.history.items():
            column.append(columns.get(name, np.nan))

    def drop_unfinished(self) -> None:
        """Forget what was recorded of an epoch that an interrupt kept from counting."""
        for column in self.history.values():
            del column[self.epoch :]

    def last(self) -> dict:
        """The last row of the history."""
        return {name: column[-1] for name, column in self.history.items()}


class WeightAverage:
    """The mean of a network's weights and biases over the ends of epochs."""

    def __init__(self, network: Network):
        self.network, self.n_epochs = network.copy(), 0

    def add(self, network: Network) -> None:
        """Include the network's present weights."""
        self.n_epochs += 1
        for values, now in zip(self.network.parameters, network.parameters):
            change = now - values
            change /= self.n_epochs
            values += change


@dataclass
class Learner:
    """All that training changes; the estimator takes it over when training is done."""

    network: Network
    optimizer: Optimizer
    evolution: Evolution
    generators: Generators
    progress: Progress = field(default_factory=Progress)
    average: WeightAverage | None = None  # while the topology rests

    @property
    def result(self) -> Network:
        """The network that training would end with now, the average if there is one."""
        return self.average.network if self.average else self.network

    def copy(self) -> Self:
        """A copy that can be trained without changing this one."""
        names = ("optimizer", "evolution", "generators", "progress")
        changed = {name: copy.deepcopy(getattr(self, name)) for name in names}
        return replace(self, network=self.network.copy(state=True), average=None, **changed)


class Patience:
    """Keeps the network with the best held-out score, and says when to stop waiting.

    Of equal scores the one with the smaller held-out loss is better. Training ends after more
    than `n_epochs` epochs in a row without an improvement of `tol`.
    """

    def __init__(self, tol: float, n_epochs: float):
        self.tol, self.n_epochs = tol, n_epochs
        self.best_score, self.best_loss = -np.inf, np.inf
        self.best: Network | None = None
        self.n_stale = 0

    @property
    def is_over(self) -> bool:
        """Whether training is to end."""
        return self.n_stale > self.n_epochs

    def update(self, network: Network, columns: dict[str, float]) -> bool:
        """Judge a network by its scores after an epoch; True if it is the best one."""
        score, loss = columns["validation_score"], columns["validation_loss"]
        self.n_stale = 0 if score >= self.best_score + self.tol else self.n_stale + 1
        better = (score, -loss) > (self.best_score, -self.best_loss) or self.best is None
        if better:
            self.best_score, self.best_loss = score, loss
            self.best = network.copy()
        return better


def batch_starts(n_samples: int, batch_size: int) -> np.ndarray:
    """Cut an epoch into as few batches as `batch_size` allows, of nearly equal size."""
    n_batches = max(1, -(-n_samples // batch_size))
    return np.linspace(0, n_samples, n_batches + 1).astype(np.int64)


class _Epochs:
    """The epochs of a training: evolution, then a pass over the samples."""

    def __init__(self, learner: Learner, data: Data, batch_size, shuffle, mixtures, n_threads):
        self.learner, self.all_features, self.batch_size = learner, data, batch_size
        self.data = data.of_features(learner.network.features)
        self.starts = batch_starts(data.n_samples, batch_size)
        self.shuffle, self.mixtures, self.n_threads = shuffle, mixtures, n_threads
        self.kept: list[np.ndarray] = []  # parameters that a divergence goes back to

    def keep_parameters(self) -> None:
        """Copy the parameters, into the arrays of the last copy where they have its shapes."""
        now = self.learner.network.parameters
        if [values.shape for values in now] != [values.shape for values in self.kept]:
            self.kept = [np.empty_like(values) for values in now]
        for kept, values in zip(self.kept, now):
            kept[:] = values

    def evolve(self) -> Changes:
        """Change the topology at the start of an epoch."""
        learner, network = self.learner, self.learner.network
        if not learner.evolution.is_due(learner.progress.epoch):
            return Changes()
        features = network.features
        with network.whole_or_unchanged():
            changes = learner.evolution.start_epoch(
                learner.progress.epoch, network, learner.generators.evolution, self.steepest
            )
        if network.features is not features:
            self.data = self.all_features.of_features(network.features)
        return changes

    def steepest(self, wanted) -> dict[int, np.ndarray]:
        """The places of the steepest loss on some samples, for growth by gradient."""
        network = self.learner.network
        data = self.all_features.of_features(network.features)
        rows = np.arange(data.n_samples)
        n_rows = max(self.batch_size, _MIN_GRADIENT_BATCH)
        if n_rows < len(rows):  # all of few samples: repeated ones count as weighted ones
            rows = self.learner.generators.evolution.permutation(rows)[:n_rows]
        return network.steepest_places(data, rows, wanted, self.n_threads)

    def run(self, changes: Changes, *, evolves: bool) -> tuple[float, Changes]:
        """One pass; returns the mean loss and the changes with those between batches."""
        learner, generators = self.learner, self.learner.generators
        network, optimizer, progress = learner.network, learner.optimizer, learner.progress
        n_samples = self.data.n_samples
        order = generators.shuffle.permutation(n_samples) if self.shuffle else np.arange(n_samples)
        draw = self.mixtures.draw if self.mixtures else lambda *_: (None, None)
        partners, shares = draw(order, self.starts, generators.mixup, generators.noise)
        optimizer.epoch, optimizer.steps_per_epoch = progress.epoch, len(self.starts) - 1
        loss, weight = 0.0, 0.0
        parts = [self.starts]
        if evolves:
            parts = learner.evolution.parts(self.starts, optimizer.n_steps)
        for part in parts:
            if len(parts) > 1 or (evolves and learner.evolution.every_steps):
                with network.whole_or_unchanged():
                    changes += learner.evolution.between_batches(
                        optimizer.n_steps, network, generators.evolution, self.steepest
                    )
            self.keep_parameters()
            part_loss, part_weight = network.train_batches(
                self.data,
                order,
                part,
                optimizer,
                dropout_seed=int(generators.dropout.integers(0, 2**63)),
                n_threads=self.n_threads,
                partners=partners,
                shares=shares,
            )
            loss, weight = loss + part_loss, weight + part_weight
            if not (np.isfinite(loss) and network.is_finite()):
                for values, kept in zip(network.parameters, self.kept):
                    values[:] = kept
                raise NonFiniteLossError(_diverged(loss, learner))
        progress.n_samples_seen += n_samples
        return loss / weight, changes


class _Schedule:
    """When averaging begins, over which the topology rests, and when training ends."""

    def __init__(self, epoch: int, n_epochs: int, averaging: float, last_pruning: int):
        self.begin, self.end, self.averaging = epoch, epoch + n_epochs, averaging
        self.averaging_start = self.end
        if averaging > 0:
            self.averaging_start = self.end - max(1, round(averaging * n_epochs))
            self.averaging_start = max(self.averaging_start, last_pruning + 1)

    def start_averaging(self, epoch: int) -> None:
        """Begin to average now, and end after the same share of the epochs."""
        self.averaging_start = epoch
        if self.averaging > 0:
            share = self.averaging / (1 - self.averaging)
            epoch += max(1, round(share * (epoch - self.begin)))
        self.end = min(self.end, epoch)


def train(
    learner: Learner,
    data: Data,
    *,
    n_epochs: int,
    n_done: int = 0,
    batch_size: int,
    shuffle: bool = True,
    mixtures: Mixtures | None = None,
    averaging: float = 0.0,
    validate: Callable[[Network], dict[str, float]] | None = None,
    patience: Patience | None = None,
    n_threads: int = 1,
    on_epoch: Callable[[Learner], bool] | None = None,
) -> None:
    """Train for up to `n_epochs` epochs; the learner changes in place.

    Parameters
    ----------
    n_done : int
        How many of these epochs were done before.
    mixtures : Mixtures, optional
        Of the samples, to learn from in their place.
    averaging : float
        Over this last share of the epochs the topology rests and the weights
        are averaged; the network ends with the average. It waits for the last
        pruning, and begins when the `patience` is over.
    validate : callable, optional
        Gives columns of the history that tell how good the network is, the averaged
        one where there is one: "validation_score" and "validation_loss" if there is a
        `patience`.
    patience : Patience, optional
        Follows what `validate` gives, from the last pruning on. When it is over, training
        ends, but for the share of averaging. The network ends as the average or, if
        there is none, as the best one.
    on_epoch : callable, optional
        Called after each epoch; training ends if it returns True.

    Raises
    ------
    NonFiniteLossError
        In the epoch in which the loss or a weight stops being a finite number.
        The network then is what the epochs before made of it, as after an interrupt.
    """
    network, evolution, progress = learner.network, learner.evolution, learner.progress
    epochs = _Epochs(learner, data, batch_size, shuffle, mixtures, n_threads)
    evolution.begin(network, len(epochs.starts) - 1)
    progress.interrupted, progress.kept_epoch = False, None
    schedule = _Schedule(progress.epoch - n_done, n_epochs, averaging, evolution.last_pruning_epoch)
    diverged: NonFiniteLossError | None = None
    try:
        while progress.epoch < schedule.end:
            began = perf_counter()
            resting = progress.epoch >= schedule.averaging_start
            changes = Changes() if resting else epochs.evolve()
            loss, changes = epochs.run(changes, evolves=not resting)
            if resting:
                learner.average = learner.average or WeightAverage(network)
                learner.average.add(network)
            columns = {"loss": loss}
            if validate is not None:
                columns |= validate(learner.result)
            columns |= _sizes(network) | vars(changes) | evolution.columns()
            progress.record(**columns, time=perf_counter() - began)
            if patience is not None and progress.epoch >= evolution.last_pruning_epoch:
                if resting or patience.update(network, columns):
                    progress.kept_epoch = progress.epoch
                if patience.is_over and not resting:
                    schedule.start_averaging(progress.epoch + 1)
            progress.epoch += 1
            if on_epoch is not None and on_epoch(learner):
                break
    except KeyboardInterrupt:
        progress.interrupted = True
        progress.drop_unfinished()
    except NonFiniteLossError as error:
        diverged = error
    _take_result(learner, patience)
    if diverged is not None:
        raise diverged


def _take_result(learner: Learner, patience: Patience | None) -> None:
    """End with the average or, if there is none, with the best network that patience kept."""
    if learner.average is not None:
        learner.network.set_parameters(learner.average.network)
        learner.average = None
    elif patience is not None and patience.best is not None:
        learner.network.restore(patience.best)


def _sizes(network: Network) -> dict[str, int]:
    """The columns of the history that tell how large the network is."""
    n_connections = [layer.nnz for layer in network.layers]
    return {
        "n_connections": sum(n_connections),
        **{f"n_connections_{i}": n for i, n in enumerate(n_connections)},
        **{f"hidden_layer_size_{i}": n for i, n in enumerate(network.hidden_layer_sizes)},
    }


def _diverged(loss: float, learner: Learner) -> str:
    what = "A weight became infinite" if np.isfinite(loss) else f"The loss became {loss}"
    return (
        f"{what} in epoch {learner.progress.epoch}: training diverged. Lower learning_rate_init "
        f'(now {learner.optimizer.learning_rate:g}), scale the inputs (conditioning="auto" does; a '
        "regression target too), or look for huge sample weights."
    )
