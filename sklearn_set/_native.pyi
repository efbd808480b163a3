"""What the compiled core offers; see _core/bind_*.cpp for the checks it makes.

Arrays are C-contiguous and aligned. `_T` is the type of a network's numbers; classes exist once
for each.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._network import Layer

_T = TypeVar("_T", np.float32, np.float64)

# Names and codes of the enumerations in _core.
ACTIVATIONS: dict[str, int]
LOSSES: dict[str, int]
OPTIMIZERS: dict[str, int]

def isa() -> str: ...
def runnable_isas() -> list[str]: ...
def max_threads() -> int: ...

# ------------------------------------------------------------------ topology

def splitmix64(seed: int, counter: int) -> int: ...
def sample_without_replacement(bound: int, count: int, seed: int) -> NDArray[np.int64]: ...
def erdos_renyi(
    n_in: int, n_out: int, draws: int, seed: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
def grow_random(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    n_in: int,
    keep: NDArray[np.uint8],
    n_new: int,
    regrow_dropped: bool,
    seed: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]: ...
def grow_at(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    n_in: int,
    keep: NDArray[np.uint8],
    keys: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]: ...
def remove_neurons(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    n_in: int,
    keep_in: NDArray[np.uint8] | None,
    keep_out: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]: ...
def transpose(
    indptr: NDArray[np.int32], indices: NDArray[np.int32], n_in: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]: ...
def count_signs(weights: NDArray[_T]) -> tuple[int, int, int]: ...
def all_finite(values: NDArray[_T]) -> bool: ...
def drop_nearest_zero(
    weights: NDArray[_T], n_negative: int, n_positive: int
) -> NDArray[np.uint8]: ...
def drop_smallest(scores: NDArray[_T], n_drop: int) -> NDArray[np.uint8]: ...

# ------------------------------------------------------------------ networks

class _Data(Generic[_T]):
    def __init__(
        self,
        x: NDArray[_T] | None,
        data: NDArray[_T] | None,
        indices: NDArray[np.int32] | None,
        indptr: NDArray[np.int64] | None,
        n_features: int,
    ) -> None: ...
    def set_targets(
        self,
        loss: int,
        labels: NDArray[np.int32] | None,
        values: NDArray[_T] | None,
        weights: NDArray[_T] | None,
        huber_delta: float,
    ) -> None: ...

class DataF32(_Data[np.float32]): ...
class DataF64(_Data[np.float64]): ...

class _Network(Generic[_T]):
    def __init__(self, layers: list[Layer], sparse: bool, trainable: bool) -> None: ...
    def bind(self, layers: list[Layer], sparse: bool, trainable: bool) -> None: ...
    def unbind(self) -> None: ...
    def train(
        self,
        data: _Data[_T],
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
        partners: NDArray[np.int64] | None,
        shares: NDArray[_T] | None,
        rule: int,
        rate: float,
        momentum: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        l2: float,
        shrink: float,
        shrink_bias: bool,
        first_step: int,
        dropout_seed: int,
        n_threads: int,
    ) -> tuple[float, float, int, BaseException | None]: ...
    def gradient(
        self,
        data: _Data[_T],
        order: NDArray[np.int64],
        weight_gradients: list[NDArray[_T]],
        bias_gradients: list[NDArray[_T]],
        dropout_seed: int,
        n_threads: int,
    ) -> float: ...
    def steepest_places(
        self,
        data: _Data[_T],
        order: NDArray[np.int64],
        layers: Sequence[int],
        keeps: list[NDArray[np.uint8]],
        counts: Sequence[int],
        dropout_seed: int,
        n_threads: int,
    ) -> list[NDArray[np.int64]]: ...
    def predict(self, data: _Data[_T], out: NDArray[_T], n_threads: int) -> None: ...

class NetworkF32(_Network[np.float32]): ...
class NetworkF64(_Network[np.float64]): ...

# ------------------------------------------------------------------ single kernels

def product(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[_T],
    bias: NDArray[_T],
    a: NDArray[_T],
    z: NDArray[_T],
    activation: int = 0,
    slope: float = 0.0,
    derivative: NDArray[_T] | None = None,
    dropout: float = 0.0,
    dropout_seed: int = 0,
    isa: str = "",
    repeat: int = 1,
    n_threads: int = 1,
) -> None: ...
def transposed_product(
    indptr: NDArray[np.int32],
    positions: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[_T],
    delta: NDArray[_T],
    out: NDArray[_T],
    activation: int = 0,
    slope: float = 0.0,
    a: NDArray[_T] | None = None,
    derivative: NDArray[_T] | None = None,
    isa: str = "",
    repeat: int = 1,
    n_threads: int = 1,
) -> None: ...
def gradient(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    a: NDArray[_T],
    delta: NDArray[_T],
    gradient: NDArray[_T],
    bias_gradient: NDArray[_T],
    isa: str = "",
    repeat: int = 1,
    n_threads: int = 1,
) -> None: ...
def descend(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    a: NDArray[_T],
    delta: NDArray[_T],
    weights: NDArray[_T],
    first: NDArray[_T],
    second: NDArray[_T],
    bias: NDArray[_T],
    bias_first: NDArray[_T],
    bias_second: NDArray[_T],
    sensitivity: NDArray[_T] | None,
    rule: int,
    rate: float,
    momentum: float = 0.0,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    l2: float = 0.0,
    shrink: float = 0.0,
    shrink_bias: bool = False,
    isa: str = "",
    repeat: int = 1,
) -> None: ...
def gather_rows(
    x: NDArray[_T],
    order: NDArray[np.int64],
    partners: NDArray[np.int64] | None,
    shares: NDArray[_T] | None,
    a: NDArray[_T],
    isa: str = "",
) -> None: ...
def convolve(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    weights: NDArray[_T],
    bias: NDArray[_T],
    window: NDArray[np.int32],
    images: NDArray[_T],
    out: NDArray[_T],
    isa: str = "",
    n_threads: int = 1,
) -> None: ...
def convolution_input_gradient(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    by_place_indptr: NDArray[np.int32],
    by_place_positions: NDArray[np.int32],
    by_place_indices: NDArray[np.int32],
    weights: NDArray[_T],
    window: NDArray[np.int32],
    delta: NDArray[_T],
    below: NDArray[_T],
    isa: str = "",
    n_threads: int = 1,
) -> None: ...
def convolution_gradient(
    indptr: NDArray[np.int32],
    indices: NDArray[np.int32],
    window: NDArray[np.int32],
    images: NDArray[_T],
    delta: NDArray[_T],
    gradient: NDArray[_T],
    bias_gradient: NDArray[_T],
    isa: str = "",
    n_threads: int = 1,
) -> None: ...
def carry(
    values: NDArray[_T],
    source: NDArray[np.int32],
    new_values: NDArray[_T] | None = None,
    isa: str = "",
) -> NDArray[_T]: ...
