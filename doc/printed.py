"""A Sphinx extension: behind the code of some pages stands what it prints.

The setting `printed_pages` names them. Their blocks of Python run in turn, as a reader would run
them, whenever the page is written.
"""

import contextlib
import io
import re
import tempfile

import matplotlib

PRINTED = "\n\n```{{code-block}} none\n:class: printed\n\n{}```"


def run_blocks(text):
    """Markdown whose blocks of Python are followed by blocks of what they print."""
    names = {"__name__": "__main__"}

    def run(block):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block[1], "<page>", "exec"), names)
        output = printed.getvalue().rstrip()
        return (
            f"{block[0]}\n\n```{{code-block}} none\n:class: printed\n\n{output}\n```"
            if output
            else block[0]
        )

    matplotlib.use("Agg")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return re.sub(r"(?ms)^```python\n(.*?)^```", run, text)


def add_printed(app, docname, source):
    if docname in app.config.printed_pages:
        source[0] = run_blocks(source[0])


def setup(app):
    app.add_config_value("printed_pages", [], "env")
    app.connect("source-read", add_printed)
    return {"parallel_read_safe": True}
