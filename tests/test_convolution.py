"""The core's convolutions against sums that are written out, without PyTorch."""

import itertools

import numpy as np
import pytest

from sklearn_set import _native

ISAS = _native.runnable_isas()
DTYPES = (np.float32, np.float64)
# Of each the vertical axis first: kernel, stride, padding in front, dilation; padding behind.
WINDOWS = [
    ((3, 3), (1, 1), (1, 1), (1, 1), (1, 1)),
    ((3, 2), (2, 3), (1, 0), (1, 2), (0, 1)),
    ((1, 1), (2, 2), (0, 0), (1, 1), (0, 0)),
    ((1, 5), (1, 2), (0, 6), (1, 1), (0, 3)),
    ((4, 3), (3, 1), (2, 4), (2, 1), (1, 0)),
]


class Case:
    """A random layer, images and gradients at the results."""

    def __init__(self, window, dtype, n_images=5, channels=6, n_out=9, sizes=(11, 8), draws=150):
        rng = np.random.default_rng(0)
        kernel, self.stride, self.padding, self.dilation, behind = window
        self.window = np.ravel(window[:4]).astype(np.int32)
        self.n_in, self.kernel = channels * kernel[0] * kernel[1], kernel
        self.indptr, self.indices = _native.erdos_renyi(self.n_in, n_out, draws, 1)
        self.weights = rng.standard_normal(len(self.indices)).astype(dtype)
        self.bias = rng.standard_normal(n_out).astype(dtype)
        self.images = rng.standard_normal((n_images, channels, *sizes)).astype(dtype)
        rooms = [
            size + front + back - step * (k - 1) - 1
            for size, front, back, step, k in zip(
                sizes, self.padding, behind, self.dilation, kernel
            )
        ]
        out = [room // s + 1 for room, s in zip(rooms, self.stride)]
        self.delta = rng.standard_normal((n_images, n_out, *out)).astype(dtype)
        pads = [(0, 0), (0, 0), *((p, 50) for p in self.padding)]
        self.padded = np.pad(self.images, pads)

    def seen(self, array, place):
        """What a place of the window sees, for each result: a view."""
        channel, rest = divmod(place, self.kernel[0] * self.kernel[1])
        at = divmod(rest, self.kernel[1])
        slices = [
            slice(k * d, k * d + s * n, s)
            for k, d, s, n in zip(at, self.dilation, self.stride, self.delta.shape[2:])
        ]
        return array[:, channel, slices[0], slices[1]]

    def written_out(self):
        """Results, gradients at the images, the weights and the biases."""
        out = np.zeros_like(self.delta) + self.bias[:, None, None]
        below, of_weights = np.zeros_like(self.padded), np.zeros_like(self.weights)
        for d, (begin, end) in enumerate(itertools.pairwise(self.indptr)):
            for k in range(begin, end):
                seen = self.seen(self.padded, self.indices[k])
                out[:, d] += self.weights[k] * seen
                of_weights[k] = (seen * self.delta[:, d]).sum()
                self.seen(below, self.indices[k])[:] += self.weights[k] * self.delta[:, d]
        (top, left), (height, width) = self.padding, self.images.shape[2:]
        below = below[:, :, top : top + height, left : left + width]
        return out, below, of_weights, self.delta.sum((0, 2, 3))

    def computed(self, **options):
        index = self.indptr, self.indices
        out, below = np.full_like(self.delta, np.nan), np.full_like(self.images, np.nan)
        of_weights, of_bias = np.full_like(self.weights, np.nan), np.full_like(self.bias, np.nan)
        _native.convolve(*index, self.weights, self.bias, self.window, self.images, out, **options)
        _native.convolution_input_gradient(
            *index, *_native.transpose(*index, self.n_in), self.weights, self.window, self.delta,
            below, **options,
        )  # fmt: skip
        _native.convolution_gradient(
            *index, self.window, self.images, self.delta, of_weights, of_bias, **options
        )
        return out, below, of_weights, of_bias


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_sums(window, dtype, isa):
    case = Case(window, dtype)
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}
    for mine, expected in zip(case.computed(isa=isa), case.written_out()):
        np.testing.assert_allclose(mine, expected, **close)


@pytest.mark.parametrize("n_images", [1, 2, 7, 40])
def test_threads_give_the_same_bits(n_images):
    case = Case(WINDOWS[0], np.float32, n_images, channels=16, n_out=32, sizes=(28, 30), draws=2000)
    one = case.computed()
    for n_threads in (2, 3, 8):
        for mine, expected in zip(case.computed(n_threads=n_threads), one):
            np.testing.assert_array_equal(mine, expected)


def test_without_images_or_connections():
    out, below, of_weights, of_bias = Case(WINDOWS[1], np.float64, n_images=0).computed()
    assert out.size == below.size == 0 and not of_weights.any() and not of_bias.any()
    out, below, of_weights, _ = (case := Case(WINDOWS[1], np.float64, draws=0)).computed()
    np.testing.assert_array_equal(out, np.broadcast_to(case.bias[:, None, None], out.shape))
    assert not below.any() and of_weights.size == 0
