"""Settings of the whole test run."""

import os

# A Python started by a test from the root of a clone is to import the installed
# package, not the folder of its sources.
os.environ["PYTHONSAFEPATH"] = "1"
