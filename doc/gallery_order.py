"""The order of the examples: first steps, kinds of data, choosing columns, how it works."""

STORIES = [
    *("quick_start", "from_csv", "wide_table", "workflow"),
    *("gene_expression", "spectra", "text", "survival", "regression", "imbalanced", "stream"),
    *("feature_selection", "genes"),
    *("topology", "greek_letters", "parameters", "frontier", "halving", "own_rule"),
]


class Order:
    """A key to sort file names by; sphinx-gallery makes one for its folder."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name: str) -> int:
        return STORIES.index(name.removeprefix("plot_").removesuffix(".py"))

    def __repr__(self):
        return "<Order>"  # the same in every build, or all examples would count as new
