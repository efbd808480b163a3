"""The feature-selection collection of Arizona State University.

A file is used only when its checksum is right: what is not the published file,
byte for byte, is neither read nor kept.
"""

import contextlib
import difflib
import hashlib
import io
import logging
import os
import time
import urllib.error
import urllib.request
import uuid
import warnings
from dataclasses import dataclass
from http.client import HTTPException
from numbers import Integral, Real
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
_CHUNK_SIZE = 65536  # bytes
_PROGRESS_INTERVAL = 5.0  # seconds between two lines of progress in the log


@dataclass(frozen=True)
class _Dataset:
    """One file of the collection; `checksum` is "algorithm:hexadecimal digest"."""

    file: str
    n_samples: int
    n_features: int
    n_classes: int
    values: str
    checksum: str


# The 15 datasets of the NPSET paper under its names and in its order, then the
# others under their file names. Seven files have no known SHA-256; git's object
# id in the public repository identifies them just as well for our purpose. The
# shapes of these seven are those of the collection's own page (Carcinom has 9183
# features in the paper).
_DATASETS = {
    "Leukemia": _Dataset(
        *("leukemia.mat", 72, 7070, 2, "integers -2..2"),
        "sha256:eb92382fb77c968864cb0a92a2c77acde7f88ba7fe5fd5a64b98184e3a05269d",
    ),
    "PCMAC": _Dataset(
        *("PCMAC.mat", 1943, 3289, 2, "word counts"),
        "sha256:9999dfccf97ab88f87127dd3457da436acb75cda9f0af4750e7cae5fe1a31b25",
    ),
    "Lung-discrete": _Dataset(
        *("lung_small.mat", 73, 325, 7, "integers -2..2"),
        "sha256:93c6a65eb1f6f9f95ac897010c337254a57c57e7f8c0c9a7963a0e03de8233f4",
    ),
    "gisette": _Dataset(
        *("gisette.mat", 7000, 5000, 2, "continuous"),
        "git:09251d363e834a5cec17634245f09ae33f8c2f3b",
    ),
    "lung": _Dataset(
        *("lung.mat", 203, 3312, 5, "continuous"),
        "git:becb82c675f788b040d5ced741955e19b94ce9b8",
    ),
    "CLL-SUB-111": _Dataset(
        *("CLL-SUB-111.mat", 111, 11340, 3, "continuous"),
        "git:6f14fa8d02fbe7fca3e73f4c97da3f1e7003a648",
    ),
    "Carcinom": _Dataset(
        *("Carcinom.mat", 174, 9182, 11, "continuous"),
        "git:ed23efd165241be723f0796d8660c67ca8448bcc",
    ),
    "orlraws10P": _Dataset(
        *("orlraws10P.mat", 100, 10304, 10, "pixels 0..255"),
        "sha256:6ffa58759c5636f4ce311d23e44ef8de9f39bbb844902154c0cc5daac71226d6",
    ),
    "TOX-171": _Dataset(
        *("TOX-171.mat", 171, 5748, 4, "continuous"),
        "sha256:f52f57e61775b7830c84750456d7fadfd220d1cc8eed26419c3390eb9216cc84",
    ),
    "Prostate-GE": _Dataset(
        *("Prostate-GE.mat", 102, 5966, 2, "continuous"),
        "sha256:050b598534dbc662f23e30f39b41354b61d02ab8567837bcf9b1091c1c636ab4",
    ),
    "arcene": _Dataset(
        *("arcene.mat", 200, 10000, 2, "integers 0..999"),
        "sha256:779d678207b9a8c0ba8f2f5ecdb2216d9f98bf475ab040e806797efd36331bc5",
    ),
    "madelon": _Dataset(
        *("madelon.mat", 2600, 500, 2, "integers 0..999"),
        "sha256:7dc9c9ff8d902651948e2df7f9cb6ed38c5d91e4c4159914cecb1ddbc7def12c",
    ),
    "Yale": _Dataset(
        *("Yale.mat", 165, 1024, 15, "pixels 0..255"),
        "sha256:cccd29abd2c520dd5cc8ff7645b422c2bdadd59406a6b6a0239143d9d44afcf3",
    ),
    "GLIOMA": _Dataset(
        *("GLIOMA.mat", 50, 4434, 4, "continuous"),
        "sha256:c31cd32edd770c7a102729839e670e588bc959a591e0eae5a0676c9ca11d4c4f",
    ),
    "RELATHE": _Dataset(
        *("RELATHE.mat", 1427, 4322, 2, "word counts"),
        "sha256:1091fe26c721aa69ddc5ce3ebcef54e03565809cae07e1769cef45ad23ab28d0",
    ),
    "ALLAML": _Dataset(
        *("ALLAML.mat", 72, 7129, 2, "continuous"),
        "sha256:068afe0fe1021932e1e7d801294c267de8aeaa9d41899acfac024e72b0d44c1e",
    ),
    "BASEHOCK": _Dataset(
        *("BASEHOCK.mat", 1993, 4862, 2, "word counts"),
        "sha256:e0452e0f3c0fefdc5cb6352165e4ba4a25c3a2a7b5a5b4d44e103742d6317aa0",
    ),
    "COIL20": _Dataset(
        *("COIL20.mat", 1440, 1024, 20, "pixels 0..1"),
        "sha256:4595ebdda07f47b0eb014fcfaddc22b452f9aed9c1d9261a0d5bc336c1ee1344",
    ),
    "colon": _Dataset(
        *("colon.mat", 62, 2000, 2, "integers -2..2"),
        "sha256:ffcdeba03eb67cec403fa1dc9f827c22a6e2c57786bf3e01dfe1b4b3e25e0a2f",
    ),
    "GLI-85": _Dataset(
        *("GLI-85.mat", 85, 22283, 2, "continuous"),
        "git:5e6f7b529254a8460ff8ad96a5675cd95304e10a",
    ),
    "Isolet": _Dataset(
        *("Isolet.mat", 1560, 617, 26, "continuous"),
        "sha256:ea73c69b1342a7def8199458e53a70307a83d557eceb2579863dda57c3ccd2b1",
    ),
    "lymphoma": _Dataset(
        *("lymphoma.mat", 96, 4026, 9, "integers -2..2"),
        "sha256:bd834ed911d47ecf2e07625ed77617d514d89ee398fa2e7a787230f7cf5243f8",
    ),
    "nci9": _Dataset(
        *("nci9.mat", 60, 9712, 9, "integers -2..2"),
        "sha256:e336aa43eaf3103803252604375a89141043994a54f93222f7ccc12b5b910789",
    ),
    "ORL": _Dataset(
        *("ORL.mat", 400, 1024, 40, "pixels 0..255"),
        "sha256:e257ec36002e48688ed7f3b9fda13f479f2fd98864fa0672d1353eda1912b189",
    ),
    "pixraw10P": _Dataset(
        *("pixraw10P.mat", 100, 10000, 10, "pixels 0..255"),
        "sha256:aa4b474244ae847dc2efdc868c0ff58fc3748a830c2ffdf760a1697cf72088f8",
    ),
    "SMK-CAN-187": _Dataset(
        *("SMK-CAN-187.mat", 187, 19993, 2, "continuous"),
        "git:af38a120b93d5701e48e1ae679b5305c2ad2c791",
    ),
    "USPS": _Dataset(
        *("USPS.mat", 9298, 256, 10, "continuous"),
        "git:ba84f0e79d4cb653e8e6b6b1d31e3ed0c5a7bff0",
    ),
    "warpAR10P": _Dataset(
        *("warpAR10P.mat", 130, 2400, 10, "pixels 0..255"),
        "sha256:92b5f7e72b5715ada8f2df16e6d8e5effd8e0034a53a656ed9ef76e3f727d413",
    ),
    "warpPIE10P": _Dataset(
        *("warpPIE10P.mat", 210, 2420, 10, "pixels 0..255"),
        "sha256:0d22b0e4fe224ea7347ae266370b6eb0d724d5fd0ad7da71261a58c24e08c3c2",
    ),
}

_DESCR = """\
{name}: a dataset of the ASU feature-selection collection
{underline}

:Number of samples: {n_samples}
:Number of features: {n_features} ({values}; {percentage:.3g} % of the values are nonzero)
:Number of samples per class: {classes}
:File: {file}
:Source: {url}
:Verified by: {verification}

The files carry names neither for the features nor for the classes: the features
are called x0, x1, ... here, and the labels are the numbers in the file.

J. Li, K. Cheng, S. Wang, F. Morstatter, R. P. Trevino, J. Tang, H. Liu. "Feature
selection: a data perspective." ACM Computing Surveys 50(6):94, 2017.
https://doi.org/10.1145/3136625
"""


class _TransferError(Exception):
    """The server or the way to it failed; `temporary` if a retry may help."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only within one scheme or to https."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Refuse to leave https for an address that anyone on the way can alter."""
        if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
            raise urllib.error.HTTPError(
                req.full_url, code, f"redirect to {newurl} refused", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def list_asu() -> dict[str, dict[str, Any]]:
    """List the datasets that `fetch_asu` can fetch.

    Nothing is downloaded.

    Returns
    -------
    dict
        For each name the file's name (`file`), `n_samples`, `n_features`,
        `n_classes` and the kind of its `values`. The 15 datasets of the NPSET
        paper [1]_ come first, in the paper's order.

    See Also
    --------
    fetch_asu : Fetch one of them.

    References
    ----------
    .. [1] S. Liu, D. C. Mocanu, M. Pechenizkiy. "On improving deep learning
       generalization with adaptive sparse connectivity." ICML 2019 Workshop on
       Understanding and Improving Generalization in Deep Learning.
       https://arxiv.org/abs/1906.11626

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
    return {
        name: {
            "file": dataset.file,
            "n_samples": dataset.n_samples,
            "n_features": dataset.n_features,
            "n_classes": dataset.n_classes,
            "values": dataset.values,
        }
        for name, dataset in _DATASETS.items()
    }


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
    checksum decides whether it is the published file; a truncated or altered
    one is never used.

    Parameters
    ----------
    name : str
        A name from `list_asu`, as the SET and NPSET papers spell it
        ("Lung-discrete") or as the file is called ("lung_small.mat"). Case,
        hyphens, underscores and a final ".mat" do not matter.

    data_home : str or path-like, default=None
        The folder of the `.mat` files themselves. By default, the subfolder
        `asu` of scikit-learn's data folder, see
        :func:`sklearn.datasets.get_data_home`.

    download_if_missing : bool, default=True
        If False, raise an error when the file is not in `data_home` or is not
        the published one, instead of downloading it.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame (with sparse columns where the
        file is sparse) and `target` a pandas Series.

    n_retries : int, default=3
        How many times to try again after a temporary failure of the network or
        the server.

    delay : float, default=1.0
        Seconds between two tries.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray, sparse CSR matrix or DataFrame of shape (n_samples, n_features)
            The values of the file: sparse where the file is sparse, and in
            floating point, so that arithmetic on them cannot overflow (most
            files hold 8-bit or 16-bit integers). No scaling is applied.
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
        The two attributes above.

    Raises
    ------
    ValueError
        If the name is unknown, a parameter is out of range, or the file holds no
        usable `X` and `Y`.
    FileNotFoundError
        If the file is missing and `download_if_missing=False`.
    OSError
        If the file cannot be downloaded, written or read, or if it is not the
        published one.
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
    Progress and retries are logged by the logger `sklearn_set.datasets._asu`.
    A download goes to a temporary file and becomes visible under its name only
    when it is complete and verified.

    Word counts call for `log1p` or TF-IDF rather than for standardisation.

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
    if as_frame:
        _import_pandas()  # before any download

    home = Path(get_data_home(), "asu") if data_home is None else Path(data_home)
    path = home.expanduser().absolute() / _DATASETS[name].file
    content = _read_verified(name, path, download_if_missing, int(n_retries), float(delay))
    X, y = _parse(content, path)

    feature_names = [f"x{i}" for i in range(X.shape[1])]
    data, target, frame = X, y, None
    if as_frame:
        pd = _import_pandas()
        if scipy.sparse.issparse(X):
            data = pd.DataFrame.sparse.from_spmatrix(X, columns=feature_names)
        else:
            data = pd.DataFrame(X, columns=feature_names)
        target = pd.Series(y, name="target")
        frame = pd.concat([data, target], axis=1)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=feature_names,
        DESCR=_describe(name, X, y),
    )


def _canonical_name(name: str) -> str:
    """Find the spelling of `list_asu` for any spelling of a name."""

    def key(spelling: str) -> str:
        return spelling.lower().removesuffix(".mat").replace("-", "").replace("_", "")

    if not isinstance(name, str):
        raise ValueError(
            f"name={name!r} is not a string. Use one of the names that list_asu() returns."
        )
    names = {key(dataset.file): official for official, dataset in _DATASETS.items()}
    names |= {key(official): official for official in _DATASETS}
    if key(name) in names:
        return names[key(name)]
    close = difflib.get_close_matches(key(name), names, n=3, cutoff=0.6)
    # Two spellings can lead to one name.
    matches = list(dict.fromkeys(repr(names[match]) for match in close))
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
            "as_frame=True needs pandas, which is not installed. Install it "
            "(pip install pandas) or use as_frame=False."
        ) from error
    return pandas


def _checksum(content: bytes, algorithm: str) -> str:
    """Compute "algorithm:digest"; "git" is the id that git gives a file's content."""
    if algorithm == "sha256":
        return f"sha256:{hashlib.sha256(content).hexdigest()}"
    header = b"blob %d\0" % len(content)
    return f"git:{hashlib.sha1(header + content, usedforsecurity=False).hexdigest()}"


def _read_verified(
    name: str, path: Path, download_if_missing: bool, n_retries: int, delay: float
) -> bytes:
    """Return the content of the published file, from `path` or from the network."""
    expected = _DATASETS[name].checksum
    url = _BASE_URL + path.name
    missing = False
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        missing = True
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be read: {error.strerror}. Make it a readable file or pass another "
            "folder as data_home",
        ) from error
    else:
        found = _checksum(content, expected.partition(":")[0])
        if found == expected:
            return content
        problem = (
            f"{path} is not the published file but a truncated or altered one: its checksum is "
            f"{found} instead of {expected}."
        )

    if download_if_missing:
        if not missing:
            warnings.warn(f"{problem} It is downloaded anew.", UserWarning, stacklevel=3)
        return _download(url, path, expected, n_retries, delay)
    if missing:
        raise FileNotFoundError(
            f"{path} does not exist, and download_if_missing=False. Call fetch_asu({name!r}) with "
            f"download_if_missing=True, put the file from {url} there by other means, or pass as "
            f"data_home the folder that has {path.name}."
        )
    raise OSError(
        f"{problem} Delete it and call fetch_asu({name!r}) with download_if_missing=True, or put "
        f"the file from {url} there by other means."
    )


def _download(url: str, path: Path, expected: str, n_retries: int, delay: float) -> bytes:
    """Download to a temporary file, verify it, and only then give it its name."""
    # Not tempfile: its files are for the owner only, and a data_home may be shared.
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    attempt = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            attempt += 1
            try:
                _transfer(url, part)
                break
            except _TransferError as error:
                if not error.temporary or attempt > n_retries:
                    raise
                logger.warning("%s: %s; trying again in %g s", url, error, delay)
                time.sleep(delay)
        content = part.read_bytes()
        found = _checksum(content, expected.partition(":")[0])
        if found != expected:
            raise _TransferError(
                f"the {len(content)} bytes received are not the published file (checksum {found} "
                f"instead of {expected})",
                temporary=False,
            )
        os.replace(part, path)
    except _TransferError as error:
        tries = "1 try" if attempt == 1 else f"{attempt} tries"
        raise OSError(
            f"Downloading {url} failed after {tries}: {error}. Nothing was kept. Check the "
            "network (a proxy is read from https_proxy; a login page may answer in the server's "
            f"place) and try again, or put the file at {path} by other means."
        ) from error
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


def _transfer(url: str, part: Path) -> None:
    """Copy what `url` serves to `part`; an OSError of its own is one of writing."""
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        response = opener.open(url, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        temporary = error.code in (408, 429) or error.code >= 500
        message = f"HTTP status {error.code} ({error.reason})"
        raise _TransferError(message, temporary=temporary) from error
    except (OSError, HTTPException) as error:
        raise _TransferError(_reason(error), temporary=True) from error

    received = 0
    with response, part.open("wb") as file:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        size = "unknown size" if total is None else f"{total} bytes"
        logger.info("downloading %s (%s)", url, size)
        logged = time.monotonic()
        while True:
            try:
                chunk = response.read(_CHUNK_SIZE)
            except (OSError, HTTPException) as error:
                message = f"the connection broke after {received} bytes: {_reason(error)}"
                raise _TransferError(message, temporary=True) from error
            if not chunk:
                break
            file.write(chunk)
            received += len(chunk)
            if time.monotonic() - logged >= _PROGRESS_INTERVAL:
                logged = time.monotonic()
                logger.info("downloading %s: %d bytes of %s", url, received, size)
    # http.client reports a body that ends early only to readers of the whole.
    if total is not None and received != total:
        raise _TransferError(
            f"the connection ended after {received} of {total} bytes", temporary=True
        )


def _reason(error: Exception) -> str:
    """Say in words what an exception of the network means."""
    error = getattr(error, "reason", error)
    return str(error) or type(error).__name__


def _parse(content: bytes, path: Path) -> tuple[Any, np.ndarray]:
    """Read X, sparse or dense, and the labels from the content of a MATLAB file."""

    def malformed(problem: str) -> ValueError:
        return ValueError(
            f"{path} {problem}. It needs a numeric matrix X (samples x features) and one numeric "
            "label for each sample in Y. Delete the file and fetch it again."
        )

    try:
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=["X", "Y"])
    except Exception as error:  # whatever scipy meets in bytes that are not what they claim
        problem = f"cannot be read as a MATLAB file ({type(error).__name__}: {error})"
        raise malformed(problem) from error
    for key in ("X", "Y"):
        if key not in variables:
            raise malformed(f"has no variable {key}")
        if variables[key].dtype.kind not in "biuf":
            raise malformed(f"has {key} of type {variables[key].dtype}, which is not real numbers")
    X, y = variables["X"], variables["Y"]
    if X.ndim != 2 or 0 in X.shape:
        raise malformed(f"has X of shape {X.shape}")
    if scipy.sparse.issparse(y):
        y = y.toarray()
    if max(y.shape) != y.size or y.size != X.shape[0]:
        raise malformed(f"has Y of shape {y.shape} for X of shape {X.shape}")

    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if scipy.sparse.issparse(X):
        try:
            # scipy trusts the indices, and one out of range writes anywhere.
            X.check_format(full_check=True)
        except ValueError as error:
            raise malformed(f"has a sparse X with invalid indices ({error})") from error
        # scikit-learn 1.9 lets the user choose between sparse matrices and arrays.
        arrays = sklearn.get_config().get("sparse_interface") == "sparray"
        X = (scipy.sparse.csr_array if arrays else scipy.sparse.csr_matrix)(X, dtype=dtype)
        X.sum_duplicates()
    else:
        X = np.ascontiguousarray(X, dtype=dtype)
    y = y.ravel()
    if np.isfinite(y).all() and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    return X, y


def _describe(name: str, X: Any, y: np.ndarray) -> str:
    """Fill in the description of a dataset."""
    dataset = _DATASETS[name]
    nonzero = X.nnz if scipy.sparse.issparse(X) else np.count_nonzero(X)
    algorithm, _, digest = dataset.checksum.partition(":")
    verification = f"SHA-256 {digest}"
    if algorithm == "git":
        verification = f"git object id (SHA-1) {digest}; the SHA-256 is not known"
    title = f"{name}: a dataset of the ASU feature-selection collection"
    labels, counts = np.unique(y, return_counts=True)
    return _DESCR.format(
        name=name,
        underline="-" * len(title),
        n_samples=X.shape[0],
        n_features=X.shape[1],
        values=dataset.values,
        percentage=100 * nonzero / (X.shape[0] * X.shape[1]),
        classes=", ".join(
            f"{count} of {label}" for label, count in zip(labels, counts, strict=True)
        ),
        file=dataset.file,
        url=_BASE_URL + dataset.file,
        verification=verification,
    )
