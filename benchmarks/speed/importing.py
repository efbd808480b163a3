"""Target 8: the time of an import."""

import statistics
import time

from common import run_apart


def import_seconds():
    """CPU seconds that the package adds to scikit-learn's networks."""
    import sklearn.neural_network  # noqa: F401

    began = time.process_time()
    import sklearn_set  # noqa: F401

    return time.process_time() - began


def importing(options, report):
    n = 3 if options.quick else 9
    seconds = statistics.median(run_apart("speed.importing", "import_seconds") for _ in range(n))
    what = "import, beyond sklearn.neural_network"
    report.target("8", what, seconds * 1e3, 50, at_least=False, unit=" ms", digits=0)
