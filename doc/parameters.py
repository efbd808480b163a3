"""Estimators have dozens of parameters: short signatures, and the parameters in groups."""

import inspect

from docutils import nodes

import sklearn_set

LONGEST = 12  # parameters of a signature that is shown as it is
# What follows belongs together, up to the next of these names.
GROUPS = {
    "hidden_layer_sizes": "The network",
    "zeta": "Evolution",
    "target_fraction": "Evolution",
    "alpha": "Pruning",
    "select_inputs": "Inputs",
    "conditioning": "Inputs",
    "loss": "Targets",
    "n_intervals": "Targets",
    "solver": "Optimisation",
    "weight_decay": "Regularisation",
    "batch_size": "Epochs and early stopping",
    "dtype": "Running",
}


def shorten(app, what, name, obj, options, signature, returns):
    """Show what may be given by position; the page lists the rest."""
    if what == "class" and (signature or "").startswith("(*args: Any"):
        # That of a mock, which stands for the base class of PyTorch where that is not installed.
        given = inspect.signature(obj.__init__)
        shown = [p.replace(annotation=p.empty) for p in list(given.parameters.values())[1:]]
        return str(given.replace(parameters=shown, return_annotation=given.empty)), returns
    if what != "class" or getattr(sklearn_set, obj.__name__, None) is not obj:
        return None
    parameters = inspect.signature(obj).parameters.values()
    if len(parameters) <= LONGEST:
        return None
    shown = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
    return f"({', '.join([*shown, '*', '…'])})", returns


def group(app, doctree):
    """Split the list of an estimator's parameters at the first one of each group."""
    for field in list(doctree.findall(nodes.field)):
        listed = field[1][0] if field[0].astext() == "Parameters" else None
        if not isinstance(listed, nodes.definition_list) or len(listed) <= LONGEST:
            continue
        links = nodes.paragraph(classes=["parameter-groups"])
        parts, titles = [nodes.definition_list()], []
        for item in listed:
            title = GROUPS.get(item[0][0].astext())
            if title and title not in titles:
                titles.append(title)
                anchor = nodes.make_id(f"parameters {title}")
                links += [nodes.Text(" · "), nodes.reference("", title, refid=anchor)]
                parts += [nodes.rubric("", title, ids=[anchor]), nodes.definition_list()]
            parts[-1] += item.deepcopy()
        if titles:
            parts = [part for part in parts if len(part)]
            field.replace(field[1], nodes.field_body("", *[links, *parts]))
            links.pop(0)


def setup(app):
    """Hook into autodoc and the finished trees."""
    app.connect("autodoc-process-signature", shorten)
    app.connect("doctree-read", group)
    return {"parallel_read_safe": True}
