"""Measures the targets of speed, and writes doc/benchmarks/speed.md.

    python benchmarks/speed/run.py [--quick] [--large] [--data-home DIR] [group ...]

The groups: step, roofline, small, evolution, threads, sparse, growth, prediction, import
(all, if none is named; then the page is written). PyTorch and a C++ compiler are used if
they are there.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import measure
import page
import targets
from threadpoolctl import threadpool_limits


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("groups", nargs="*", choices=[*targets.GROUPS, []], metavar="group")
    parser.add_argument("--quick", action="store_true", help="about two minutes")
    parser.add_argument("--large", action="store_true", help="up to 10 million neurons, 20 GiB")
    parser.add_argument("--data-home", help="folder with PCMAC.mat, for real sparse input")
    parser.add_argument("--json", default="speed.json", help="where the results go")
    parser.add_argument("--page", help="where the page goes; by default into doc/benchmarks")
    parser.add_argument("--stop", action="store_true", help="stop at the first error")
    options = parser.parse_args()
    options.budget = lambda seconds: seconds * (0.3 if options.quick else 2.0)

    machine = measure.describe_machine()
    groups = options.groups or list(targets.GROUPS)
    with threadpool_limits(1, user_api="blas"):
        report = targets.measure_all(options, groups)
    results = {
        "machine": machine,
        "quick": options.quick,
        "targets": report.targets,
        "tables": report.tables,
    }
    Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    if options.page or not options.groups:
        page.write_page(results, Path(options.page) if options.page else page.PAGE)
    missed = [t for t in report.targets if t["met"] is False]
    met = sum(t["met"] is True for t in report.targets)
    print(f"{met} met, {len(missed)} not met")


if __name__ == "__main__":
    main()
