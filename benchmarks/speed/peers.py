"""The rivals: PyTorch with CSR weights, PyTorch with masks, and the reference's recipe in SciPy."""

import numpy as np
from scipy import sparse
from scipy.special import expit

try:
    import torch
except ImportError:
    torch = None


def has_torch():
    return torch is not None


# ------------------------------------------------------------------ PyTorch


if torch is not None:

    class _SparseProduct(torch.autograd.Function):
        """W @ x + bias for a CSR matrix W; gradients only where W has connections."""

        @staticmethod
        def forward(ctx, x, values, bias, layer):
            ctx.save_for_backward(x, values)
            ctx.layer = layer
            return torch.addmm(bias[:, None], layer.matrix(values), x)

        @staticmethod
        def backward(ctx, delta):
            x, values = ctx.saved_tensors
            layer = ctx.layer
            gradient = layer.gradient(delta, x)
            below = layer.transposed(values) @ delta if ctx.needs_input_grad[0] else None
            return below, gradient, delta.sum(1), None

    class _SparseLayer:
        """A layer with its index by destination and by source, int32 as MKL wants it."""

        def __init__(self, layer, batch):
            n_in, n_out = layer.connectivity.shape
            by_source = layer.connectivity.transposed
            self.shape = (n_out, n_in)
            self.indptr, self.indices = (
                torch.tensor(array) for array in (layer.indptr, layer.indices)
            )
            self.source_indptr, self.source_indices = (
                torch.tensor(array) for array in (by_source.indptr, by_source.indices)
            )
            self.positions = torch.tensor(by_source.positions.astype(np.int64))
            self.sources = self.indices.long()
            self.destinations = torch.tensor(layer.connectivity.destinations().astype(np.int64))
            self.values = torch.tensor(layer.weights, requires_grad=True)
            self.bias = torch.tensor(layer.bias, requires_grad=True)
            self.zeros = self.matrix(torch.zeros_like(self.values.detach()))
            self.gradient = self._faster_gradient(batch)

        def matrix(self, values):
            return torch.sparse_csr_tensor(
                self.indptr, self.indices, values, self.shape, check_invariants=False
            )

        def transposed(self, values):
            return torch.sparse_csr_tensor(
                self.source_indptr,
                self.source_indices,
                values[self.positions],
                self.shape[::-1],
                check_invariants=False,
            )

        def _sampled(self, delta, x):
            return torch.sparse.sampled_addmm(self.zeros, delta, x.T).values()

        def _gathered(self, delta, x):
            return (delta[self.destinations] * x[self.sources]).sum(1)

        def _faster_gradient(self, batch):
            from common import interleave

            delta, x = torch.randn(self.shape[0], batch), torch.randn(self.shape[1], batch)
            ways = {"_gathered": lambda: self._gathered(delta, x)}
            try:
                self._sampled(delta, x)
                ways["_sampled"] = lambda: self._sampled(delta, x)
            except RuntimeError:  # a PyTorch without MKL
                pass
            seconds = interleave(ways, 0, least=3)
            return getattr(self, min(seconds, key=seconds.get))


def torch_csr_step(network, x, labels):
    """A training step of PyTorch on the same connections: CSR weights, Adam on the values.

    Activations are neuron-major, as suits CSR; each layer takes the faster of two ways to
    its gradient; Adam is the fused one. (PyTorch's own gradient of a CSR product is dense: on
    wide layers 30 to 90 times slower.) x: (n_features, batch).
    """
    torch.set_num_threads(1)
    layers = [_SparseLayer(layer, x.shape[1]) for layer in network.layers]
    optimizer = torch.optim.Adam(
        [p for layer in layers for p in (layer.values, layer.bias)], lr=1e-3, fused=True
    )
    x, labels = torch.tensor(x), torch.tensor(labels)

    def step():
        optimizer.zero_grad()
        h = x
        for layer in layers:
            h = _SparseProduct.apply(h, layer.values, layer.bias, layer)
            if layer is not layers[-1]:
                h = torch.relu(h)
        torch.nn.functional.cross_entropy(h.T, labels).backward()
        optimizer.step()

    return step


def torch_masked_step(network, x, labels):
    """A training step of PyTorch with dense weights and masks, as most SET code does it."""
    torch.set_num_threads(1)
    weights, biases, masks = [], [], []
    for layer in network.layers:
        n_in, n_out = layer.connectivity.shape
        mask = np.zeros((n_out, n_in), np.float32)
        mask[layer.connectivity.destinations(), layer.indices] = 1
        dense = np.zeros_like(mask)
        dense[layer.connectivity.destinations(), layer.indices] = layer.weights
        masks.append(torch.from_numpy(mask))
        weights.append(torch.from_numpy(dense).requires_grad_())
        biases.append(torch.tensor(layer.bias, requires_grad=True))
    optimizer = torch.optim.Adam([*weights, *biases], lr=1e-3, fused=True)
    x, labels = torch.tensor(np.ascontiguousarray(x.T)), torch.tensor(labels)

    def step():
        optimizer.zero_grad()
        h = x
        for i, (w, b, mask) in enumerate(zip(weights, biases, masks)):
            h = torch.nn.functional.linear(h, w * mask, b)
            if i < len(weights) - 1:
                h = torch.relu(h)
        torch.nn.functional.cross_entropy(h, labels).backward()
        optimizer.step()

    return step


# ---------------------------------------------------------- the reference's recipe


class Recipe:
    """The recipe of the SET reference in SciPy and NumPy, float64: its steps and its evolution.

    Products with sparse matrices, the gradient at the coordinates of the connections,
    momentum and decay as sums of sparse matrices; evolution through sorted values, sets
    of coordinates and drawing until enough new places are found. Our own writing of what
    the reference does; its compiled loop over the coordinates is NumPy here, and its sets
    of coordinate pairs are sets of integers, which is faster.
    """

    def __init__(self, network, zeta=0.3):
        self.w = [
            sparse.csc_array(
                (la.weights.astype(np.float64), la.indices, la.indptr), shape=la.connectivity.shape
            ).tocsr()
            for la in network.layers
        ]
        self.b = [la.bias.astype(np.float64) for la in network.layers]
        self.velocity = [w * 0.0 for w in self.w]
        self.b_velocity = [0.0 * b for b in self.b]
        self.zeta, self.rng = zeta, np.random.default_rng(0)

    def step(self, x, t):
        """One step on samples x (batch, n_features) with targets t (batch, n_outputs)."""
        a = [x]
        for i, (w, b) in enumerate(zip(self.w, self.b)):
            z = a[-1] @ w + b
            a.append(np.maximum(z, 0) if i < len(self.w) - 1 else expit(z))
        s = expit(a[-1])
        delta = (a[-1] - t) * s * (1 - s)
        for i in reversed(range(len(self.w))):
            w = self.w[i]
            coordinates = w.tocoo()
            values = np.einsum(
                "bk,bk->k", a[i][:, coordinates.row], delta[:, coordinates.col]
            ) / len(x)
            dw = sparse.csr_array((values, w.indices, w.indptr), shape=w.shape)
            db = delta.mean(axis=0)
            if i > 0:
                delta = (delta @ w.T) * (a[i] > 0)
            self.velocity[i] = 0.9 * self.velocity[i] - 0.01 * dw
            self.b_velocity[i] = 0.9 * self.b_velocity[i] - 0.01 * db
            self.w[i] = w + (self.velocity[i] - 2e-4 * w)
            self.b[i] = self.b[i] + self.b_velocity[i] - 2e-4 * self.b[i]

    def evolve(self):
        """Drop and grow in every layer."""
        for i, w in enumerate(self.w):
            n_in, n_out = w.shape
            w, v = w.tocoo(), self.velocity[i].tocoo()
            values = np.sort(w.data)
            n_negative = np.searchsorted(values, 0)
            n_below = np.searchsorted(values, 0, side="right")
            low = values[int((1 - self.zeta) * n_negative)]
            high = values[min(len(values) - 1, int(n_below + self.zeta * (len(values) - n_below)))]
            stay = (w.data > high) | (w.data < low)
            keys = w.row[stay].astype(np.int64) * n_out + w.col[stay]
            fresh, missing = [], w.nnz - len(keys)
            velocity_keys = v.row.astype(np.int64) * n_out + v.col
            moved = np.isin(velocity_keys, keys)
            taken = keys
            while missing > 0:
                draws = np.unique(
                    self.rng.integers(0, n_in, missing) * n_out
                    + self.rng.integers(0, n_out, missing)
                )
                draws = draws[~np.isin(draws, taken)]
                fresh.append(draws)
                taken = np.concatenate((taken, draws))
                missing -= len(draws)
            fresh = np.concatenate([*fresh, np.empty(0, np.int64)])
            weights = np.concatenate((w.data[stay], 0.1 * self.rng.standard_normal(len(fresh))))
            self.w[i] = sparse.coo_array(
                (weights, (taken // n_out, taken % n_out)), shape=w.shape
            ).tocsr()
            self.velocity[i] = sparse.coo_array(
                (
                    np.concatenate((v.data[moved], np.zeros(len(fresh)))),
                    (
                        np.concatenate((velocity_keys[moved], fresh)) // n_out,
                        np.concatenate((velocity_keys[moved], fresh)) % n_out,
                    ),
                ),
                shape=w.shape,
            ).tocsr()
