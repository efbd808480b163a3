"""What early stopping costs: the rows that it holds out, and the epochs that it saves.

Owns: the ways of stopping, the tables and what is measured. May not touch: the page.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from common import Rows, quietly
from generalization.tables import load, names_of, split_rows
from sklearn.metrics import log_loss, mean_squared_error

from sklearn_set import SETClassifier, SETRegressor

RESULTS = Path(__file__).parent / "results.csv"
#: The patience was chosen on these; it is judged on the others.
CHOSEN_ON = [
    "Isolet",
    "Yale",
    "blood_brain",
    "chem_manufacturing",
    "eyedata_trim32",
    "forages_nir",
    "gasoline_octane",
    "gravier_breast",
    "leukemia",
    "liver_toxicity_alt",
    "lung_small",
    "metaml_cirrhosis",
    "mlrepo_ravel_ph",
    "mtbls404_sex",
    "musk1",
    "ord_sonar",
    "ord_vehicle",
    "sorlie_breast",
    "st000369_lung",
    "tecator_fat",
    "text_finefoods",
    "ucr_ham",
    "ucr_wine",
    "wheat_dart_env1",
]
#: Many words, the rows of madelon, whose selection of inputs ends late, and an easy table.
LEFT_OUT = ["BASEHOCK", "PCMAC", "RELATHE", "madelon", "iris"]
WAYS = {
    "no early stopping": {},
    "held out, never stopped": {"early_stopping": True, "n_iter_no_change": np.inf},
    "early stopping": {"early_stopping": True},
    "best network, patience 10": {"early_stopping": True, "averaging": 0, "n_iter_no_change": 10},
    "best network, all epochs": {
        "early_stopping": True,
        "averaging": 0,
        "n_iter_no_change": np.inf,
    },
}
AGAIN = "all rows, as many epochs"
N_SPLITS = 3


def measure(table, split):
    """A row for each way."""
    learn, judge = split_rows(table, split)
    cls = SETRegressor if table.regression else SETClassifier

    def row(way, **options):
        model = cls(random_state=split, n_jobs=1, **options)
        began = time.process_time()
        quietly(model.fit, table.X[learn], table.y[learn])
        seconds = time.process_time() - began
        score = model.score(table.X[judge], table.y[judge])
        if table.regression:
            loss = mean_squared_error(table.y[judge], model.predict(table.X[judge]))
            loss /= np.var(table.y[judge])
        else:
            probabilities = model.predict_proba(table.X[judge])
            loss = log_loss(table.y[judge], probabilities, labels=model.classes_)
        measures = {"score": score, "loss": loss, "seconds": seconds}
        rounded = {name: f"{value:.5g}" for name, value in measures.items()}
        return {"way": way, "epochs": model.n_iter_, **rounded}

    rows = [row(way, **options) for way, options in WAYS.items()]
    stopped = next(row for row in rows if row["way"] == "early stopping")
    return [*rows, row(AGAIN, max_iter=stopped["epochs"])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", help="folder with the files of the ASU collection")
    parser.add_argument("--wide-home", help="folder with the files NAME.npz")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin nothing after these")
    options = parser.parse_args()
    began = time.monotonic()
    results = Rows(RESULTS, ("table", "split"))
    names = names_of(options.data_home, options.wide_home)
    names = [name for name in names if name not in (*CHOSEN_ON, *LEFT_OUT)]
    for split in range(N_SPLITS):
        for name in names:
            task = {"table": name, "split": split}
            if task in results:
                continue
            if time.monotonic() - began > 60 * options.minutes:
                return
            table = load(name, options.data_home, options.wide_home)
            task["task"] = "regression" if table.regression else "classification"
            results.add([task | row for row in measure(table, split)])
            print(name, split, flush=True)
