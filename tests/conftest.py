"""Settings of the whole test run."""

import os
import signal

import pytest
from hypothesis import settings
from sklearn.datasets import load_digits, make_classification

pytest.register_assert_rewrite("helpers", "estimators.common")
settings.register_profile("sklearn_set", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("sklearn_set")

# A Python started by a test from the root of a clone is to import the installed
# package, not the folder of its sources.
os.environ["PYTHONSAFEPATH"] = "1"

# A shell starts what it puts into the background with interrupts ignored. Tests that
# interrupt a fit would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="session")
def few_digits(digits):
    X, y = digits
    return X[:400], y[:400]


@pytest.fixture(scope="session")
def samples():
    """Few samples of many features, three classes."""
    X, y = make_classification(90, 60, n_informative=8, n_classes=3, random_state=0)
    return X, y
