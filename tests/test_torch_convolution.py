"""Sparse convolutions in PyTorch: values, gradients, copies, evolution."""

import copy
import io
import itertools
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits

torch = pytest.importorskip("torch", reason="PyTorch is missing (extra torch)")
from torch import nn  # noqa: E402

from sklearn_set._amounts import in_proportion  # noqa: E402
from sklearn_set.torch import SparseConv1d, SparseConv2d, SparseLinear, evolve  # noqa: E402

# Of torch's own convolution.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

F64 = {"dtype": torch.float64}
CLOSE = {torch.float32: {"rtol": 1e-4, "atol": 1e-4}, torch.float64: {}}
# kernel, stride, padding, dilation
WINDOWS = [
    (1, 1, 0, 1),
    (1, 2, 0, 1),
    (1, 3, 2, 1),
    (3, 1, 0, 1),
    (3, 1, 1, 1),
    (3, 2, 1, 1),
    (3, 3, 0, 1),
    (3, 1, 2, 2),
    (3, 2, 2, 3),
    (5, 1, 7, 1),
    (2, 1, "same", 1),
    (3, 1, "same", 2),
    (4, 3, "valid", 1),
    ((3, 1), (1, 2), (0, 3), (2, 1)),
    ((2, 5), (3, 1), (1, 4), (1, 2)),
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def dense_weight(layer):
    weight = torch.from_numpy(layer.to_scipy().toarray().T.copy())
    return weight.reshape(layer.out_channels, layer.in_channels, *layer.kernel_size)


def dense(layer):
    """torch's own convolution with the same weights."""
    cls = nn.Conv1d if isinstance(layer, SparseConv1d) else nn.Conv2d
    options = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    twin = cls(
        layer.in_channels, layer.out_channels, layer.kernel_size, **options,
        bias=layer.bias is not None, dtype=layer.weight.dtype,
    )  # fmt: skip
    with torch.no_grad():
        twin.weight.copy_(dense_weight(layer))
        if layer.bias is not None:
            twin.bias.copy_(layer.bias)
    return twin


def gradients_of(module, x):
    inside = x.clone().requires_grad_()
    out = torch.tanh(module(inside))
    factor = torch.linspace(1, 2, out.numel(), dtype=x.dtype).reshape(out.shape)
    (out.square() * factor).sum().backward()
    return out, inside.grad, module.weight.grad, None if module.bias is None else module.bias.grad


def at_connections(layer, gradient):
    """The entries of a dense weight's gradient that the layer has."""
    flat = gradient.reshape(layer.out_channels, -1)
    return flat[layer.connectivity.destinations(), layer.indices.numpy()]


def assert_equals_dense(layer, x):
    ours, theirs = gradients_of(layer, x), gradients_of(dense(layer), x)
    close = CLOSE[x.dtype]
    assert ours[0].shape == theirs[0].shape
    torch.testing.assert_close(ours[0], theirs[0], **close)
    torch.testing.assert_close(ours[1], theirs[1], **close)
    torch.testing.assert_close(ours[2], at_connections(layer, theirs[2]), **close)
    if layer.bias is not None:
        torch.testing.assert_close(ours[3], theirs[3], **close)


# ------------------------------------------------------------------ values and gradients


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("shape", [(3, 5, 13, 10), (1, 5, 9, 31), (20, 5, 8, 8)], ids=str)
def test_equals_torch_with_a_masked_weight(window, shape, dtype):
    kernel, stride, padding, dilation = window
    layer = SparseConv2d(5, 7, kernel, stride, padding, dilation, density=0.3, dtype=dtype)
    nn.init.normal_(layer.bias)
    assert_equals_dense(layer, torch.randn(shape, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("window", [w for w in WINDOWS if not isinstance(w[0], tuple)], ids=str)
@pytest.mark.parametrize("shape", [(4, 6, 17), (1, 6, 100)], ids=str)
def test_equals_torch_along_one_axis(window, shape, dtype):
    layer = SparseConv1d(6, 5, *window, density=0.3, bias=False, dtype=dtype)
    assert_equals_dense(layer, torch.randn(shape, dtype=dtype))


@pytest.mark.parametrize("density", [0.002, 1.0])
def test_few_and_all_connections(density):
    layer = SparseConv2d(9, 11, 3, padding=1, density=density)
    assert_equals_dense(layer, torch.randn(2, 9, 6, 6))


@pytest.mark.parametrize("window", [(3, 1, 1, 1), (3, 2, 1, 1), (2, 1, "same", 2)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_gradcheck(window, bias):
    layer = SparseConv2d(3, 4, *window, density=0.4, bias=bias, **F64)
    x = torch.randn(2, 3, 6, 5, requires_grad=True, **F64)
    parameters = [p for p in (layer.weight, layer.bias) if p is not None]

    def call(x, *parameters):
        return layer(x)

    assert torch.autograd.gradcheck(call, (x, *parameters))


def test_inputs_in_any_memory_layout():
    layer = SparseConv2d(4, 6, 3, padding=1, density=0.4, **F64)
    x = torch.randn(3, 4, 8, 8, **F64)
    expected = dense(layer)(x)
    strided = torch.randn(6, 4, 16, 8, **F64)
    strided[::2, :, ::2] = x
    for same in (x.contiguous(memory_format=torch.channels_last), strided[::2, :, ::2]):
        torch.testing.assert_close(layer(same), expected)
    torch.testing.assert_close(layer(x[0]), expected[0])  # without a batch
    assert layer(x[:0]).shape == (0, 6, 8, 8)
    layer(x[:0]).sum().backward()
    assert (layer.weight.grad == 0).all()
    one = SparseConv1d(4, 6, 3, density=0.4)
    torch.testing.assert_close(one(torch.ones(4, 9)), dense(one)(torch.ones(4, 9)))


def test_only_what_is_asked_for():
    layer = SparseConv2d(4, 6, 3, density=0.4)
    layer(torch.randn(2, 4, 8, 8)).sum().backward()  # no gradient at the input
    assert layer.weight.grad is not None
    layer.requires_grad_(False)
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, gradients_of_sum(dense(layer), x))


def gradients_of_sum(module, x):
    inside = x.detach().clone().requires_grad_()
    module(inside).sum().backward()
    return inside.grad


@pytest.mark.parametrize("n_images", [1, 5, 32])
def test_any_number_of_threads_gives_the_same_bits(n_images, monkeypatch):
    layer = SparseConv2d(32, 48, 3, padding=1, density=0.2)
    x = torch.randn(n_images, 32, 14, 14)
    results = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        layer.zero_grad()
        results.append(gradients_of(layer, x))
    for one, other in itertools.pairwise(results):
        assert all(torch.equal(a, b) for a, b in zip(one, other))


def test_an_image_does_not_reach_its_neighbours():
    layer = SparseConv2d(3, 4, 3, padding=1, density=0.9)
    x = torch.randn(5, 3, 7, 7)
    expected = layer(x)
    x[2] = torch.nan
    out = layer(x)
    assert torch.isnan(out[2]).any()
    others = [0, 1, 3, 4]
    assert torch.equal(out[others], expected[others])


def test_bad_arguments_and_inputs():
    for arguments, message in (
        ({"kernel_size": 0}, r"kernel_size=0 must be a whole number, or 2 of them, >= 1"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size=\(3, 3, 3\)"),
        ({"stride": 1.5}, r"stride=1\.5"),
        ({"padding": -1}, r"padding=-1 must be .* >= 0"),
        ({"padding": "reflect"}, "padding='reflect'"),
        ({"padding": "same", "stride": 2}, "padding='same' needs stride=1, but stride=2"),
        ({"dilation": (1, 0)}, r"dilation=\(1, 0\)"),
        ({"density": None}, "give exactly one"),
        ({"init": "zeros"}, "init='zeros'"),
    ):
        with pytest.raises(ValueError, match=message):
            SparseConv2d(4, 3, **{"kernel_size": 3, "density": 0.5} | arguments)
    with pytest.raises(ValueError, match="in_channels=0 must be a whole number >= 1"):
        SparseConv1d(0, 3, 3, density=0.5)
    layer = SparseConv2d(4, 3, 3, density=0.5)
    for shape in ((2, 5, 8, 8), (4, 8), (1, 1, 4, 8, 8)):
        with pytest.raises(ValueError, match=r"\(N, 4, H, W\).*in_channels=4"):
            layer(torch.ones(shape))
    with pytest.raises(ValueError, match=r"\(1, 4, 8, 2\).*smaller than the kernel.*\(3, 3\)"):
        layer(torch.ones(1, 4, 8, 2))
    with pytest.raises(TypeError, match="SparseConv2d runs on the CPU only"):
        layer(torch.ones(1, 4, 8, 8, device="meta"))
    with pytest.raises(TypeError, match=r"torch.float64; this layer needs .* torch.float32"):
        layer(torch.ones(1, 4, 8, 8, **F64))


# ------------------------------------------------------------------ copies and files


@pytest.mark.parametrize("make", [
    lambda density: SparseConv2d(6, 5, 3, padding=1, density=density),
    lambda density: SparseConv1d(6, 5, 3, stride=2, density=density),
])  # fmt: skip
def test_copies_and_files(make):
    layer = make(0.3)
    x = torch.randn(2, 6, *[9] * layer.n_axes)
    expected = layer(x)
    stored = io.BytesIO()
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    other = make(0.5)
    other(x)
    other.load_state_dict(torch.load(stored, weights_only=True))
    for same in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), other):
        assert torch.equal(same(x), expected)
        evolve(same, None)
        assert not torch.equal(same(x), expected)
        assert torch.equal(layer(x), expected)
    assert type(layer).__module__ == "sklearn_set.torch"


def test_what_it_says_of_itself():
    layer = SparseConv2d(16, 32, (3, 1), 2, "valid", density=0.25)
    assert repr(layer) == (
        "SparseConv2d(16, 32, kernel_size=(3, 1), stride=(2, 2), padding='valid', "
        "connections=384, density=0.25, bias=True)"
    )


def test_first_weights_by_the_real_fan_in():
    layer = SparseConv2d(64, 32, 3, density=0.05)
    in_degree = np.diff(layer.indptr.numpy())
    limit = np.sqrt(6 / np.repeat(in_degree, in_degree))
    size = layer.weight.detach().abs().numpy()
    assert (size <= limit * 1.0001).all() and (size / limit).max() > 0.99


# ------------------------------------------------------------------ evolution


def cnn(**options):
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        SparseConv2d(1, 16, 3, padding=1, density=0.5, **options), nn.ReLU(),
        SparseConv2d(16, 32, 3, stride=2, padding=1, density=0.1, **options), nn.ReLU(),
        nn.Flatten(),
        SparseLinear(512, 50, density=0.1, **options), nn.ReLU(),
        SparseLinear(50, 10, density=0.5, **options),
    )  # fmt: skip


def sparse_layers(model):
    return [layer for layer in model if hasattr(layer, "connectivity")]


@pytest.mark.parametrize("grow", ["random", "gradient"])
@pytest.mark.parametrize("drop", ["magnitude", "sensitivity", "path"])
def test_evolves_with_every_rule(drop, grow):
    model = cnn(track=("sensitivity", "gradient"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X / 16).float(), torch.from_numpy(y)
    before = [layer.indices.clone() for layer in sparse_layers(model)]
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[:200]), y[:200]).backward()
        optimizer.step()
        counts = evolve(model, optimizer, drop=drop, grow=grow, alpha=0.05)
        assert 0 < counts["n_grown"] == counts["n_dropped"]
        assert counts["n_pruned"] == 2
    for layer, indices in zip(sparse_layers(model)[:2], before):
        assert len(layer.weight) == len(layer.indices) == len(indices)
        assert not torch.equal(layer.indices, indices)
        assert optimizer.state[layer.weight]["exp_avg"].shape == layer.weight.shape


@pytest.mark.parametrize("window", [(3, 1, 1, 1), (3, 2, 1, 2), (2, 1, "same", 1)], ids=str)
@pytest.mark.parametrize("cls", [SparseConv1d, SparseConv2d])
def test_growth_by_gradient(cls, window):
    layer = cls(6, 8, *window, density=0.2, track=("gradient",), **F64)
    with pytest.raises(
        ValueError, match=r"needs the gradient of a backward pass, but none reached"
    ):
        evolve(layer, None, grow="gradient")
    untracked = cls(6, 8, *window, density=0.2)
    with pytest.raises(
        ValueError, match=r"has track=\(\)\. Make the layer with track=\(\"gradient"
    ):
        evolve(untracked, None, grow="gradient")
    twin, x = dense(layer), torch.randn(3, 6, *[9] * layer.n_axes, **F64)
    for module in (layer, twin):
        module(x).square().sum().backward()
    kept_from = set(layer.weight.tolist())
    n_grown = evolve(layer, None, grow="gradient", new_weights="zero")["n_grown"]
    columns = layer.connectivity.destinations(), layer.indices.numpy()
    is_new = np.array([w not in kept_from for w in layer.weight.tolist()])
    steepness = twin.weight.grad.abs().reshape(8, -1).numpy()
    steepness[columns[0][~is_new], columns[1][~is_new]] = -1
    expected = np.sort(np.argsort(steepness, axis=None)[::-1][:n_grown])
    found = columns[0][is_new].astype(int) * steepness.shape[1] + columns[1][is_new]
    np.testing.assert_array_equal(np.sort(found), expected)


# ------------------------------------------------------------------ connections that move


def all_weights(model):
    return torch.cat([layer.weight.detach() for layer in sparse_layers(model)]).abs()


def keys_of(layer):
    places = layer.connectivity.destinations().astype(np.int64) * layer.shape[0]
    return places + layer.indices.numpy()


def test_redistribution_is_that_of_dsr():
    model = cnn(**F64)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(torch.randn(8, 64, **F64)).square().sum().backward()
    optimizer.step()
    layers = sparse_layers(model)
    with torch.no_grad():
        layers[1].weight.mul_(0.3)  # so that it loses more than it gets
    sizes, values = [len(layer.weight) for layer in layers], all_weights(model)
    threshold = values.quantile(0.2).item()
    before = [dict(zip(keys_of(layer), layer.weight.tolist())) for layer in layers]
    kept = [{k: w for k, w in old.items() if abs(w) >= threshold} for old in before]
    n_dropped = sum(sizes) - sum(map(len, kept))
    counts = evolve(
        model, optimizer, redistribute="survivors", target_fraction=0.2,
        initial_threshold=threshold, new_weights="zero",
    )  # fmt: skip
    assert counts["n_dropped"] == counts["n_grown"] == n_dropped
    assert counts["threshold"] == threshold
    n_free = [np.prod(layer.shape) - size for layer, size in zip(layers, sizes)]
    quotas = in_proportion([len(stayed) for stayed in kept], n_free, n_dropped)
    for layer, old, stayed, quota in zip(layers, before, kept, quotas):
        now = dict(zip(keys_of(layer), layer.weight.tolist()))
        assert len(now) == len(stayed) + quota == len(layer.indices)
        assert {k: w for k, w in now.items() if k in stayed} == stayed
        new = set(now) - set(stayed)
        assert not new & set(old) and all(now[k] == 0 for k in new)
        moment = optimizer.state[layer.weight]["exp_avg"]
        assert moment.shape == layer.weight.shape == layer.weight.grad.shape
        assert (moment[torch.tensor([k in new for k in now])] == 0).all()
    assert len(layers[1].weight) < sizes[1] and len(layers[2].weight) > sizes[2]


def test_redistribution_keeps_the_total_and_finds_its_threshold():
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X / 16).float(), torch.from_numpy(y)
    model, results = cnn(), []
    model[6].evolves = False  # the first linear layer
    resting, sizes = model[6].indices.clone(), [len(layer.weight) for layer in sparse_layers(model)]
    for again in (model, copy.deepcopy(model)):
        torch.manual_seed(1)
        optimizer = torch.optim.Adam(again.parameters(), lr=0.003)
        counts = []
        for rows in torch.randperm(1200).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(again(X[rows]), y[rows]).backward()
            optimizer.step()
            counts.append(evolve(again, optimizer, redistribute="survivors", target_fraction=0.05))
            assert sum(len(layer.weight) for layer in sparse_layers(again)) == sum(sizes)
        results.append((counts, again.state_dict()))
    assert [len(layer.weight) for layer in sparse_layers(model)] != sizes
    assert torch.equal(model[6].indices, resting)
    thresholds = np.array([count["threshold"] for count in results[0][0]])
    assert set(thresholds[1:] / thresholds[:-1]) <= {0.5, 1, 2} and thresholds[-1] > 0.001
    evolving = sum(sizes) - sizes[2]
    dropped = np.mean([count["n_dropped"] for count in results[0][0][-10:]])
    assert 0.02 * evolving < dropped < 0.25 * evolving
    assert results[0][0] == results[1][0]  # the same draws: the same bits
    assert all(torch.equal(a, results[1][1][name]) for name, a in results[0][1].items())
    # Copies know the threshold, and a given one counts for a model that has none.
    copied = pickle.loads(pickle.dumps(model))
    counts = evolve(copied, None, redistribute="survivors", target_fraction=0)
    assert counts["threshold"] == thresholds[-1] and counts["n_dropped"] == 0


def test_redistribution_to_the_steepest_places():
    model = cnn(track=("gradient",))
    model(torch.randn(8, 64)).square().sum().backward()
    total = len(all_weights(model))
    threshold = all_weights(model).quantile(0.3).item()
    options = {"redistribute": "survivors", "initial_threshold": threshold}
    counts = evolve(model, None, grow="gradient", **options)
    assert counts["n_grown"] == counts["n_dropped"] > 0.2 * total
    assert len(all_weights(model)) == total


def test_redistribution_refuses():
    layer = SparseConv2d(3, 4, 3, density=0.5)
    for arguments, message in (
        ({"redistribute": "all"}, "redistribute='all' is neither None nor 'survivors'"),
        ({"redistribute": "survivors", "drop": "path"}, "drop='path' has no part in"),
        ({"redistribute": "survivors", "grow": "path"}, "grow='path' follows layers"),
        ({"target_fraction": 1}, "target_fraction=1 must lie in"),
        ({"initial_threshold": 0}, "initial_threshold=0 must be > 0"),
    ):
        with pytest.raises(ValueError, match=message):
            evolve(layer, None, **arguments)


def test_training_and_evolving_learns():
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X / 16).float(), torch.from_numpy(y)
    model = cnn()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    for _ in range(6):
        for rows in torch.randperm(1200).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
        evolve(model, optimizer, zeta=0.2)
    for rows in torch.randperm(1200).split(32):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
        optimizer.step()
    assert (model(X[1200:]).argmax(1) == y[1200:]).float().mean() > 0.9
