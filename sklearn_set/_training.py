"""The training loop: epochs, batches, evolution, patience, history.

Owns: all state that changes while learning; it dies with the call. May not
touch: the user's parameters, the meaning of classes, what is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np

from ._evolution import Evolution
from ._mixtures import Mixtures
from ._network import Data, Network
from ._optimizers import Optimizer

__all__ = ["Course", "NonFiniteLossError", "Streams", "train"]


class NonFiniteLossError(ValueError):
    """Training diverged: the loss or a weight is not a finite number."""


@dataclass
class Streams:
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
    def spawn(cls, entropy) -> Streams:
        children = np.random.SeedSequence(entropy).spawn(6)
        return cls(*(np.random.Generator(np.random.PCG64(child)) for child in children))


@dataclass
class Course:
    """What happened, epoch by epoch, and where the clock stands."""

    epoch: int = 0  # epochs on the clock that evolution follows
    n_samples_seen: int = 0
    history: dict[str, list] = field(default_factory=dict)
    best_loss: float = np.inf
    best_score: float = -np.inf
    best_validation_loss: float = np.inf  # of the epoch with the best score
    n_stale: int = 0  # epochs without improvement
    best: list | None = None  # snapshot
    interrupted: bool = False

    def record(self, **columns) -> None:
        n_before = max(map(len, self.history.values()), default=0)
        for name in columns:  # a held-out set may come and go between fits
            self.history.setdefault(name, [np.nan] * n_before)
        for name, column in self.history.items():
            column.append(columns.get(name, np.nan))

    def drop_unfinished(self) -> None:
        """Forget what was recorded of an epoch that an interrupt kept from counting."""
        for column in self.history.values():
            del column[self.epoch :]

    def last(self) -> dict:
        return {name: column[-1] for name, column in self.history.items()}


def batch_starts(n_samples: int, batch_size: int) -> np.ndarray:
    """Cut an epoch into as few batches as `batch_size` allows, of nearly equal size."""
    n_batches = max(1, -(-n_samples // batch_size))
    return np.linspace(0, n_samples, n_batches + 1).astype(np.int64)


class WeightAverage:
    """The mean of a network's weights and biases over the ends of epochs."""

    def __init__(self, network: Network):
        self.network = Network(
            [
                replace(la, weights=np.zeros_like(la.weights), bias=np.zeros_like(la.bias))
                for la in network.layers
            ],
            network.features,
        )
        self.n_epochs = 0

    def add(self, network: Network) -> None:
        self.n_epochs += 1
        for mean, layer in zip(self.network.layers, network.layers):
            mean.weights += (layer.weights - mean.weights) / self.n_epochs
            mean.bias += (layer.bias - mean.bias) / self.n_epochs

    def give_to(self, network: Network) -> None:
        for mean, layer in zip(self.network.layers, network.layers):
            layer.weights[:], layer.bias[:] = mean.weights, mean.bias


def train(
    network: Network,
    data: Data,
    optimizer: Optimizer,
    evolution: Evolution,
    streams: Streams,
    course: Course,
    *,
    n_epochs: int,
    batch_size: int,
    shuffle: bool = True,
    mixtures: Mixtures | None = None,
    averaging: float = 0.0,
    tol: float = 1e-4,
    n_iter_no_change: float = np.inf,
    validate: Callable[[Network], tuple[float, float]] | None = None,
    stop_on_validation: bool = False,
    n_threads: int = 1,
    on_epoch: Callable[[Course], bool] | None = None,
) -> None:
    """Train for up to `n_epochs` epochs; `network` and `course` change in place.

    Parameters
    ----------
    mixtures : Mixtures, optional
        Of the samples, to learn from in their place.
    averaging : float
        Over this last share of the epochs the topology rests and the weights
        are averaged; the network ends with the average. It waits for the last
        pruning.
    validate : callable, optional
        Returns (score, loss) of the network on held-out samples, of the
        averaged network where there is one.
    stop_on_validation : bool
        Whether patience follows the validation score (and the best network is
        kept) instead of the training loss.
    on_epoch : callable, optional
        Called after each epoch; training ends if it returns True.

    Raises
    ------
    NonFiniteLossError
        In the epoch in which the loss or a weight stops being a finite number.
        `network` then is what the epochs before made of it, as after an interrupt.
    """
    starts = batch_starts(data.n_samples, batch_size)
    order = np.arange(data.n_samples)
    optimizer.steps_per_epoch = len(starts) - 1
    evolution.begin(network, course.history)
    all_features, data = data, data.of_features(network.features)
    average, rest_from = None, course.epoch + n_epochs
    diverged: NonFiniteLossError | None = None
    if averaging > 0:
        rest_from -= max(1, round(averaging * n_epochs))
        rest_from = max(rest_from, evolution.last_pruning_epoch + 1)
    try:
        for _ in range(n_epochs):
            began = perf_counter()
            optimizer.epoch = course.epoch
            resting = course.epoch >= rest_from
            if resting:
                counts = evolution.no_changes()
                average = average or WeightAverage(network)
            else:
                features = network.features
                with network.whole_or_unchanged():
                    counts = evolution.start_epoch(
                        course.epoch, network, streams.evolution, all_features, batch_size
                    )
                if network.features is not features:
                    data = all_features.of_features(network.features)
            if shuffle:
                order = streams.shuffle.permutation(data.n_samples)
            loss = _run_epoch(
                network, data, order, starts, optimizer, streams, mixtures, n_threads, course,
                None if resting else evolution, counts,
            )  # fmt: skip
            if average is not None:
                average.add(network)
            columns = {"loss": loss}
            if validate is not None:
                score, validation_loss = validate(average.network if average else network)
                columns |= {"validation_loss": validation_loss, "validation_score": score}
            columns |= _sizes(network) | counts
            course.record(**columns, time=perf_counter() - began)
            _follow(course, network, evolution, tol, stop_on_validation)
            course.epoch += 1
            if on_epoch is not None and on_epoch(course):
                break
            if average is not None:
                continue
            if course.n_stale > n_iter_no_change:
                if stop_on_validation or not optimizer.on_plateau():
                    break
                course.n_stale = 0
    except KeyboardInterrupt:
        course.interrupted = True
        course.drop_unfinished()
    except NonFiniteLossError as error:
        diverged = error
    if average is not None and average.n_epochs:
        average.give_to(network)
    if stop_on_validation and course.best is not None:
        network.restore(course.best)
    if diverged is not None:
        raise diverged


def _run_epoch(
    network,
    data,
    order,
    starts,
    optimizer,
    streams,
    mixtures,
    n_threads,
    course,
    evolution,
    counts,
) -> float:
    """One pass over the samples; without `evolution` the topology rests."""
    partners, shares = mixtures.draw(streams.mixup, streams.noise) if mixtures else (None, None)
    loss, weight = 0.0, 0.0
    batch_size = int(starts[1] - starts[0])
    parts = evolution.parts(starts, optimizer.n_steps) if evolution else [starts]
    for part in parts:
        if evolution is not None:
            with network.whole_or_unchanged():
                evolution.between_batches(
                    optimizer.n_steps, network, streams.evolution, counts, data, batch_size
                )
        before = network.numbers()
        part_loss, part_weight = network.train_batches(
            data,
            order,
            part,
            optimizer,
            dropout_seed=int(streams.dropout.integers(0, 2**63)),
            n_threads=n_threads,
            partners=partners,
            shares=shares,
        )
        loss, weight = loss + part_loss, weight + part_weight
        if not (np.isfinite(loss) and network.is_finite()):
            network.set_numbers(before)
            what = "A weight became infinite" if np.isfinite(loss) else f"The loss became {loss}"
            raise NonFiniteLossError(_diverged(what, course, optimizer))
    course.n_samples_seen += data.n_samples
    optimizer.end_epoch(course.n_samples_seen)
    return loss / weight


def _sizes(network: Network) -> dict[str, int]:
    """The columns of the history that tell how large the network is."""
    return {
        "n_connections": network.n_connections,
        **{f"n_connections_{i}": layer.nnz for i, layer in enumerate(network.layers)},
        **{f"hidden_layer_size_{i}": n for i, n in enumerate(network.hidden_layer_sizes)},
    }


def _diverged(what: str, course: Course, optimizer: Optimizer) -> str:
    return (
        f"{what} in epoch {course.epoch}: training diverged. Scale the inputs (for example "
        "with StandardScaler; a regression target too), lower learning_rate_init (now "
        f"{optimizer.learning_rate_init:g}), or look for huge sample weights."
    )


def _follow(course, network, evolution, tol, stop_on_validation) -> None:
    """Update the best values and the patience. Both wait for the last pruning."""
    counts, last = course.epoch >= evolution.last_pruning_epoch, course.last()
    if stop_on_validation:
        score = last["validation_score"]
        if counts:
            course.n_stale = 0 if score >= course.best_score + tol else course.n_stale + 1
            loss = last["validation_loss"]
            better = (score, -loss) > (course.best_score, -course.best_validation_loss)
            if better or course.best is None:
                course.best_score, course.best_validation_loss = score, loss
                course.best = network.snapshot()
        return
    loss = last["loss"]
    if counts:
        course.n_stale = 0 if loss <= course.best_loss - tol else course.n_stale + 1
        course.best_loss = min(course.best_loss, loss)
