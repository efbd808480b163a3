"""The equations of SET and NPSET in plain NumPy, float64: the oracle of the tests.

A layer is a dense matrix ``W[destination, source]`` under a Boolean mask; in row-major
order its places are the storage order of the core. Slow on purpose, and written from the
rules (Mocanu et al. 2018; Liu et al. 2019; kernels.h and topology.h), not from the core.
"""

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from scipy.special import expit, xlogy

# ------------------------------------------------------------------ randomness


def splitmix64(seed, counter):
    """Draw number `counter` of the stream `seed` (Steele, Lea and Flood 2014)."""
    z = (seed + (counter + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def log_of_half(f):
    """-log2(1 - f / 2), both in 2^-32, by the core's polynomial."""
    p = 0
    for c in (
        0x1ABE92D, -0x2FD47C9, 0x45AC4B3, 0x8EE171, 0x63E5301, 0xF53D787, 0x2E2B5178, 0xB8AA39A3,
    ):  # fmt: skip
        p = c - (-p * f >> 32) if p < 0 else c + (p * f >> 32)
    return p * f >> 32


def gap(seed, counter):
    """An exponential variate of mean 2^32 / log(2), by how often a half is missed."""
    z = splitmix64(seed, counter)
    n_missed = 32 - (z >> 32 | 1).bit_length()
    return (n_missed << 32) + log_of_half(z % 2**32) + 1


def sorted_draws(bound, count, seed, counter):
    """`count` uniform draws below `bound`, ascending: sums of gaps over the sum of all."""
    if count == 0:
        return []
    sums = list(itertools.accumulate(gap(seed, counter + i) for i in range(count + 1)))
    total = sums.pop()
    zeros = 63 - bound.bit_length() - 64 + total.bit_length()
    scale = int(math.ldexp(float(bound) / float(total) * (1 - 2**-50), 64 + zeros))
    return [s * scale >> 64 + zeros for s in sums]


def sample_without_replacement(bound, count, seed):
    """Distinct draws, those missing drawn anew; of more than half, those left out."""
    if count > bound // 2:
        omitted = sample_without_replacement(bound, bound - count, seed)
        return np.setdiff1d(np.arange(bound), omitted)
    chosen, counter = set(), 0
    while (n_missing := count - len(chosen)) > 0:
        chosen.update(sorted_draws(bound, n_missing, seed, counter))
        counter += n_missing + 1
    return np.array(sorted(chosen), dtype=np.int64)


def draw_seed(rng):
    return int(rng.integers(0, 2**64, dtype=np.uint64))


def dropout_mask(seed, n_neurons, n_samples, probability):
    """What dropout keeps of a layer's outputs, (n_neurons, n_samples): murmur3's finalizer."""
    neuron = np.arange(n_neurons, dtype=np.uint64)[:, np.newaxis]
    sample = np.arange(n_samples, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    h = (neuron * np.uint64(0x9E3779B1) + sample * np.uint64(0x85EBCA77) + np.uint64(seed)) & low
    h = (h ^ h >> np.uint64(16)) * np.uint64(0x85EBCA6B) & low
    h = (h ^ h >> np.uint64(13)) * np.uint64(0xC2B2AE35) & low
    h ^= h >> np.uint64(16)
    return h >> np.uint64(8) >= round(probability * 2**24)


# ------------------------------------------------------------------ topology


def decimal_floor(fraction, n):
    return int(Fraction(str(fraction)) * int(n))


def erdos_renyi(n_in, n_out, n_draws, seed):
    """Mask of `n_draws` places drawn with replacement; 50 draws a place fill the layer."""
    mask = np.zeros(n_out * n_in, dtype=bool)
    if n_draws // 50 >= mask.size:
        mask[:] = True
    else:
        mask[sorted_draws(mask.size, n_draws, seed, 0)] = True
    return mask.reshape(n_out, n_in)


def drop_nearest_zero(weights, fraction):
    """What stays: all but floor(fraction * n) of each sign nearest to zero, and no zero.

    Of equal weights the first goes first.
    """
    keep = weights != 0
    for sign in (-1, 1):
        members = np.flatnonzero(np.sign(weights) == sign)
        nearest_first = members[np.argsort(np.abs(weights[members]), kind="stable")]
        keep[nearest_first[: decimal_floor(fraction, len(members))]] = False
    return keep


def grow(kept, n_new, seed):
    """Mask of `n_new` places drawn from those that are free in the mask `kept`."""
    free = np.flatnonzero(~kept)
    grown = np.zeros(kept.size, dtype=bool)
    grown[free[sample_without_replacement(free.size, n_new, seed)]] = True
    return grown.reshape(kept.shape)


def neurons_to_keep(outward, fraction):
    """All but floor(fraction * n): fewest output connections, then weakest, then lowest index."""
    degree, strength = outward.mask.sum(axis=0), np.abs(outward.W).sum(axis=0)
    order = sorted(range(len(degree)), key=lambda j: (degree[j], strength[j], j))
    return np.sort(order[decimal_floor(fraction, len(order)) :])


# ------------------------------------------------------------------ the network

ACTIVATIONS = {  # name -> f(z), f'(z), given the number of the layer
    "identity": lambda z, layer: (z, np.ones_like(z)),
    "relu": lambda z, layer: leaky(z, 0.0),
    "leaky_relu": lambda z, layer: leaky(z, 0.01),
    "all_relu": lambda z, layer: leaky(z, -0.6 if layer % 2 == 0 else 0.6),
    "tanh": lambda z, layer: (np.tanh(z), 1 - np.tanh(z) ** 2),
    "logistic": lambda z, layer: (expit(z), expit(z) * (1 - expit(z))),
    "gelu": lambda z, layer: gelu(z),
}


def gelu(z):
    """z * expit(2 u) and its derivative, the tanh form of Hendrycks and Gimpel."""
    u = np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)
    du = np.sqrt(2 / np.pi) * (1 + 0.134145 * z**2)
    return z * expit(2 * u), expit(2 * u) + 2 * z * expit(2 * u) * expit(-2 * u) * du


def leaky(z, slope):
    return np.where(z > 0, z, slope * z), np.where(z > 0, 1.0, slope)


def head(loss, z, t, huber_delta=1.0):
    """Loss of each sample and dL/dz (of the sum over outputs; see Network<T>::head)."""
    match loss:
        case "binary_log_loss" | "multilabel_log_loss":
            return (np.logaddexp(0, z) - t * z).sum(axis=1), expit(z) - t
        case "softmax_log_loss":
            log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
            return -(t * log_p).sum(axis=1), np.exp(log_p) - t
        case "sigmoid_squared_error":  # sigma' of the activated output, as published
            p = expit(z)
            return ((p - t) ** 2).mean(axis=1), (p - t) * expit(p) * (1 - expit(p))
        case "squared_error":
            return ((z - t) ** 2).mean(axis=1) / 2, z - t
        case "poisson":
            p = np.exp(z)
            return (xlogy(t, t) - t * z - t + p).sum(axis=1), p - t
        case "hazard":  # t: events in each interval, then the hazard that was lived through
            events, exposure = np.hsplit(t, 2)
            p = exposure * np.exp(z)
            return (p - events * z).sum(axis=1), p - events
        case "huber":
            r = np.abs(z - t)
            each = np.where(r <= huber_delta, r**2 / 2, huber_delta * (r - huber_delta / 2))
            return each.mean(axis=1), np.clip(z - t, -huber_delta, huber_delta)


@dataclass
class Layer:
    mask: np.ndarray
    W: np.ndarray
    b: np.ndarray
    state: dict = field(default_factory=dict)  # name -> optimizer state, like W or like b

    def apply(self, change):
        """Change all that is kept per connection alike."""
        self.W, self.state["first"], self.state["second"] = (
            change(values) for values in (self.W, self.state["first"], self.state["second"])
        )


def layers_of(network):
    """Copy a sklearn_set network."""
    result = []
    for layer in network.layers:
        n_in, n_out = layer.connectivity.shape
        mask = np.zeros((n_out, n_in), dtype=bool)
        mask[layer.connectivity.destinations(), layer.connectivity.indices] = True
        W = np.zeros(mask.shape)
        W[mask] = layer.weights
        result.append(Layer(mask, W, layer.bias.astype(np.float64)))
    return start_optimizer(result)


def start_optimizer(layers):
    for layer in layers:
        layer.state = {name: np.zeros_like(layer.W) for name in ("first", "second")}
        layer.state |= {f"bias_{name}": np.zeros_like(layer.b) for name in ("first", "second")}
    return layers


def forward(layers, X, activation):
    """Inputs of each layer followed by the raw outputs, and f' of each hidden layer."""
    inputs, derivatives = [np.asarray(X, dtype=np.float64)], []
    for number, layer in enumerate(layers):
        z = inputs[-1] @ (layer.W * layer.mask).T + layer.b
        if layer is not layers[-1]:
            z, derivative = ACTIVATIONS[activation](z, number)
            derivatives.append(derivative)
        inputs.append(z)
    return inputs, derivatives


def gradient(layers, X, t, weight, activation, loss, huber_delta=1.0):
    """Weighted mean loss; its gradients at the connections (0 elsewhere) and the biases."""
    inputs, derivatives = forward(layers, X, activation)
    each, delta = head(loss, inputs[-1], t, huber_delta)
    delta = delta * (weight / weight.sum())[:, np.newaxis]
    W_gradients, b_gradients = [], []
    for number in reversed(range(len(layers))):
        layer = layers[number]
        W_gradients.insert(0, delta.T @ inputs[number] * layer.mask)
        b_gradients.insert(0, delta.sum(axis=0))
        if number > 0:
            delta = delta @ (layer.W * layer.mask) * derivatives[number - 1]
    return np.average(each, weights=weight), W_gradients, b_gradients


def step(w, g, first, second, o, count, l2, shrink):
    """One optimizer step on arrays; returns new (w, first, second)."""
    g = g + l2 * w
    if o["rule"] == "adam":
        first = o["beta_1"] * first + (1 - o["beta_1"]) * g
        second = o["beta_2"] * second + (1 - o["beta_2"]) * g**2
        correction = np.sqrt(1 - o["beta_2"] ** count) / (1 - o["beta_1"] ** count)
        change = -o["rate"] * correction * first / (np.sqrt(second) + o["epsilon"])
    else:
        first = change = o["momentum"] * first - o["rate"] * g
        if o["rule"] == "nesterov":
            change = o["momentum"] * first - o["rate"] * g
    return w + change - shrink * w, first, second


def descend(layers, gradients, o, count):
    """Step all layers. `decay_rule` as in sklearn_set._optimizers.Optimizer."""
    decay, rule = o["weight_decay"], o["decay_rule"]
    l2 = decay if rule == "l2" else 0.0
    shrink = {
        "l2": 0.0,
        "per_epoch": decay / o["steps_per_epoch"],
        "per_step": decay,
    }[rule]
    bias_shrink = decay if rule == "per_step" else 0.0
    for layer, W_gradient, b_gradient in zip(layers, *gradients):
        s = layer.state
        layer.W, s["first"], s["second"] = step(
            layer.W, W_gradient, s["first"], s["second"], o, count, l2 * layer.mask, shrink
        )
        layer.b, s["bias_first"], s["bias_second"] = step(
            layer.b, b_gradient, s["bias_first"], s["bias_second"], o, count, 0.0, bias_shrink
        )


# ------------------------------------------------------------------ evolution


def evolve(layers, zeta, new_weights, rng):
    """Drop and grow in the given layers."""
    for layer in layers:
        weights = layer.W[layer.mask]
        keep = drop_nearest_zero(weights, zeta)
        n_new = int((~keep).sum())
        if new_weights == "small":
            size = 0.25 * np.sqrt(6 * layer.W.shape[0] / weights.size)
            bits = np.frombuffer(rng.bytes(-(-n_new // 8)), dtype=np.uint8)
            fresh = np.where(np.unpackbits(bits, count=n_new), size, -size)
        elif new_weights == "zero":
            fresh = np.zeros(n_new)
        else:  # init="normal"
            fresh = 0.1 * rng.standard_normal(n_new)
        kept = layer.mask.copy()
        kept[layer.mask] = keep
        grown = grow(kept, n_new, draw_seed(rng))
        layer.mask = kept | grown
        layer.apply(lambda values, kept=kept: values * kept)
        layer.W[grown] = fresh


def prune(layers, alpha, hidden):
    """Remove neurons of the given hidden layers, with all their connections."""
    for number in hidden:
        inward, outward = layers[number], layers[number + 1]
        stay = neurons_to_keep(outward, alpha)
        outward.mask = outward.mask[:, stay]
        outward.apply(lambda values, stay=stay: values[:, stay])
        inward.mask, inward.b = inward.mask[stay], inward.b[stay]
        inward.apply(lambda values, stay=stay: values[stay])
        for name in ("bias_first", "bias_second"):
            inward.state[name] = inward.state[name][stay]


def train(layers, X, t, *, weight, activation, loss, optimizer, n_epochs, batch_size, zeta=0.0,
          new_weights="small", evolve_output=False, alpha=0.0, beta=0, gamma=0, hidden=(),
          evolution_rng=None, shuffle_rng=None):  # fmt: skip
    """Train in place; returns the loss curve."""
    n, curve, count = len(X), [], 0
    n_batches = -(-n // batch_size)
    cuts = np.linspace(0, n, n_batches + 1).astype(int)
    for epoch in range(n_epochs):
        if epoch > 0 and zeta > 0:
            evolve(layers if evolve_output else layers[:-1], zeta, new_weights, evolution_rng)
        if epoch > 0 and beta <= epoch <= beta + gamma:
            prune(layers, alpha, hidden)
        order = np.arange(n) if shuffle_rng is None else shuffle_rng.permutation(n)
        total = 0.0
        for first, last in itertools.pairwise(cuts):
            rows, count = order[first:last], count + 1
            value, *gradients = gradient(layers, X[rows], t[rows], weight[rows], activation, loss)
            total += value * weight[rows].sum()
            descend(layers, gradients, optimizer, count)
        curve.append(total / weight.sum())
    return curve
