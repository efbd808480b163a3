"""Run the benchmarks, and write their pages from the results.

    python benchmarks NAME [options]    measure; results are kept in benchmarks/NAME
    python benchmarks pages [NAME ...]  write the pages in doc/ from the results, with figures
    python benchmarks figures           only draw the figures, as a build of the documentation does

`python benchmarks NAME --help` lists the options of a benchmark.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
PARTS = ("features.synthetic", "generalization.summary", "speed.compare")


def main(what=None, *rest):
    names = sorted(path.parent.name for path in HERE.glob("*/page.py"))
    if what in ("pages", "figures") and set(rest) <= set(names):
        for name in rest or names:
            page = import_module(f"{name}.page")
            if what == "pages":
                page.write()
            if hasattr(page, "draw"):
                page.draw()
    elif what == "apart":  # see common.run_apart
        module, function, arguments = rest
        print(json.dumps(getattr(import_module(module), function)(**json.loads(arguments))))
    elif what in (*names, *PARTS):
        sys.argv = [f"benchmarks {what}", *rest]
        import_module(what if "." in what else f"{what}.run").main()
    else:
        sys.exit(f"{__doc__}\nNAME: {', '.join(PARTS)}, {', '.join(names)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
