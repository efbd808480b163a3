"""Measure the targets of speed.

    python benchmarks speed [--quick] [--large] [--data-home FOLDER] [--wide-home FOLDER]
    python benchmarks pages speed

Numbers go to results.json beside this file as soon as they are there; --sections measures some of
them again. Ratios are taken in one run; times are CPU seconds of the thread unless a table says
wall. PyTorch and a C++ compiler are used if they are there; real tables need folders, as those of
`python benchmarks generalization` do. `python benchmarks speed.compare` compares two commits.
"""

from pathlib import Path

from common import run_sections
from threadpoolctl import threadpool_limits

from .evolution import evolution
from .few_rows import few_rows
from .growth import growth
from .importing import importing
from .kernels import kernels
from .material import Report
from .prediction import prediction
from .search import letters
from .small import small_networks
from .sparse_input import sparse_input
from .steps import training_step
from .threads import two_threads

RESULTS = Path(__file__).with_name("results.json")
GROUPS = {
    "step": training_step,
    "kernels": kernels,
    "small": small_networks,
    "few rows": few_rows,
    "search": letters,
    "evolution": evolution,
    "threads": two_threads,
    "sparse": sparse_input,
    "growth": growth,
    "prediction": prediction,
    "import": importing,
}


def section(group):
    def measure(options):
        options.budget = lambda seconds: seconds * (0.3 if options.quick else 2.0)
        report = Report()
        with threadpool_limits(1, user_api="blas"):
            group(options, report)
        return report

    return measure


def main():
    sections = {name: section(group) for name, group in GROUPS.items()}
    run_sections(__doc__, sections, RESULTS, large="up to 10 million neurons, 20 GiB")
