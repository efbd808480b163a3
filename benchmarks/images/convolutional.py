"""Convolutional networks on images: SET-CNN, and DSR on a small residual network.

Owns: these networks and their training. May not touch: the images, what else is measured.
"""

import os
import time

# A thread that waits must not look busy to the processor's clock.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from sklearn.metrics import log_loss
from torch import nn

from sklearn_set.torch import SparseConv2d, SparseLinear, evolve

EPSILON = 20  # of the CNN's two wide layers
DENSITY = 0.1  # of sparse convolutions
CHANNELS = {"CNN": 8, "ResNet": 16}  # behind the first convolution
BATCH = 32
SHAPES = {"Fashion-MNIST": (28, 28, 1), "CIFAR-10": (32, 32, 3)}


def convolution(before, after, sparse, **options):
    if sparse:
        return SparseConv2d(before, after, 3, padding=1, density=DENSITY, **options)
    return nn.Conv2d(before, after, 3, padding=1, **options)


def cnn(n_channels, side, n_classes, *, sparse, sparse_convolutions):
    """The network of the SET paper with a quarter of its channels."""

    def block(before, after):
        first = sparse_convolutions and before > n_channels
        return [
            convolution(before, after, first), nn.ReLU(), nn.Dropout(0.3),
            convolution(after, after, sparse_convolutions), nn.ReLU(), nn.MaxPool2d(2),
        ]  # fmt: skip

    def wide():
        return SparseLinear(width, width, epsilon=EPSILON) if sparse else nn.Linear(width, width)

    n = CHANNELS["CNN"]
    width = 4 * n * (side // 8) ** 2
    return nn.Sequential(
        *block(n_channels, n), *block(n, 2 * n), *block(2 * n, 4 * n), nn.Flatten(),
        wide(), nn.ReLU(), nn.Dropout(0.3), wide(), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(width, n_classes),
    )  # fmt: skip


class Residual(nn.Module):
    """Two convolutions beside a shortcut without weights."""

    def __init__(self, before, after, stride, sparse):
        super().__init__()
        self.path = nn.Sequential(
            convolution(before, after, sparse, stride=stride, bias=False), nn.BatchNorm2d(after),
            nn.ReLU(),
            convolution(after, after, sparse, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip
        self.stride, self.n_new = stride, after - before

    def forward(self, x):
        shortcut = x[:, :, :: self.stride, :: self.stride]
        shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, 0, self.n_new))
        return torch.relu(self.path(x) + shortcut)


def resnet(n_channels, n_classes, *, sparse):
    """Three residual blocks; the first convolution, which halves the images, is dense."""
    n = CHANNELS["ResNet"]
    return nn.Sequential(
        convolution(n_channels, n, False, stride=2, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
        Residual(n, n, 1, sparse), Residual(n, 2 * n, 2, sparse), Residual(2 * n, 4 * n, 2, sparse),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * n, n_classes),
    )  # fmt: skip


def tensor(X, name):
    return torch.from_numpy(X.reshape(-1, *SHAPES[name])).permute(0, 3, 1, 2).contiguous()


def classify(name, model, settings, n_epochs, seed, images):
    """Train a network and judge it; `settings` are those of `evolve`, None for a dense network."""
    A, B, a, b = images
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    settings = dict(settings or {})
    side, _, n_channels = SHAPES[name]
    sparse, every = not model.endswith("dense"), settings.pop("every", None)
    if "ResNet" in model:
        network = resnet(n_channels, 10, sparse=sparse)
    else:
        convolutions = model.endswith("convolutions")
        network = cnn(n_channels, side, 10, sparse=sparse, sparse_convolutions=convolutions)
    A, a = tensor(A, name), torch.from_numpy(a).long()
    optimizer = torch.optim.Adam(network.parameters())
    began, step = time.process_time(), 0
    for _ in range(n_epochs):
        for rows in torch.randperm(len(A)).split(BATCH):
            if settings and step and step % (every or -(-len(A) // BATCH)) == 0:
                evolve(network, optimizer, new_weights="zero", **settings)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(A[rows]), a[rows]).backward()
            optimizer.step()
            step += 1
    seconds = time.process_time() - began
    network.eval()
    with torch.no_grad():
        probabilities = network(tensor(B, name)).double().softmax(dim=1).numpy()
    return {
        "accuracy": 100 * float((probabilities.argmax(axis=1) == b).mean()),
        "log_loss": log_loss(b, probabilities, labels=range(10)),
        "weights": sum(p.numel() for n, p in network.named_parameters() if n.endswith("weight")),
        "epochs": n_epochs,
        "seconds": seconds,
    }
