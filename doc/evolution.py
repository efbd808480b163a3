"""Draws the moving picture of the first page: what a small network's connections do in a fit.

    python doc/evolution.py FILE.svg

Its inputs are the pixels of digits. Connections that are dropped fade, those that grow are orange
for one frame, and a pixel is the darker the more connections it has. The colours are the theme's.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklearn_set import SETClassifier

EPOCHS = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 50, 60)  # one frame each
REST = 4  # as many frames the last one stays
N_HIDDEN = 14
STYLE = """
.evolution { display: block; width: 100%; }
.evolution * { animation: 12s linear infinite; }
.evolution path { opacity: 0; stroke: var(--pst-color-primary); stroke-width: 0.9; }
.evolution rect { fill: var(--pst-color-primary); stroke: var(--pst-color-border); }
.evolution circle { fill: var(--pst-color-background); stroke: var(--pst-color-primary); }
.evolution text { fill: var(--pst-color-text-muted); font-size: 14px; }
.evolution .digit { fill: var(--pst-color-text-base); }
.evolution .epoch { opacity: 0; }
@media (prefers-reduced-motion: reduce) {
  .evolution * { animation: none; }
  .evolution path.last { opacity: 0.5; }
  .evolution .epoch.last { opacity: 1; }
}
"""


def fits():
    """Connections of each layer and accuracy on other images, of each frame and where they stay."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, train_size=600, stratify=y, random_state=0)
    settings = {
        "hidden_layer_sizes": (N_HIDDEN,), "epsilon": 2.5, "evolve_output": True, "averaging": 0,
        "conditioning": None, "select_inputs": False, "weight_decay": 0.01, "decay_rule": "l2",
        "random_state": 0,
    }  # fmt: skip
    network = SETClassifier(warm_start=True, **settings)
    frames = []
    for epochs, before in zip(EPOCHS, (0, *EPOCHS)):
        network.set_params(max_iter=epochs - before).fit(X, y)
        connected = [coef.toarray() != 0 for coef in network.coefs_]
        frames.append((connected, network.score(X_test, y_test)))
    static = SETClassifier(zeta=0, max_iter=EPOCHS[-1], **settings).fit(X, y)
    return frames, static.score(X_test, y_test)


def at(frame):
    """When a frame begins, in per cent of the whole."""
    return f"{100 * frame / (len(EPOCHS) + REST):.4g}%"


def appearance(first, end):
    """The rule for what is there from one frame to the begin of another."""
    lasts = end == len(EPOCHS)
    steps = [f"{at(first)} {{ opacity: 0.85{'; stroke: #f28e2b' if first else ''} }}"]
    if first:
        steps.insert(0, f"0%, {at(first - 0.3)} {{ opacity: 0 }}")
    if end > first + 1:
        steps.append(f"{at(first + 1)} {{ opacity: 0.5 }}")
    steps.append("to { opacity: 0.5 }" if lasts else f"{at(end + 0.4)}, to {{ opacity: 0 }}")
    name = f"e{first}-{end}"
    return f"@keyframes {name} {{ {' '.join(steps)} }} .{name} {{ animation-name: {name} }}"


def connections(layers, sources, targets):
    """The lines of a layer, each with the name of its rule, and the rules."""
    there = np.array(layers)
    edges = np.diff(np.pad(there, ((1, 1), (0, 0), (0, 0))).astype(int), axis=0)
    drawn, rules = [], set()
    for i, j in zip(*np.nonzero(there.any(axis=0))):
        starts, ends = (np.flatnonzero(edges[:, i, j] == sign).tolist() for sign in (1, -1))
        for first, end in zip(starts, ends):
            last = " last" if end == len(layers) else ""
            (x1, y1), (x2, y2) = sources[i], targets[j]
            drawn.append(f'<path class="e{first}-{end}{last}" d="M{x1} {y1}L{x2} {y2}"/>')
            rules.add(appearance(first, end))
    return drawn, sorted(rules)


def pixel(number, place, shades):
    """A pixel and its rule: one shade for each frame."""
    (x, y), last = place, f"{{ fill-opacity: {shades[-1]:.2f} }}"
    steps = [f"{at(k)} {{ fill-opacity: {shade:.2f} }}" for k, shade in enumerate(shades)]
    square = f'<rect id="p{number}" x="{x - 11}" y="{y - 11}" width="22" height="22" rx="3"/>'
    return square, (
        f"@keyframes p{number} {{ {' '.join(steps)} to {last} }}"
        f" #p{number} {{ animation-name: p{number}; fill-opacity: {shades[-1]:.2f} }}"
    )


def caption(frame, text):
    """A line of text that is there in one frame, and its rule."""
    lasts = frame == len(EPOCHS) - 1
    hidden, shown = "{ opacity: 0 }", "{ opacity: 1 }"
    until = "to" if lasts else at(frame + 0.99)
    steps = [f"0%, {at(frame - 0.01)} {hidden}"] if frame else []
    steps.append(f"{at(frame)}, {until} {shown}")
    if not lasts:
        steps.append(f"{at(frame + 1)}, to {hidden}")
    kind = "epoch last" if lasts else "epoch"
    written = f'<text id="t{frame}" class="{kind}" x="11" y="22">{text}</text>'
    rule = f"@keyframes t{frame} {{ {' '.join(steps)} }} #t{frame} {{ animation-name: t{frame} }}"
    return written, rule


def draw():
    """The picture, as the text of an SVG."""
    frames, static = fits()
    pixels = [(22 + 26 * (i % 8), 58 + 26 * (i // 8)) for i in range(64)]
    hidden = [(330, 32 + 18 * i) for i in range(N_HIDDEN)]
    outputs = [(428, 41 + 24 * i) for i in range(10)]
    degrees = np.array([connected[0].sum(axis=1) for connected, _ in frames])
    shades = 0.05 + 0.75 * np.minimum(degrees / np.quantile(degrees[-1], 0.95), 1)

    squares, rules = zip(*(pixel(i, pixels[i], shades[:, i]) for i in range(64)))
    first, rules_first = connections([connected[0] for connected, _ in frames], pixels, hidden)
    second, rules_second = connections([connected[1] for connected, _ in frames], hidden, outputs)
    texts = [
        f"Epoch {epoch}: {sum(layer.sum() for layer in connected)} connections,"
        f" {score:.0%} of other digits right"
        for epoch, (connected, score) in zip(EPOCHS, frames)
    ]
    texts[-1] += f" (if they stay: {static:.0%})"
    captions, rules_captions = zip(*(caption(k, text) for k, text in enumerate(texts)))
    neurons = [f'<circle cx="{x}" cy="{y}" r="6"/>' for x, y in hidden]
    for digit, (x, y) in enumerate(outputs):
        neurons.append(f'<circle cx="{x}" cy="{y}" r="4"/>')
        neurons.append(f'<text class="digit" x="{x + 10}" y="{y + 5}">{digit}</text>')
    style = [STYLE, *rules, *sorted({*rules_first, *rules_second}), *rules_captions]
    parts = [*squares, *first, *second, *neurons, *captions]
    return "\n".join(
        [
            '<svg class="evolution" viewBox="0 0 460 280" role="img" aria-label="A network whose'
            ' connections move while it learns digits">',
            "<style>", *style, "</style>", *parts, "</svg>", "",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(), encoding="utf-8")
