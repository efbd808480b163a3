"""The feature-selection collection of Arizona State University.

A file is used only when its checksum is right: what is not the published file,
byte for byte, is neither read nor kept.
"""

import contextlib
import csv
import difflib
import hashlib
import io
import logging
import os
import time
import urllib.request
import uuid
import warnings
from dataclasses import asdict, dataclass
from http.client import HTTPException
from numbers import Integral, Real
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np
import scipy.io
import scipy.sparse
import sklearn
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

logger = logging.getLogger(__name__)

# A commit rather than a branch: later changes there cannot break the checksums.
_BASE_URL = (
    "https://github.com/jundongl/scikit-feature/raw/"
    "48cffad4e88ff4b9d2f1c7baffb314d1b3303792/skfeature/data/"
)
_TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True)
class _Dataset:
    """One file of the collection; `checksum` is "algorithm:hexadecimal digest"."""

    file: str
    n_samples: int
    n_features: int
    n_classes: int
    values: str
    checksum: str


def _read_table() -> dict[str, _Dataset]:
    """The datasets in asu.csv by name: the 15 of the NPSET paper, in its order, then the others.

    Seven files have no known SHA-256; git's object id in the public repository identifies
    them just as well for our purpose. The shapes of these seven are those of the collection's
    own page (Carcinom has 9183 features in the paper).
    """
    with Path(__file__).with_name("asu.csv").open(newline="", encoding="ascii") as table:
        _, *rows = csv.reader(table)
    return {
        name: _Dataset(file, int(samples), int(features), int(classes), values, checksum)
        for name, file, samples, features, classes, values, checksum in rows
    }


_DATASETS = _read_table()


def list_asu() -> dict[str, dict[str, Any]]:
    """List the datasets that `fetch_asu` can fetch.

    Nothing is downloaded.

    Returns
    -------
    dict
        For each name the file's name (`file`), `n_samples`, `n_features`, `n_classes` and the
        kind of its `values`. The 15 datasets of the NPSET paper (Liu et al. 2019,
        https://arxiv.org/abs/1906.11626) come first, in the paper's order.

    See Also
    --------
    fetch_asu : Fetch one of them.

    Examples
    --------
    >>> from sklearn_set.datasets import list_asu
    >>> datasets = list_asu()
    >>> len(datasets)
    29
    >>> datasets["Lung-discrete"]["n_samples"], datasets["Lung-discrete"]["n_features"]
    (73, 325)
    >>> [name for name in datasets if datasets[name]["values"] == "word counts"]
    ['PCMAC', 'RELATHE', 'BASEHOCK']
    """
    datasets = {name: asdict(dataset) for name, dataset in _DATASETS.items()}
    for entry in datasets.values():
        del entry["checksum"]
    return datasets


def fetch_asu(
    name: str,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Fetch a dataset of the ASU feature-selection collection (classification).

    The file is downloaded once and then read from `data_home`. Each time, its
    checksum decides whether it is the published file.

    Parameters
    ----------
    name : str
        A name from `list_asu`, as the papers spell it ("Lung-discrete") or as the file is
        called ("lung_small.mat"). Case, hyphens, underscores and ".mat" do not matter.
    data_home : str or path-like, default=None
        The folder of the `.mat` files; by default the subfolder `asu` of
        :func:`sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading the file.
    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame (with sparse columns where the
        file is sparse) and `target` a pandas Series.
    n_retries : int, default=3
        How many times to try again after a temporary failure.
    delay : float, default=1.0
        Seconds between two tries.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        data : ndarray, sparse CSR matrix or DataFrame of shape (n_samples, n_features)
            The values of the file: sparse where the file is sparse, and in floating point,
            as integers of 8 or 16 bits could overflow. No scaling is applied.
        target : ndarray or Series of shape (n_samples,)
            The labels of the file; int64 where they are integers, such as -1
            and 1, or 1 to the number of classes.
        feature_names : list of str of length n_features
            "x0", "x1", ...; the files have no names.
        frame : DataFrame of shape (n_samples, n_features + 1)
            `data` and `target` side by side if `as_frame=True`, else None.
        DESCR : str
            Description of the dataset: shape, classes, source, checksum.

    (data, target) : tuple if `return_X_y=True`

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is out of range.
    FileNotFoundError
        If the file is missing and `download_if_missing=False`.
    OSError
        If the file cannot be downloaded, written or read, or is not the published one.
    ImportError
        If `as_frame=True` and pandas is not installed.

    Warns
    -----
    UserWarning
        If a file in `data_home` is not the published one and is downloaded anew.

    See Also
    --------
    list_asu : The names, shapes and kinds of values.

    Notes
    -----
    Downloads and retries are logged by the logger `sklearn_set.datasets._asu`. A file appears
    under its name only when it is complete and verified. Word counts call for `log1p` or
    TF-IDF rather than for standardisation.

    References
    ----------
    .. [1] J. Li, K. Cheng, S. Wang, F. Morstatter, R. P. Trevino, J. Tang, H.
       Liu. "Feature selection: a data perspective." ACM Computing Surveys
       50(6):94, 2017. https://doi.org/10.1145/3136625

    Examples
    --------
    >>> from sklearn_set.datasets import fetch_asu
    >>> fetch_asu("Lung-discreet")
    Traceback (most recent call last):
        ...
    ValueError: Unknown dataset name='Lung-discreet'. Did you mean 'Lung-discrete'? \
list_asu() lists all 29 names.
    >>> X, y = fetch_asu("Lung-discrete", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.shape  # doctest: +SKIP
    ((73, 325), (73,))
    """
    name = _canonical_name(name)
    if isinstance(n_retries, bool) or not isinstance(n_retries, Integral) or n_retries < 0:
        raise ValueError(
            f"n_retries={n_retries!r} is not a number of retries. Use an integer >= 0."
        )
    if isinstance(delay, bool) or not isinstance(delay, Real) or not 0 <= delay < float("inf"):
        raise ValueError(f"delay={delay!r} is not a number of seconds. Use a finite number >= 0.")
    pd = _import_pandas() if as_frame else None  # before any download

    home = Path(get_data_home(), "asu") if data_home is None else Path(data_home)
    path = home.expanduser().absolute() / _DATASETS[name].file
    content = _read_verified(name, path, download_if_missing, int(n_retries), float(delay))
    X, y = _parse(content)

    names = [f"x{i}" for i in range(X.shape[1])]
    data, target, frame = X, y, None
    if pd is not None:
        sparse = scipy.sparse.issparse(X)
        make_frame = pd.DataFrame.sparse.from_spmatrix if sparse else pd.DataFrame
        data, target = make_frame(X, columns=names), pd.Series(y, name="target")
        frame = pd.concat([data, target], axis=1)
    if return_X_y:
        return data, target
    descr = _describe(name, X, y)
    return Bunch(data=data, target=target, frame=frame, feature_names=names, DESCR=descr)


def _canonical_name(name: str) -> str:
    """Find the spelling of `list_asu` for any spelling of a name."""

    def key(spelling: str) -> str:
        return spelling.lower().removesuffix(".mat").replace("-", "").replace("_", "")

    if not isinstance(name, str):
        raise ValueError(f"name={name!r} is not a string. Use one of the names of list_asu().")
    names = {key(dataset.file): official for official, dataset in _DATASETS.items()}
    names |= {key(official): official for official in _DATASETS}
    if key(name) in names:
        return names[key(name)]
    close = difflib.get_close_matches(key(name), names, n=3, cutoff=0.6)
    # Two spellings can lead to one name.
    matches = dict.fromkeys(repr(names[match]) for match in close)
    hint = f" Did you mean {' or '.join(matches)}?" if matches else ""
    raise ValueError(
        f"Unknown dataset name={name!r}.{hint} list_asu() lists all {len(_DATASETS)} names."
    )


def _import_pandas() -> Any:
    """Import pandas, which only `as_frame=True` needs."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "as_frame=True needs pandas. Install it (pip install pandas) or use as_frame=False."
        ) from error
    return pandas


def _checksum(content: bytes, like: str) -> str:
    """Compute "algorithm:digest" with another's algorithm; "git" is git's id of a content."""
    if like.startswith("sha256"):
        return f"sha256:{hashlib.sha256(content).hexdigest()}"
    header = b"blob %d\0" % len(content)
    return f"git:{hashlib.sha1(header + content, usedforsecurity=False).hexdigest()}"


def _read_verified(
    name: str, path: Path, download_if_missing: bool, n_retries: int, delay: float
) -> bytes:
    """Return the content of the published file, from `path` or from the network."""
    expected, url = _DATASETS[name].checksum, _BASE_URL + path.name
    problem = None
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be read: {error.strerror}. Make it a readable file or pass another "
            "folder as data_home",
        ) from error
    else:
        found = _checksum(content, like=expected)
        if found == expected:
            return content
        problem = (
            f"{path} is not the published file but a truncated or altered one: its checksum is "
            f"{found} instead of {expected}."
        )

    if download_if_missing:
        if problem:
            warnings.warn(f"{problem} It is downloaded anew.", UserWarning, stacklevel=3)
        return _download(url, path, expected, n_retries, delay)
    remedy = (
        f"call fetch_asu({name!r}) with download_if_missing=True, or put the file from {url} "
        "there by other means."
    )
    if problem:
        raise OSError(f"{problem} Delete it and {remedy}")
    raise FileNotFoundError(
        f"{path} does not exist, and download_if_missing=False. Pass as data_home the folder "
        f"that has {path.name}, or {remedy}"
    )


def _download(url: str, path: Path, expected: str, n_retries: int, delay: float) -> bytes:
    """Download the file and verify it, and only then give it its name."""
    content, n_tries = None, 0
    while content is None:
        n_tries += 1
        logger.info("downloading %s", url)
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
                content = response.read()
        except (OSError, HTTPException) as error:
            problem, temporary = _explained(error)
            if not temporary or n_tries > n_retries:
                tries = "1 try" if n_tries == 1 else f"{n_tries} tries"
                raise OSError(_failed(url, path, f"failed after {tries}: {problem}")) from error
            logger.warning("%s: %s; trying again in %g s", url, problem, delay)
            time.sleep(delay)
    found = _checksum(content, like=expected)
    if found != expected:
        problem = (
            f"failed: the {len(content)} bytes received are not the published file (checksum "
            f"{found} instead of {expected})"
        )
        raise OSError(_failed(url, path, problem))
    # Not tempfile: its files are for the owner only, and a data_home may be shared.
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"The download of {url} cannot be written to {path}: {error.strerror}. Nothing was "
            "kept. Make room or give write access there, or pass another folder as data_home",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # gone already, or its folder was never there
            part.unlink()
    return content


def _explained(error: Exception) -> tuple[str, bool]:
    """Say in words what an exception of the network means, and whether a retry may help."""
    if isinstance(error, HTTPError):
        error.close()
        temporary = error.code in (408, 429) or error.code >= 500
        return f"HTTP status {error.code} ({error.reason})", temporary
    reason = getattr(error, "reason", error)
    return str(reason) or type(reason).__name__, True


def _failed(url: str, path: Path, problem: str) -> str:
    return (
        f"Downloading {url} {problem}. Nothing was kept. Check the network (a proxy is read from "
        "https_proxy; a login page may answer in the server's place) and try again, or put the "
        f"file at {path} by other means."
    )


def _parse(content: bytes) -> tuple[Any, np.ndarray]:
    """Read X, sparse or dense, and the labels from a published MATLAB file."""
    variables = scipy.io.loadmat(io.BytesIO(content), variable_names=["X", "Y"])
    X, y = variables["X"], variables["Y"]
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if scipy.sparse.issparse(X):
        # scikit-learn 1.9 lets the user choose between sparse matrices and arrays.
        arrays = sklearn.get_config().get("sparse_interface") == "sparray"
        X = (scipy.sparse.csr_array if arrays else scipy.sparse.csr_matrix)(X, dtype=dtype)
        X.sum_duplicates()
    else:
        X = np.ascontiguousarray(X, dtype=dtype)
    y = (y.toarray() if scipy.sparse.issparse(y) else y).ravel()
    if np.isfinite(y).all() and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    return X, y


def _describe(name: str, X: Any, y: np.ndarray) -> str:
    """Fill in the description of a dataset."""
    dataset = _DATASETS[name]
    nonzero = X.nnz if scipy.sparse.issparse(X) else np.count_nonzero(X)
    percentage = 100 * nonzero / (X.shape[0] * X.shape[1])
    algorithm, _, digest = dataset.checksum.partition(":")
    verification = f"SHA-256 {digest}"
    if algorithm == "git":
        verification = f"git object id (SHA-1) {digest}; the SHA-256 is not known"
    title = f"{name}: a dataset of the ASU feature-selection collection"
    classes = (f"{count} of {label}" for label, count in zip(*np.unique(y, return_counts=True)))
    return f"""\
{title}
{"-" * len(title)}

:Number of samples: {X.shape[0]}
:Number of features: {X.shape[1]} ({dataset.values}; {percentage:.3g} % of the \
values are nonzero)
:Number of samples per class: {", ".join(classes)}
:File: {dataset.file}
:Source: {_BASE_URL}{dataset.file}
:Verified by: {verification}

The files carry names neither for the features nor for the classes: the features
are called x0, x1, ... here, and the labels are the numbers in the file.

J. Li, K. Cheng, S. Wang, F. Morstatter, R. P. Trevino, J. Tang, H. Liu. "Feature
selection: a data perspective." ACM Computing Surveys 50(6):94, 2017.
https://doi.org/10.1145/3136625
"""
