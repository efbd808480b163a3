"""
Text: whose docstring is this?
==============================

Words as columns: each document fills few of thousands. Sparse input stays sparse all
the way, and per batch only the words that occur in it are touched.

The texts lie on every machine that runs this: the docstrings of the functions and
classes of NumPy, SciPy, scikit-learn and Python's standard library. From one of them,
the name of its package removed, the network is to say where it comes from. (Other
versions have other docstrings, so the numbers vary a little.)
"""

# %%
# Collecting the texts
# --------------------

import importlib
import inspect
import re
import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_set import SETClassifier
from sklearn_set.inspection import attributions

MODULES = {
    "numpy": "numpy numpy.fft numpy.linalg numpy.ma numpy.polynomial numpy.random numpy.strings",
    "scipy": "scipy.fft scipy.integrate scipy.interpolate scipy.linalg scipy.ndimage "
    "scipy.optimize scipy.signal scipy.sparse scipy.spatial scipy.special scipy.stats",
    "scikit-learn": "sklearn.cluster sklearn.datasets sklearn.decomposition sklearn.ensemble "
    "sklearn.feature_extraction sklearn.feature_selection sklearn.inspection "
    "sklearn.linear_model sklearn.metrics sklearn.model_selection sklearn.neighbors "
    "sklearn.preprocessing sklearn.svm sklearn.utils",
    "Python": "argparse asyncio collections concurrent.futures contextlib csv datetime decimal "
    "difflib email.message fractions functools http.client inspect io itertools json logging "
    "math os pathlib pickle random re shutil socket sqlite3 statistics string subprocess "
    "tarfile tempfile threading tkinter turtle typing unittest urllib.request uuid zipfile",
}


def docstrings(module_name):
    """Docstrings of the public functions, classes and methods of a module."""
    try:
        module = importlib.import_module(module_name)
    except ImportError:  # tkinter, turtle: not installed everywhere
        return
    for name, value in vars(module).items():
        if name.startswith("_") or not callable(value):
            continue
        yield inspect.getdoc(value)
        if inspect.isclass(value):
            for method_name, method in vars(value).items():
                if not method_name.startswith("_") and callable(method):
                    yield inspect.getdoc(method)


packages = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what is deprecated
    for package, modules in MODULES.items():
        for module_name in modules.split():
            for text in docstrings(module_name):
                if text and len(text) > 100:
                    # The first to claim a text keeps it: some packages re-export others' names.
                    packages.setdefault(text, package)

giveaways = re.compile(r"\b(numpy|np|scipy|sp|sklearn|scikit|learn|python)\b", re.IGNORECASE)
texts = np.array([giveaways.sub(" ", text) for text in packages])
y = np.array(list(packages.values()))
texts_train, texts_test, y_train, y_test = train_test_split(
    texts, y, stratify=y, test_size=0.4, random_state=0
)
for package in MODULES:
    print(f"{(y == package).sum():5} docstrings of {package}")

# %%
# From words to columns
# ---------------------
# The matrix stays sparse: the network scales sparse columns without centring them.

vectorizer = TfidfVectorizer(
    sublinear_tf=True, min_df=2, token_pattern=r"[a-z]{2,}", stop_words="english", dtype=np.float32
)
X_train = vectorizer.fit_transform(texts_train)
X_test = vectorizer.transform(texts_test)
share = X_train.nnz / (X_train.shape[0] * X_train.shape[1])
print(f"{X_train.shape[0]:,} texts, {X_train.shape[1]:,} words; {share:.2%} of the values not zero")

# %%
# Three classifiers
# -----------------
# TF-IDF values are small, a few hundredths where a standardised feature has one. The network
# scales them itself; the two others take them as they are.

models = {
    "SETClassifier": SETClassifier((100,), epsilon=20, max_iter=30, random_state=0),
    "MLPClassifier": MLPClassifier((100,), max_iter=30, random_state=0),
    "LogisticRegression": LogisticRegression(max_iter=1000),
}
for name, model in models.items():
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLPClassifier's: 30 epochs are its budget here
        model.fit(X_train, y_train)
    seconds = time.perf_counter() - started
    print(f"{name:20} accuracy {model.score(X_test, y_test):.3f}   {seconds:4.1f} s")

network = models["SETClassifier"]
print(f"SETClassifier has {network.n_connections_:,} connections,")
print(f"MLPClassifier {sum(w.size for w in models['MLPClassifier'].coefs_):,}.")

# %%
# Which words speak for a package
# -------------------------------
# For each test document, gradient × input says how much each of its words added to the
# output of a class; the mean over the class's documents is shown.

words = vectorizer.get_feature_names_out()
fig, axes = plt.subplots(1, 4, figsize=(11, 4.2), layout="constrained")
for ax, package in zip(axes, MODULES):
    rows = np.flatnonzero(y_test == package)[:200]
    output = list(network.classes_).index(package)
    pushes = attributions(network, X_test[rows], output=output).mean(axis=0)
    top = pushes.argsort()[-12:]
    ax.barh(words[top], pushes[top], color="C0")
    ax.set(title=package)
    ax.locator_params(axis="x", nbins=3)
    ax.spines[["top", "right"]].set_visible(False)
fig.supxlabel("Gradient × input, mean over documents", fontsize="medium")
plt.show()

# %%
# What is taken for what
# ----------------------

fig, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    network, X_test, y_test, labels=list(MODULES), cmap="Blues", colorbar=False, ax=ax
)
plt.show()
