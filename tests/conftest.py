"""Settings of the whole test run."""

import os
import signal

# A Python started by a test from the root of a clone is to import the installed
# package, not the folder of its sources.
os.environ["PYTHONSAFEPATH"] = "1"

# A shell starts what it puts into the background with interrupts ignored. Tests that
# interrupt a fit would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
