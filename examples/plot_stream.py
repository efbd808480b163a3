"""
Learning from a stream
======================

Images of digits arrive in chunks of 50. Each chunk is first predicted, then learned from by
``partial_fit``, and forgotten. Halfway someone turns the camera by a quarter. Who learns anew?
"""

# %%
# The stream
# ----------
# The scaling must not know the future. Pixels have a known range, so the values are divided by
# 8 and centred. The networks take them as they are, ``conditioning=None``: by default they would
# learn the scale of each pixel from the first chunk, and 50 images are too few for that.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier

from sklearn_set import SETClassifier

images, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(digits))
order = np.concatenate([order, order[::-1]])  # every image comes twice
CHUNK = 50
n_chunks = len(order) // CHUNK


def chunk(number):
    rows = order[number * CHUNK : (number + 1) * CHUNK]
    X = images[rows].reshape(-1, 8, 8)
    if number >= n_chunks // 2:
        X = np.rot90(X, axes=(1, 2))
    return X.reshape(len(rows), 64) / 8 - 1, digits[rows]


# %%
# Three learners
# --------------
# One call of ``partial_fit`` is one epoch. With ``zeta=0.3`` every chunk but the first begins with
# a rewiring of 30 % of the connections, which is much for 50 images. In the other two networks the
# topology rests, ``zeta=0``, or is rewired seldom, ``evolve_every=10``: every tenth chunk. Small
# batches make more steps of a chunk. ``mixup=0`` learns from the images as they are: with mixtures
# a network needs more epochs than a stream has. ``weight_decay=0``: no image comes often enough
# to be memorised, and a decay each chunk would take away what was learned. All classes that
# may ever come are named at once.

plain = {"conditioning": None, "weight_decay": 0, "batch_size": 10, "mixup": 0, "random_state": 0}
learners = {
    "zeta=0": SETClassifier(zeta=0, **plain),
    "zeta=0.3, evolve_every=10": SETClassifier(evolve_every=10, **plain),
    "zeta=0.3": SETClassifier(**plain),
    "SGDClassifier": SGDClassifier(loss="log_loss", random_state=0),
}
right = {name: [] for name in learners}
for number in range(n_chunks):
    X, y = chunk(number)
    for name, learner in learners.items():
        if number > 0:
            right[name].append(learner.score(X, y))  # before learning from them
        learner.partial_fit(X, y, classes=range(10))

# %%
# The accuracy on images not yet learned from, as a mean over the last six chunks. The
# networks learn more than the linear model, so they have more to unlearn: they fall deeper, but
# some 500 images later they are ahead again. The network whose topology rests is the best
# by a little: a stream of 3,550 images is too short for evolution to pay.

fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
for name, scores in right.items():
    scores = np.array(scores)
    running = [scores[max(0, i - 5) : i + 1].mean() for i in range(len(scores))]
    style = {"color": "0.5", "ls": "--"} if name.startswith("SGD") else {}
    label = name if style else f"SETClassifier, {name}"
    ax.plot(np.arange(1, n_chunks) * CHUNK, running, label=label, **style)
    print(f"{name:27} {scores.mean():.3f} in the mean, {scores[-10:].mean():.3f} at the end")
turned = n_chunks // 2 * CHUNK
ax.axvline(turned, color="0.7", lw=1)
ax.annotate("the camera is turned", (turned, 0.05), xytext=(6, 0), textcoords="offset points")
ax.set(xlabel="Images seen", ylabel="Accuracy", ylim=(0, 1))
ax.legend(frameon=False, loc="lower left")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# ``n_iter_`` counts the calls, ``t_`` the images; the optimizer's state is kept between them.

network = learners["zeta=0"]
print(network.n_iter_, network.t_)
