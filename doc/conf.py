"""Sphinx configuration: `sphinx-build -W doc doc/_build/html`."""

import os
import subprocess
import sys
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

from sklearn_set.datasets import fetch_asu

sys.path.insert(0, str(Path(__file__).parent))  # for the extensions of this folder

project = "sklearn_set"
author = "the sklearn_set developers"
version = release = installed_version("sklearn-set")

extensions = [
    "compliance_table",
    "formulas",
    "myst_parser",
    "numpydoc",
    "parameters",
    "printed",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "decisions/README.md"]
# scikit-learn's inherited docstrings refer to labels and terms of its own documentation.
suppress_warnings = ["ref.ref", "ref.term"]
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

html_math_renderer = "mathml"
html_domain_indices = False
# Values such as "auto" can be copied: quotes stay straight.
smartquotes_action = "De"

templates_path = ["_templates"]
autosummary_generate = True
# The page of an extra is written without it, too.
autodoc_mock_imports = [] if find_spec("torch") else ["torch"]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

printed_pages = ["index", "start"]  # see printed.py

# It is shown without its results where its file is neither at hand nor to be had.
GENE_EXPRESSION = "gallery/plot_gene_expression"
try:
    fetch_asu("GLIOMA", data_home=os.environ.get("SKLEARN_SET_DATA"))
    SKIPPED = ""
except OSError:
    SKIPPED = "(?!gene_expression)"


def note_what_was_skipped(app, docname, source):
    if docname == GENE_EXPRESSION and SKIPPED:
        source[0] += "\n\n.. note:: Not run here: its file could not be fetched.\n"


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": rf"/plot_{SKIPPED}",
    "within_subsection_order": "gallery_order.Order",
    "write_computation_times": False,
    "min_reported_time": float("inf"),  # it would be that of the machine that builds the pages
    "show_memory": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_set"
html_favicon = "_static/logo-light.svg"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_theme_options = {
    "logo": {
        "text": "sklearn_set",
        "image_light": "_static/logo-light.svg",
        "image_dark": "_static/logo-dark.svg",
    },
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Where several versions stand side by side (see publish.py), one can switch between them.
if "DOC_VERSION" in os.environ:
    html_theme_options["switcher"] = {
        "json_url": "../versions.json",
        "version_match": os.environ["DOC_VERSION"],
    }
    html_theme_options["check_switcher"] = False
    html_theme_options["navbar_end"] = ["version-switcher", "theme-switcher", "navbar-icon-links"]
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"
html_sidebars = {"index": [], "start": []}


def draw_figures(app):
    """Draw the figures of the benchmarks and of the first page: git has only what they show."""
    here = Path(__file__).parent
    subprocess.run([sys.executable, here.parent / "benchmarks", "figures"], check=True)
    subprocess.run([sys.executable, here / "evolution.py", here / "evolution.svg"], check=True)


def setup(app):
    app.connect("builder-inited", draw_figures)
    app.connect("source-read", note_what_was_skipped)
