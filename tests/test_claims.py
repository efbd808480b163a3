"""Figures that README, first page and guide quote are those of the pages of the benchmarks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("SET", "NPSET", "SET (before)")
#: What the README calls a model.
NAMES = {
    "SETClassifier": "SET",
    "SETRegressor": "SET",
    "Gaussian process": "GaussianProcess",
    "ExtraTrees": "ExtraTrees(500)",
    "RandomForest": "RandomForest(500)",
}


def prose(path):
    return " ".join((ROOT / path).read_text(encoding="utf-8").split())


def tables(path, heading):
    """The tables of a section, each as {first cell of a row: {column: cell}}."""
    text = (ROOT / path).read_text(encoding="utf-8")
    section = next(part for part in text.split("\n## ") if part.startswith(heading))
    found = []
    for block in re.findall(r"(?m)(?:^\|.*\n)+", section + "\n"):
        lines = [line.strip().strip("|").split("|") for line in block.splitlines()]
        header, _, *rows = [[cell.strip(" *`") for cell in line] for line in lines]
        found.append({row[0]: dict(zip(header, row)) for row in rows})
    return found


def page(name, heading):
    return tables(f"doc/benchmarks/{name}.md", heading)


def agree(quoted, figure, scale=1):
    """Whether a quoted figure, times a scale, is the figure of a page, rounded."""
    quoted, figure = quoted.replace(",", ""), figure.replace(",", "")
    ours, theirs = (0.5 * 10.0 ** -len(number.partition(".")[2]) for number in (quoted, figure))
    rounding = scale * ours + theirs if scale * ours > theirs else 0.0
    return abs(float(quoted) * scale - float(figure)) <= rounding + 1e-9


def test_figures_of_the_first_page_are_those_of_the_benchmarks():
    models, *_ = page("generalization", "Summary")
    rivals = {name: row for name, row in models.items() if name not in (*OURS, "Prior")}
    accuracy, connections = (page("frontier", h)[0] for h in ("Accuracy", "Connections"))
    costs = page("speed", "What it costs you")[0]
    step = next(row for what, row in costs.items() if what.startswith("a training step, leukemia"))
    ratios = re.findall(r"× ([\d.,]+)", step["elsewhere, times as long"])
    numbers = {9: "nine", 10: "ten", 11: "eleven"}
    expected = [
        f"{float(models['SET']['mean']):.1f} %",
        f"{max(float(row['mean']) for row in rivals.values()):.1f} %",
        f"best of {numbers[len(rivals)]} other models",
        accuracy["ULTRA_SPARSE"]["1"] + " %",
        accuracy["SET"]["30"] + " %",
        accuracy["static"]["dense"] + " %",
        connections["ULTRA_SPARSE"]["1"],
        connections["SET"]["30"],
        f"({float(ratios[0]):.1f})",
        f"({round(float(ratios[-1].replace(',', '')), -2):,.0f})",
    ]
    for path in ("README.md", "doc/index.md"):
        text = prose(path)
        assert [figure for figure in expected if figure not in text] == [], path


def test_tables_of_the_readme_are_those_of_the_pages():
    quoted = tables("README.md", "How good is it?")
    models, regressors = page("generalization", "Summary")[:2]
    for given, found, row, column, scale in (
        (quoted[0], models, "accuracy, %", "mean", 1),
        (quoted[0], models, "log-loss", "mean log-loss", 1),
        (quoted[1], regressors, "R²", "mean", 100),
    ):
        cells = dict(list(given[row].items())[1:])
        wrong = {
            name: cell
            for name, cell in cells.items()
            if cell != "–" and not agree(cell, found[NAMES.get(name, name)][column], scale)
        }
        assert wrong == {}, row
        assert len(cells) > 5
    accuracy, connections = (page("frontier", h)[0] for h in ("Accuracy", "Connections"))
    frontier = {
        "topology that stays": accuracy["static"],
        "SET": accuracy["SET"],
        "NPSETClassifier(**ULTRA_SPARSE)": accuracy["ULTRA_SPARSE"],
    }
    for name, row in quoted[2].items():
        for epsilon, cell in list(row.items())[1:]:
            if name == "its connections":  # in round numbers
                found = float(connections["ULTRA_SPARSE"][epsilon].replace(",", ""))
                assert float(cell.replace(",", "")) == pytest.approx(found, rel=0.025)
            else:
                assert agree(cell, frontier[name][epsilon]), (name, epsilon)


@pytest.mark.parametrize("path", ["README.md", "doc/user_guide.md"])
def test_figures_of_single_tables_are_those_of_the_page(path):
    accuracy, loss, r2 = (page("generalization", h)[0] for h in ("Accuracy", "Log-loss", "Regr"))
    kinds = page("generalization", "Kinds")[-1]
    (spectra,) = (column for column in kinds["SET"] if column.startswith("spectra"))

    def best_other(table):
        cells = {name: cell for name, cell in list(accuracy[table].items())[1:] if cell != "–"}
        return max((cell for name, cell in cells.items() if name not in OURS), key=float)

    mlp, linear = "MLP(300, 300)", "LogisticRegression"
    claims = {
        r"spectra among \S+ (?:tables it is )?(\S+) \(RidgeCV (\S+), PLS (\S+)\)": (
            100,
            [kinds[name][spectra] for name in ("SET", "RidgeCV", "PLS")],
        ),
        r"mayonnaise.{,70}? (\d+) % .{,30}?\(.*?best other model \D*(\d+) %\)": (
            1,
            [accuracy["mayonnaise_oil"]["SET"], best_other("mayonnaise_oil")],
        ),
        r"beef (?:with )?(\d+) % \((\d+) %\)": (
            1,
            [accuracy["ucr_beef"]["SET"], best_other("ucr_beef")],
        ),
        r"eyedata_trim32 (?:is )?(\S+) \(dense MLP (\S+)\)": (
            100,
            [r2["eyedata_trim32"][name] for name in ("SET", mlp)],
        ),
        r"blood_brain (\S+) \(Gaussian process (\S+)\)": (
            100,
            [r2["blood_brain"][name] for name in ("SET", "GaussianProcess")],
        ),
        r"ord_vehicle (?:is )?(\S+) % \(dense MLP (\S+) %\)": (
            1,
            [accuracy["ord_vehicle"]["SET"], max(accuracy["ord_vehicle"][n] for n in ("MLP", mlp))],
        ),
        r"st000369_lung (\S+) % \(LinearSVC .*?(\d+) %\)": (
            1,
            [accuracy["st000369_lung"][name] for name in ("SET", "LinearSVC")],
        ),
        r"breast_tcga (?:is )?(\S+) \(logistic regression ([\d.]+)": (
            1,
            [loss["breast_tcga"][name] for name in ("SET", linear)],
        ),
    }
    text = prose(path)
    for pattern, (scale, figures) in claims.items():
        quoted = re.search(pattern, text)
        assert quoted, pattern
        wrong = [pair for pair in zip(quoted.groups(), figures) if not agree(*pair, scale)]
        assert wrong == [], pattern
