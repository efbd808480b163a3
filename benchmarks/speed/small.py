"""Targets 2a and 2b: small networks against MLPClassifier, and what a call costs."""

import tempfile

import numpy as np
from common import CPU, interleave, quietly
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_set import SETClassifier
from sklearn_set._evolution import Evolution
from sklearn_set._training import Generators, Learner, train

from .material import adam, make_data, make_network, ms, steps_of

# What a fit finds before its first epoch, which searches share with `memory`, is not of an epoch.
FOUND = {"conditioning": "scale", "select_inputs": False, "weight_decay": 0.02, "shrinkage": 0.0}


def small_networks(options, report):
    n_epochs = 20
    rows, worst, worst_name = [], 0.0, ""
    for dataset, load in (("digits", load_digits), ("breast_cancer", load_breast_cancer)):
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X).astype(np.float32)
        for hidden in ((100,), (100, 100)):
            for batch in (32, 200):
                settings = {
                    "hidden_layer_sizes": hidden,
                    "batch_size": batch,
                    "max_iter": n_epochs,
                    "tol": 0,
                    "n_iter_no_change": n_epochs,
                    "random_state": 0,
                }
                models = {"ours": SETClassifier(**settings, **FOUND, n_jobs=1)}
                models["MLPClassifier"] = MLPClassifier(**settings)
                fits = {k: lambda m=m, X=X, y=y: m.fit(X, y) for k, m in models.items()}
                s = quietly(interleave, fits, options.budget(0.7))
                ratio = s["ours"] / s["MLPClassifier"]
                if ratio > worst:
                    worst, worst_name = ratio, f"{dataset} {hidden} batch {batch}"
                density = models["ours"].density_
                rows.append(
                    [dataset, str(hidden), batch, ", ".join(f"{d:.2f}" for d in density)]
                    + [ms(v / n_epochs) for v in s.values()]
                    + [f"{ratio:.2f}"]
                )
    report.table(
        "Small networks",
        f"Milliseconds per epoch, from a fit of {n_epochs} epochs, evolution included, choices "
        "before training not",
        ["data", "hidden", "batch", "densities", "SETClassifier", "MLPClassifier", "ratio"],
        rows,
    )
    report.target(
        "2a", f"epoch against MLPClassifier's, the worst: {worst_name}", worst, 1, at_least=False
    )
    _grid_search(options, report)
    _overheads(options, report)


def _grid_search(options, report):
    n_epochs = 3 if options.quick else 15
    rows, ratios = [], []
    for dataset, load in (("digits", load_digits), ("breast_cancer", load_breast_cancer)):
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X).astype(np.float32)
        common = {
            "hidden_layer_sizes": [(100,), (100, 100)],
            "learning_rate_init": [1e-3, 3e-3, 1e-2],
        }
        folder = tempfile.TemporaryDirectory()
        ours = SETClassifier(max_iter=n_epochs, n_jobs=1, random_state=0)
        remembering = SETClassifier(**ours.get_params()).set_params(memory=folder.name)
        mlp = MLPClassifier(max_iter=n_epochs, random_state=0)
        decays = {"weight_decay": [0.0, 1e-3, 1e-2, 0.1]}
        searches = {
            "ours": GridSearchCV(ours, common | decays),
            "with memory": GridSearchCV(remembering, common | decays),
            "MLPClassifier": GridSearchCV(mlp, common | {"alpha": [0.0, 1e-4, 1e-3, 1e-2]}),
        }
        seconds = {}
        for name, search in searches.items():
            began = CPU()
            quietly(search.fit, X, y)
            seconds[name] = CPU() - began
        folder.cleanup()
        ratios.append([seconds[k] / seconds["MLPClassifier"] for k in ("ours", "with memory")])
        shown = [f"{v:.1f}" for v in seconds.values()] + [f"{ratio:.2f}" for ratio in ratios[-1]]
        rows.append([dataset, *shown])
    report.table(
        "GridSearchCV",
        f"5 folds × 24 candidates of {n_epochs} epochs, each estimator's own "
        "batch size (32 and 200), seconds",
        ["data", "without memory", "with memory", "MLPClassifier", "ratio", "ratio with memory"],
        rows,
    )
    for what, each in zip(("GridSearchCV", "GridSearchCV with memory"), zip(*ratios)):
        report.target("2b", f"{what} against MLPClassifier's", max(each), 1, at_least=False)


def _overheads(options, report):
    network = make_network((4, 4, 2), 2)
    data = make_data(256, 4, 2)
    generators = Generators.spawn(0)
    X, y = data.X[:8], data.target[:8]
    model = SETClassifier((4,), epsilon=2, max_iter=1, random_state=0)

    def epochs(n, zeta):
        few = make_data(4, 4, 2)

        def run():
            learner = Learner(make_network((4, 4, 2), 2), adam(), Evolution(zeta), generators)
            train(learner, few, n_epochs=n, batch_size=4)

        return run

    tasks = {
        "call": steps_of(network, data, 1, 1),
        "256 batches": steps_of(network, data, 1, 256),
        "2 epochs": epochs(2, 0.3),
        "22 epochs": epochs(22, 0.3),
        "2 static epochs": epochs(2, 0),
        "22 static epochs": epochs(22, 0),
        "fit": lambda: model.fit(X, y),
    }
    s = quietly(interleave, tasks, options.budget(0.3), most=200)
    rows = [
        ["a batch (inside of an epoch)", f"{(s['256 batches'] - s['call']) / 255 * 1e6:.2f}"],
        ["an epoch, static", f"{(s['22 static epochs'] - s['2 static epochs']) / 20 * 1e6:.0f}"],
        ["an epoch that rewires a layer", f"{(s['22 epochs'] - s['2 epochs']) / 20 * 1e6:.0f}"],
        ["a fit (one epoch)", f"{s['fit'] * 1e6:.0f}"],
    ]
    report.table("Overhead", "What a network of 4-4-2 neurons costs", ["of", "µs"], rows)
