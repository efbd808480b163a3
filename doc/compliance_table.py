"""The directive ``compliance-table``: scikit-learn's checks, run while the page is built.

A check that fails without matching ``:expected-failures:`` is a warning, and with
``sphinx-build -W`` an error.
"""

import warnings
from collections import defaultdict
from fnmatch import fnmatch

import sklearn
from docutils.parsers.rst import directives
from sklearn.utils.estimator_checks import check_estimator
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import sklearn_set

logger = logging.getLogger(__name__)


def results_by_check(estimator):
    """The outcome of each check of an estimator: "passed", "skipped" or "failed"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_skip=None, on_fail=None)
    outcomes = {}
    for result in results:  # a check may run more than once, with other arguments
        name, status = result["check_name"], result["status"]
        ranks = ("skipped", "passed", "failed")
        outcomes[name] = max(outcomes.get(name, "skipped"), status, key=ranks.index)
    return outcomes


class ComplianceTable(SphinxDirective):
    """Two tables: the estimators with their counts, the checks with who passes them."""

    option_spec = {"expected-failures": directives.unchanged}

    def run(self):
        self.env.note_dependency(__file__)
        self.env.note_dependency(sklearn_set._native.__file__)
        expected = self.options.get("expected-failures", "")
        # The checks' targets are classes and numbers, not times.
        names = [name for name in sklearn_set.__all__ if not name.endswith("SurvivalAnalysis")]
        estimators = [getattr(sklearn_set, name)() for name in names]
        estimators.append(sklearn_set.SETClassifier(mixup=0))
        by_check = defaultdict(lambda: defaultdict(list))
        lines = [
            f"With scikit-learn {sklearn.__version__} and sklearn_set {sklearn_set.__version__}:",
            "",
            "| estimator | passed | skipped | failed |",
            "|---|---|---|---|",
        ]
        for estimator in estimators:
            counts = defaultdict(int)
            for check, outcome in results_by_check(estimator).items():
                counts[outcome] += 1
                by_check[check][outcome].append(f"`{estimator}`")
                if outcome == "failed" and not fnmatch(check, expected):
                    logger.warning("%s fails %s", estimator, check, location=self.get_location())
            cells = [str(counts[outcome]) for outcome in ("passed", "skipped", "failed")]
            lines.append(f"| `{estimator}` | {' | '.join(cells)} |")
        lines += ["", "| check | passed by | otherwise |", "|---|---|---|"]
        for check, outcomes in sorted(by_check.items()):
            n_run = sum(len(names) for names in outcomes.values())
            others = [
                outcome if len(names) == n_run else f"{outcome}: {', '.join(names)}"
                for outcome, names in outcomes.items()
                if outcome != "passed"
            ]
            passed = f"{len(outcomes.get('passed', ()))} of {n_run}"
            lines.append(f"| `{check}` | {passed} | {'; '.join(others)} |")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app):
    """Register the directive."""
    app.add_directive("compliance-table", ComplianceTable)
    return {"parallel_read_safe": True}
