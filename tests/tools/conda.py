"""Builds conda/recipe.yaml with rattler-build for one Python, and runs the recipe's tests.

    python tests/tools/conda.py [PYTHON [CHANNEL]]

Needs py-rattler-build. PYTHON is a version such as 3.13 (the default), CHANNEL the address of a
channel that has what the recipe asks for (default: conda-forge). The package comes to build/conda.
"""

import sys
from pathlib import Path

from rattler_build import Stage0Recipe, ToolConfiguration, VariantConfig

ROOT = Path(__file__).parents[2]


def build(python="3.13", channel="conda-forge"):
    given = VariantConfig.from_file(ROOT / "conda" / "variants.yaml")
    pins = {name: given[name] for name in ("c_stdlib", "c_stdlib_version")}
    built = Stage0Recipe.from_file(ROOT / "conda" / "recipe.yaml").run_build(
        variant_config=VariantConfig({**pins, "python": [f"{python}.*"]}),
        tool_config=ToolConfiguration(test_strategy="native"),
        output_dir=ROOT / "build" / "conda",
        channels=[channel],
    )
    for result in built:
        print(*result.packages)


if __name__ == "__main__":
    build(*sys.argv[1:])
