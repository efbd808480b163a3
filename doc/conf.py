"""Sphinx configuration: `sphinx-build -W doc doc/_build/html`."""

import subprocess
import sys
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for compliance_table

project = "sklearn_set"
author = "the sklearn_set developers"
version = release = installed_version("sklearn-set")

extensions = [
    "compliance_table",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "decisions/README.md"]
# scikit-learn's inherited docstrings refer to labels and terms of its own documentation.
suppress_warnings = ["ref.ref", "ref.term"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

templates_path = ["_templates"]
autosummary_generate = True
# The page of an extra is written without it, too.
autodoc_mock_imports = [] if find_spec("torch") else ["torch"]
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "show_memory": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_set"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_theme_options = {
    "header_links_before_dropdown": 4,
    "navbar_align": "left",
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"
# Pages without subpages need no list of them.
pages = ("index", "start", "user_guide", "equations", "compliance", "reliability", "contributing")
html_sidebars = {page: [] for page in pages}


def draw_figures(app):
    """Draw the figures of the benchmarks; git has only the results that they are drawn from."""
    subprocess.run(
        [sys.executable, str(Path(__file__).parents[1] / "benchmarks"), "figures"], check=True
    )


def setup(app):
    app.connect("builder-inited", draw_figures)
