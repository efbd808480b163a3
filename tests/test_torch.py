"""Sparse layers in PyTorch: values and gradients, evolution with optimizers, estimators."""

import copy
import io
import itertools
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from sklearn_set import (
    DSRClassifier,
    NPSETClassifier,
    NPSETRegressor,
    SETClassifier,
    SETRegressor,
    SETSurvivalAnalysis,
    _native,
    _threads,
)

torch = pytest.importorskip("torch", reason="PyTorch is missing (extra torch)")
from torch import nn  # noqa: E402

from sklearn_set.rules import DROPS, GROWS, DropRule, GrowthRule  # noqa: E402
from sklearn_set.torch import SparseLinear, evolve, from_torch, to_torch  # noqa: E402

F64 = {"dtype": torch.float64}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def dense(layer):
    """The same layer as a torch.nn.Linear."""
    n_out, n_in = layer.out_features, layer.in_features
    linear = nn.Linear(n_in, n_out, bias=layer.bias is not None, dtype=layer.weight.dtype)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(layer.to_scipy().toarray().T.copy()))
        if layer.bias is not None:
            linear.bias.copy_(layer.bias)
    return linear


def places(layer):
    """(row, column) of each connection in the dense weight of shape (out, in)."""
    return layer.connectivity.destinations(), layer.indices.numpy()


# ------------------------------------------------------------------ values and gradients


@pytest.mark.parametrize("batch", [1, 3, 4, 8, 16, 33])
@pytest.mark.parametrize("bias", [True, False])
def test_gradcheck(batch, bias):
    layer = SparseLinear(7, 5, density=0.4, bias=bias, **F64)
    x = torch.randn(batch, 7, requires_grad=True, **F64)
    parameters = [p for p in (layer.weight, layer.bias) if p is not None]

    def call(x, *parameters):
        return layer(x)

    assert torch.autograd.gradcheck(call, (x, *parameters))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(30,), (1, 30), (64, 30), (2, 0, 30), (4, 9, 30)])
def test_equals_a_dense_layer_with_the_same_weights(shape, dtype):
    layer = SparseLinear(30, 20, density=0.2, dtype=dtype)
    nn.init.normal_(layer.bias)
    linear, gradients = dense(layer), []
    x = torch.randn(shape, dtype=dtype)
    for module in (layer, linear):
        inside = x.clone().requires_grad_()
        out = torch.tanh(module(inside))
        assert out.shape == (*shape[:-1], 20) and out.dtype == dtype
        out.square().sum().backward()
        gradients.append((out, inside.grad, module.weight.grad, module.bias.grad))
    ours, theirs = gradients
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {}
    for mine, other in ((ours[i], theirs[i]) for i in (0, 1, 3)):
        torch.testing.assert_close(mine, other, **close)
    torch.testing.assert_close(ours[2], theirs[2][places(layer)], **close)


def test_inputs_in_any_memory_layout():
    layer = SparseLinear(12, 6, density=0.5, **F64)
    x = torch.randn(32, 12, **F64)
    expected = dense(layer)(x)
    by_column = x.T.contiguous().T
    strided = torch.randn(64, 24, **F64)
    strided[::2, ::2] = x
    for same in (by_column, strided[::2, ::2], torch.cat([x, x])[:32]):
        torch.testing.assert_close(layer(same), expected)
    torch.testing.assert_close(layer(x[:1].expand(5, 12)), expected[:1].expand(5, 6))
    # Rubbish around the values that count must not reach the gradients.
    padded = torch.full((12, 40), float("nan"), **F64)
    padded[:, :32] = x.T
    layer(padded[:, :32].T).sum().backward()
    assert torch.isfinite(layer.weight.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_number_of_threads_gives_the_same_bits(dtype, monkeypatch):
    layer = SparseLinear(600, 500, density=0.1, dtype=dtype)
    x = torch.randn(128, 600, dtype=dtype)
    given = []
    original = _native.product
    monkeypatch.setattr(
        _native,
        "product",
        lambda *args, n_threads: (given.append(n_threads), original(*args, n_threads=n_threads)),
    )
    results = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        inside = x.clone().requires_grad_()
        layer.zero_grad()
        out = layer(inside)
        out.square().sum().backward()
        results.append((out, inside.grad, layer.weight.grad, layer.bias.grad))
    assert given == [1, 2, 3]
    for one, other in itertools.pairwise(results):
        assert all(torch.equal(a, b) for a, b in zip(one, other))


def test_a_forked_child_uses_one_thread(monkeypatch):
    monkeypatch.setattr(_threads, "_forked", True)
    given = []
    monkeypatch.setattr(_native, "product", lambda *args, n_threads: given.append(n_threads))
    SparseLinear(4, 4, density=1.0)(torch.ones(1, 4))
    assert given == [1]


def test_autograd_notices_what_changed_under_it():
    layer = SparseLinear(8, 8, density=0.5)
    x = torch.randn(32, 8, requires_grad=True)
    loss = layer(x).sum()
    with torch.no_grad():
        layer.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    loss = layer(x).sum()
    evolve(layer, None)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    h = torch.relu(layer(x))  # neuron-major, read without a copy
    loss = layer(h).sum()
    h.data.add_(0)
    with torch.no_grad():
        h.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    # The activations' own change in place is allowed, as behind a Linear.
    nn.Sequential(layer, nn.ReLU(inplace=True))(x).sum().backward()
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)[0]
        gradient.sum().backward()


def test_initial_connections_and_weights():
    layer = SparseLinear(300, 200, density=0.05)
    assert len(layer.weight) == len(layer.indices) == 3000
    assert (layer.bias == 0).all()
    in_degree = np.diff(layer.indptr.numpy())
    limit = np.sqrt(6 / np.repeat(in_degree, in_degree))
    size = layer.weight.detach().abs().numpy()
    assert (size <= limit * 1.0001).all() and (size / limit).max() > 0.99
    by_epsilon = SparseLinear(300, 200, epsilon=5)
    assert 2400 < len(by_epsilon.weight) <= 2500
    torch.manual_seed(1)
    first = SparseLinear(30, 20, density=0.3)
    torch.manual_seed(1)
    again = SparseLinear(30, 20, density=0.3)
    own = SparseLinear(30, 20, density=0.3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first.indices, again.indices) and torch.equal(first.weight, again.weight)
    assert torch.equal(first.indices, own.indices)
    assert not torch.equal(first.indices, SparseLinear(30, 20, density=0.3).indices)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give exactly one"),
        ({"density": 0.1, "epsilon": 3}, "give exactly one"),
        ({"density": 0}, r"density=0 must lie in \(0, 1\]"),
        ({"density": 1.5}, "density=1.5"),
        ({"epsilon": -1}, "epsilon=-1 must be > 0"),
        ({"density": 1, "init": "zeros"}, "init='zeros'"),
        ({"density": 1, "track": ("loss",)}, "'loss'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SparseLinear(4, 4, **arguments)
    with pytest.raises(ValueError, match="in_features=0"):
        SparseLinear(0, 4, density=1)


def test_bad_inputs():
    layer = SparseLinear(4, 3, density=0.5)
    with pytest.raises(TypeError, match="CPU only; the input is on meta"):
        layer(torch.ones(2, 4, device="meta"))
    with pytest.raises(TypeError, match="CPU only; the layer is on meta"):
        copy.deepcopy(layer).to("meta")(torch.ones(2, 4))
    with pytest.raises(TypeError, match=r"torch.float64; this layer needs .* torch.float32"):
        layer(torch.ones(2, 4, **F64))
    with pytest.raises(TypeError, match=r"not in torch\.bfloat16"):
        copy.deepcopy(layer).bfloat16()(torch.ones(2, 4))
    with pytest.raises(TypeError, match=r"not in torch\.float16"):
        SparseLinear(4, 3, density=0.5, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"\(2, 5\).*in_features=4"):
        layer(torch.ones(2, 5))
    assert copy.deepcopy(layer).double()(torch.ones(2, 4, **F64)).dtype == torch.float64


# ------------------------------------------------------------------ copies and files


def test_copies_and_files():
    layer = SparseLinear(20, 10, density=0.3)
    x = torch.randn(5, 20)
    expected = layer(x)
    stored = io.BytesIO()
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    other = SparseLinear(20, 10, density=0.5)  # another number of connections
    parameter = other.weight
    other(x)
    other.load_state_dict(torch.load(stored, weights_only=True))
    assert other.weight is parameter
    for same in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), other):
        assert torch.equal(same(x), expected)
        evolve(same, None)
        assert not torch.equal(same(x), expected)
        assert torch.equal(layer(x), expected)
    assert SparseLinear.__module__ == "sklearn_set.torch"  # so that pickles stay readable
    with pytest.raises(RuntimeError, match="indices names input 19"):
        SparseLinear(15, 10, density=0.3).load_state_dict(layer.state_dict())
    # In place, as load_state_dict of the same size does it.
    same_size = SparseLinear(20, 10, density=0.3)
    same_size(x)
    same_size.load_state_dict(layer.state_dict())
    assert torch.equal(same_size(x), expected)


def test_scipy_there_and_back():
    rng = np.random.default_rng(0)
    coef = sparse.random_array((9, 7), density=0.3, rng=rng, format="coo")
    layer = SparseLinear.from_scipy(coef, np.arange(7.0))
    np.testing.assert_array_equal(layer.to_scipy().toarray(), coef.toarray())
    x = rng.normal(size=(3, 9))
    np.testing.assert_allclose(
        layer(torch.from_numpy(x)).detach(), x @ coef.toarray() + np.arange(7.0)
    )
    with pytest.raises(ValueError, match=r"bias has shape \(3,\)"):
        SparseLinear.from_scipy(coef, np.zeros(3))
    with pytest.raises(TypeError, match="int64"):
        SparseLinear.from_scipy(sparse.csc_array(np.eye(3, dtype=np.int64)))


# ------------------------------------------------------------------ evolution

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, initial_accumulator_value=0.5),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.01),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=0.01),
}
FRESH = {"sum": 0.5, "step_size": 0.01}


def step(model, optimizer, n_features=40):
    optimizer.zero_grad()
    model(torch.randn(16, n_features)).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_any_optimizer_moves_along(name):
    layer = SparseLinear(40, 30, density=0.2)
    optimizer = OPTIMIZERS[name](layer.parameters())
    for _ in range(3):
        step(layer, optimizer)
    key = layer.connectivity.destinations().astype(np.int64) * 40 + layer.indices.numpy()
    before = {k: v.clone() for k, v in optimizer.state[layer.weight].items() if v is not None}
    before["weight"], before["grad"] = layer.weight.detach().clone(), layer.weight.grad.clone()
    parameter = layer.weight
    counts = evolve(layer, optimizer, zeta=0.3)
    assert layer.weight is parameter and len(parameter) == 240
    assert 0 < counts["n_dropped"] == counts["n_grown"] <= 72
    key_after = layer.connectivity.destinations().astype(np.int64) * 40 + layer.indices.numpy()
    assert (np.diff(key_after) > 0).all()
    after = {**optimizer.state[layer.weight], "weight": layer.weight, "grad": layer.weight.grad}
    # A dropped place may have been drawn again: it counts as new.
    weight = dict(zip(key, before["weight"].tolist()))
    kept = np.array([weight.get(k) == w for k, w in zip(key_after, layer.weight.tolist())])
    assert kept.sum() == 240 - counts["n_grown"]
    source = np.searchsorted(key, key_after[kept])
    moved = 0
    for entry, old in before.items():
        if old.shape != (240,):
            assert torch.equal(after[entry], old), entry
            continue
        moved += 1
        assert torch.equal(after[entry][kept], old[source]), entry
        if entry != "weight":
            assert (after[entry][~kept] == FRESH.get(entry, 0)).all(), entry
    assert moved >= (2 if name == "sgd" else 3)
    assert (layer.weight[~kept] != 0).all()
    for _ in range(2):
        step(layer, optimizer)
        assert torch.isfinite(layer.weight).all()


def test_evolve_drops_what_the_estimators_drop():
    layer = SparseLinear(40, 30, density=0.2)
    weights = layer.weight.detach().numpy().copy()
    counts = evolve(layer, None, zeta=0.5, new_weights="zero")
    positive, negative = np.sort(weights[weights > 0]), np.sort(-weights[weights < 0])
    n_kept = len(positive) - len(positive) // 2 + len(negative) - len(negative) // 2
    stayed = layer.weight.detach().numpy()
    stayed = stayed[stayed != 0]
    assert len(stayed) == n_kept == 240 - counts["n_dropped"]
    assert stayed[stayed > 0].min() == positive[len(positive) // 2]
    assert (-stayed[stayed < 0]).min() == negative[len(negative) // 2]


def test_evolving_goes_on_and_counts_survivors():
    model = nn.Sequential(
        SparseLinear(40, 30, density=0.2), nn.ReLU(), SparseLinear(30, 20, density=0.2)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    survived = []
    for _ in range(5):
        for _ in range(5):
            step(model, optimizer)
        survived.append(evolve(model, optimizer)["n_survived"])
    assert survived[0] == 0 and min(survived[1:]) > 0
    assert sum(len(layer.weight) for layer in (model[0], model[2])) == 240 + 120


def test_layers_that_rest():
    model = nn.Sequential(
        SparseLinear(40, 30, density=0.2), SparseLinear(30, 20, density=0.2, evolves=False)
    )
    resting = model[1].indices.clone()
    assert evolve(model, torch.optim.SGD(model[0].parameters(), lr=0.1))["n_grown"] > 0
    assert torch.equal(model[1].indices, resting)
    evolve(model, None, zeta=0)


def test_sensitivity_and_path():
    layer = SparseLinear(40, 30, density=0.2, track=("sensitivity",))
    with pytest.raises(
        ValueError, match="DropSensitivity needs the sensitivity of a backward pass"
    ):
        evolve(layer, None, drop="sensitivity")
    x = torch.randn(16, 40)
    expected = torch.zeros(240)
    for _ in range(2):
        layer.zero_grad()
        layer(x).square().sum().backward()
        expected += (layer.weight * layer.weight.grad).abs().detach()
    weights = layer.weight.detach().clone()
    evolve(layer, None, drop="sensitivity", zeta=0.25, new_weights="zero")
    kept = weights[expected.argsort()[60:]].sort().values
    now = layer.weight.detach()
    assert torch.equal(now[now != 0].sort().values, kept)
    with pytest.raises(
        ValueError, match="needs the sensitivity of a backward pass"
    ):  # counted anew
        evolve(layer, None, drop="sensitivity")
    # The weakest paths of a chain: a neuron that leads nowhere loses its connections first.
    chain = nn.Sequential(SparseLinear(20, 10, density=1.0), SparseLinear(10, 4, density=1.0))
    with torch.no_grad():
        chain[1].weight[chain[1].indices == 3] *= 1e-6
    evolve(chain[:], None, drop="path", zeta=0.1, new_weights="zero")
    column = chain[0].to_scipy().toarray()[:, 3]
    assert np.count_nonzero(column) == 0


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("grow", GROWS)
def test_every_rule(drop, grow):
    track = ("sensitivity", "gradient")
    model = nn.Sequential(
        *(SparseLinear(*shape, density=0.2, track=track) for shape in ((30, 40), (40, 20)))
    )
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(16, 30)).square().sum().backward()
    optimizer.step()
    before = [len(layer.weight) for layer in model]
    counts = evolve(model, optimizer, drop=drop, grow=grow)
    assert counts["n_grown"] == counts["n_dropped"] > 0
    assert [len(layer.weight) for layer in model] == before


def test_growth_by_gradient():
    layer = SparseLinear(50, 40, density=0.2, track=("gradient",))
    with pytest.raises(ValueError, match="GrowSteepest needs the gradient of a backward pass"):
        evolve(layer, None, grow="gradient")
    linear, x = dense(layer), torch.randn(20, 50)
    for module in (layer, linear):
        module(x).square().sum().backward()
    old = set(zip(*places(layer)))
    weight = {key: w for key, w in zip(zip(*places(layer)), layer.weight.tolist())}
    n_grown = evolve(layer, None, grow="gradient", new_weights="zero")["n_grown"]
    kept = {k for k, w in zip(zip(*places(layer)), layer.weight.tolist()) if w == weight.get(k)}
    new = set(zip(*places(layer))) - kept
    assert len(new) == n_grown > 0 and kept < old
    steepness = linear.weight.grad.abs().numpy()
    for key in kept:
        steepness[key] = -1
    order = np.argsort(steepness, axis=None)[::-1][:n_grown]
    assert new == set(zip(*np.unravel_index(order, steepness.shape)))


def test_pruning_neurons():
    model = nn.Sequential(
        SparseLinear(40, 50, density=0.2),
        nn.Sequential(nn.Tanh(), nn.Dropout(0.1)),
        SparseLinear(50, 20, density=0.2),
        nn.ReLU(),
        nn.Linear(20, 3),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    step(model, optimizer)
    fewest = np.sort(np.bincount(model[2].indices.numpy(), minlength=50))
    counts = evolve(model, optimizer, zeta=0, alpha=0.1)
    assert counts == {"n_dropped": 0, "n_grown": 0, "n_survived": 0, "n_pruned": 5}
    assert model[0].out_features == model[2].in_features == 45
    assert (np.bincount(model[2].indices.numpy(), minlength=45).min()) >= fewest[5 - 1]
    for parameter in model.parameters():
        for name, value in optimizer.state[parameter].items():
            assert name == "step" or value.shape == parameter.shape
        assert parameter.grad.shape == parameter.shape
    for _ in range(3):
        step(model, optimizer)
        evolve(model, optimizer, alpha=0.1)
    assert model[0].out_features == 45 - 4 - 4 - 3
    assert model(torch.randn(2, 40)).shape == (2, 3)
    with pytest.raises(ValueError, match="prunes neurons between two SparseLinear"):
        evolve(model[0], optimizer, alpha=0.1)
    alone = nn.Sequential(
        SparseLinear(40, 50, density=0.2), nn.BatchNorm1d(50), SparseLinear(50, 20, density=0.2)
    )
    with pytest.raises(ValueError, match="prunes neurons between"):
        evolve(alone, None, alpha=0.1)
    assert evolve(alone, None)["n_grown"] > 0


def test_evolve_refuses():
    layer = SparseLinear(8, 8, density=0.5)
    for arguments, message in (
        ({"zeta": 1.5}, "zeta=1.5"),
        ({"alpha": 1}, "alpha=1"),
        ({"drop": "random"}, "drop='random'"),
        ({"grow": "up"}, "grow='up'"),
        ({"new_weights": "big"}, "new_weights='big'"),
    ):
        with pytest.raises(ValueError, match=message):
            evolve(layer, None, **arguments)
    with pytest.raises(TypeError, match=r"not in torch\.bfloat16"):
        evolve(copy.deepcopy(layer).bfloat16(), None)
    with pytest.raises(ValueError, match="no sparse layer in this Linear"):
        evolve(nn.Linear(2, 2), None)
    with pytest.raises(ValueError, match="does not hold the weight"):
        evolve(layer, torch.optim.SGD(copy.deepcopy(layer).parameters(), lr=0.1))
    optimizer = torch.optim.LBFGS(layer.parameters())
    x = torch.randn(32, 8)

    def closure():
        optimizer.zero_grad()
        loss = layer(x).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    before = layer.indices.clone()
    with pytest.raises(ValueError, match="LBFGS keeps"):
        evolve(layer, optimizer)
    assert torch.equal(layer.indices, before)


class DropOldest(DropRule):
    """Drops in turns the weak and the strong; counts its calls."""

    def __init__(self):
        self.n_rewirings_ = 0

    def scores(self, network, number):
        size = np.abs(network.layers[number].weights)
        return size if self.n_rewirings_ % 2 == 0 else 1 / (1 + size)

    def after(self, n_dropped, n_connections, fraction):
        self.n_rewirings_ += 1


class GrowFirst(GrowthRule):
    """Grows at the first free places."""

    def __init__(self, n_more=0):
        self.n_more, self.n_grown_ = n_more, 0

    def places(self, site):
        places = np.arange(site.layer.n_in * site.layer.n_out)
        self.n_grown_ += site.n_new
        return places[site.free(places)][: site.n_new + self.n_more]


def test_evolve_by_rules_of_users():
    layer = SparseLinear(20, 10, density=0.3, **F64)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    drop, grow = DropOldest(), GrowFirst()
    for number in range(4):
        optimizer.zero_grad()
        layer(torch.randn(16, 20, **F64)).square().sum().backward()
        optimizer.step()
        before = dict(zip(zip(*places(layer)), layer.weight.tolist()))
        counts = evolve(layer, optimizer, zeta=0.25, drop=drop, grow=grow)
        n_dropped = len(before) // 4
        assert counts["n_dropped"] == counts["n_grown"] == n_dropped
        order = sorted(before, key=lambda place: abs(before[place]))
        dropped = set(order[:n_dropped] if number % 2 == 0 else order[-n_dropped:])
        kept = set(before) - dropped
        after = set(zip(*places(layer)))
        assert kept <= after
        every = [(i, j) for i in range(10) for j in range(20)]
        assert after - kept == set([place for place in every if place not in kept][:n_dropped])
        assert all(value.shape == layer.weight.shape or key == "step"
                   for key, value in optimizer.state[layer.weight].items())  # fmt: skip
    # One call after the other: here it is the given rules that have the state.
    assert drop.n_rewirings_ == 4 and grow.n_grown_ == 4 * n_dropped


def test_a_wrong_rule_changes_nothing():
    class Short(DropRule):
        def keep(self, network, number, fraction):
            return np.ones(3, dtype=bool)

    class Needing(DropRule):
        needs = frozenset({"sensitivity"})

    model = nn.Sequential(SparseLinear(9, 8, density=0.4), SparseLinear(8, 7, density=0.4))
    before = [values.clone() for values in model.state_dict().values()]
    for rules, message in (
        ({"drop": Short()}, r"Short marked an array of shape \(3,\) for layer 0"),
        ({"grow": GrowFirst(n_more=1)}, r"GrowFirst\.places gave \d+ places for layer 0"),
        ({"drop": Needing()}, "Needing needs the sensitivity"),
        ({"drop": GrowFirst()}, "drop="),
        ({"grow": DropOldest()}, "grow="),
        ({"drop": DropOldest}, "drop="),
    ):
        with pytest.raises(ValueError, match=message):
            evolve(model, None, **rules)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values()))


def test_a_layer_used_twice_evolves_once():
    layer = SparseLinear(10, 10, density=0.4)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert evolve(model, None, zeta=0.5)["n_grown"] <= 20
    with pytest.raises(ValueError, match="prunes neurons between"):
        evolve(model, None, alpha=0.2)


def test_training_and_evolving_learns_and_leaves_blank_inputs():
    X, y = load_digits(return_X_y=True)
    X, y = torch.from_numpy(X / 16).float(), torch.from_numpy(y)
    model = nn.Sequential(SparseLinear(64, 100, epsilon=5), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=1.0)
    for _ in range(8):
        for rows in torch.randperm(1200).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
        evolve(model, optimizer, zeta=0.2)
    accuracy = (model(X[1200:]).argmax(1) == y[1200:]).float().mean()
    linear = LogisticRegression(max_iter=1000).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:])
    assert accuracy > linear - 0.06
    # The border of the images says nothing: its pixels lose connections.
    degree = model[0].connectivity.out_degree()
    blank = X.std(0).numpy() < 0.02
    assert degree[blank].mean() < 0.75 * degree[~blank].mean()


# ------------------------------------------------------------------ estimators

FAST = {"max_iter": 8, "random_state": 0}


class SelectingRegressor(SETRegressor):
    """Stops reading half of its inputs."""

    select_inputs = 5


def raw_outputs(module, X):
    with torch.no_grad():
        return module(torch.from_numpy(X)).numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "model",
    [
        SETClassifier((60, 40), **FAST),
        SETClassifier((60, 40), activation="all_relu", dropout=0.2, **FAST),
        SETClassifier((60,), activation="leaky_relu", loss="squared_error", **FAST),
        NPSETClassifier((60, 40), beta=1, gamma=4, activation="tanh", **FAST),
        SETClassifier((60,), select_inputs=30, activation="logistic", **FAST),
        DSRClassifier((60,), activation="identity", **FAST),
        SETClassifier((60, 40), activation="gelu", dropout=0.1, **FAST),
    ],
    ids=lambda m: f"{type(m).__name__}-{m.activation}",
)
def test_classifiers_there_and_back(model, dtype):
    X, y = load_digits(return_X_y=True)
    X, y = (X[:300] / 16).astype(dtype), np.array(list("abcdefghij"))[y[:300]]
    model = clone(model).fit(X, y)
    module = to_torch(model)
    assert not module.training
    raw = raw_outputs(module, X)
    np.testing.assert_allclose(raw, model.decision_function(X), rtol=0, atol=1e-5)
    if model.loss == "log_loss":
        probabilities = torch.from_numpy(raw).softmax(1)
        np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-6)
    back = from_torch(module, model)
    assert back is not model and type(back) is type(model)
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    np.testing.assert_allclose(back.predict_proba(X), model.predict_proba(X), rtol=0, atol=1e-6)
    assert back.n_connections_ == model.n_connections_
    assert back.hidden_layer_sizes_ == model.hidden_layer_sizes_
    assert back.get_params()["activation"] == model.activation
    assert back.dropout == model.dropout
    before = model.predict_proba(X)
    first = next(child for child in module if isinstance(child, SparseLinear))
    with torch.no_grad():
        first.weight.zero_()
    np.testing.assert_array_equal(model.predict_proba(X), before)  # copies


@pytest.mark.parametrize("fitted_with, set_to", [("relu", "tanh"), ("gelu", "all_relu")])
def test_a_parameter_that_was_set_afterwards_changes_nothing(fitted_with, set_to):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    model = SETClassifier((60, 40), fitted_with, **FAST).fit(X, y)
    model.set_params(activation=set_to, dropout=0.5)
    module = to_torch(model)
    np.testing.assert_allclose(raw_outputs(module, X), model.decision_function(X), atol=1e-6)
    assert not any(isinstance(child, nn.Dropout) for child in module)
    back = from_torch(module, model)
    assert back.activation == fitted_with and back.dropout == 0
    np.testing.assert_allclose(back.predict_proba(X), model.predict_proba(X), atol=1e-6)


def test_two_classes_and_multilabel():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300] > 4
    model = SETClassifier((30,), **FAST).fit(X, y)
    raw = raw_outputs(to_torch(model), X)
    np.testing.assert_allclose(raw[:, 0], model.decision_function(X), atol=1e-6)
    back = from_torch(to_torch(model), SETClassifier(), classes=[False, True])
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    X, y = make_multilabel_classification(random_state=0)
    model = SETClassifier((30,), **FAST).fit(X, y)
    back = from_torch(to_torch(model), model)
    np.testing.assert_allclose(back.predict_proba(X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber"])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("cls", [SETRegressor, NPSETRegressor, SelectingRegressor])
def test_regressors_there_and_back(cls, loss, n_outputs):
    X, y = load_diabetes(return_X_y=True)
    y = y if n_outputs == 1 else np.column_stack([y, 3 * y + 5])
    pruning = {"beta": 1, "gamma": 2} if cls is NPSETRegressor else {}
    model = cls((30,), loss=loss, **pruning, **FAST).fit(X, y)
    predicted = raw_outputs(to_torch(model), X)
    predicted = np.exp(predicted) if loss == "poisson" else predicted
    np.testing.assert_allclose(predicted.reshape(y.shape), model.predict(X), rtol=1e-6)
    back = from_torch(to_torch(model), model)
    np.testing.assert_allclose(back.predict(X), model.predict(X), rtol=1e-6)


def test_an_estimator_learned_in_torch_goes_on_learning(tmp_path):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    module = nn.Sequential(
        SparseLinear(64, 80, epsilon=5, **F64), nn.ReLU(), nn.Linear(80, 10, **F64)
    )
    model = from_torch(module, SETClassifier(zeta=0, random_state=0), classes=range(10))
    np.testing.assert_allclose(model.decision_function(X), raw_outputs(module, X), atol=1e-12)
    assert model.density_[1] == 1
    untrained = model.score(X, y)
    for _ in range(3):
        model.partial_fit(X, y)
    assert model.score(X, y) > untrained + 0.3
    assert pickle.loads(pickle.dumps(model)).score(X, y) == model.score(X, y)
    # And from there on in torch.
    module = to_torch(model)
    assert not any(layer.evolves for layer in module if isinstance(layer, SparseLinear))


def test_weighed_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 200))
    y = np.column_stack([rng.random(120) < 0.7, rng.exponential(np.exp(X[:, 1] - X[:, 0]))])
    model = SETSurvivalAnalysis((10,), n_intervals=1, max_iter=3, random_state=0).fit(X, y)
    assert model.conditioner_.method_ == "weigh"
    with torch.no_grad():
        given = to_torch(model)(torch.from_numpy(X))[:, 0]
    np.testing.assert_allclose(given, model.predict(X), atol=1e-10)


def test_a_survival_analysis_keeps_its_clock():
    rng = np.random.default_rng(0)
    X, time = rng.normal(size=(80, 4)), rng.exponential(size=80)
    y = np.column_stack([time < 1, np.minimum(time, 1)])
    model = SETSurvivalAnalysis((10,), n_intervals=3, max_iter=3, random_state=0).fit(X, y)
    module = to_torch(model)
    back = from_torch(module, model)
    np.testing.assert_allclose(back.predict(X), model.predict(X), rtol=1e-12)
    curves = (m.predict_survival_function(X, return_array=True) for m in (back, model))
    np.testing.assert_allclose(*curves, rtol=1e-12)
    with pytest.raises(ValueError, match="give a fitted one"):
        from_torch(module, SETSurvivalAnalysis())
    narrow = nn.Sequential(SparseLinear(4, 2, density=1.0, dtype=torch.float64))
    with pytest.raises(ValueError, match="has 2 outputs, but its intervals need 3"):
        from_torch(narrow, model)


def test_from_torch_refuses():
    def stack(*between, first=None):
        first = SparseLinear(4, 5, density=1.0) if first is None else first
        return nn.Sequential(first, *between, SparseLinear(5, 3, density=1.0))

    unfitted = SETClassifier()
    with pytest.raises(NotFittedError):
        to_torch(unfitted)
    with pytest.raises(TypeError, match="not LogisticRegression"):
        to_torch(LogisticRegression())
    with pytest.raises(TypeError, match="not LogisticRegression"):
        from_torch(stack(nn.ReLU()), LogisticRegression())
    with pytest.raises(TypeError, match="not SparseLinear"):
        from_torch(SparseLinear(2, 2, density=1.0), unfitted)
    for module, message in (
        (stack(nn.ReLU()), "classes is missing"),
        (nn.Sequential(nn.Conv1d(1, 1, 1)), "cannot read Conv1d"),
        (nn.Sequential(), "no layer"),
        (stack(nn.GELU()), "GELU"),
        (stack(nn.ReLU(), nn.Tanh()), "Tanh"),
        (nn.Sequential(*stack(nn.ReLU()), nn.Softmax(1)), "Softmax"),
        (nn.Sequential(*stack(nn.ReLU()), nn.ReLU()), "raw ones"),
        (stack(nn.ReLU(), first=SparseLinear(4, 6, density=1.0)), "6 outputs feeds one of 5"),
        (stack(first=SparseLinear(4, 5, density=1.0, **F64)), "different dtypes"),
        (
            nn.Sequential(SparseLinear(4, 4, density=1.0), nn.Dropout(0.1), *stack()),
            "Different dropouts",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            from_torch(module, unfitted)
    with pytest.raises(ValueError, match="3 outputs, but 4 classes"):
        from_torch(stack(nn.ReLU()), unfitted, classes=list("abcd"))
