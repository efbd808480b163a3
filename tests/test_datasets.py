"""`fetch_asu` against a real HTTP server on the loopback, and on the real files."""

import errno
import hashlib
import io
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import sklearn
from helpers import REAL_DATA

from sklearn_set.datasets import _asu, fetch_asu, list_asu

# fmt: off
PAPER = [
    "Leukemia", "PCMAC", "Lung-discrete", "gisette", "lung", "CLL-SUB-111", "Carcinom",
    "orlraws10P", "TOX-171", "Prostate-GE", "arcene", "madelon", "Yale", "GLIOMA", "RELATHE",
]
OTHERS = [
    "ALLAML", "BASEHOCK", "COIL20", "colon", "GLI-85", "Isolet", "lymphoma", "nci9", "ORL",
    "pixraw10P", "SMK-CAN-187", "USPS", "warpAR10P", "warpPIE10P",
]
# fmt: on


def mat(**variables):
    """Return the content of a MATLAB file."""
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables)
    return buffer.getvalue()


@pytest.fixture
def values():
    """X and y of a small dataset; about 80 kB, larger than one chunk of a download."""
    X = np.random.default_rng(0).normal(size=(20, 500))
    return X, np.arange(20) % 3 - 1


@pytest.fixture
def publish(monkeypatch):
    """Declare some content to be the published file of Lung-discrete."""

    def declare(content):
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        entry = replace(_asu._DATASETS["Lung-discrete"], checksum=checksum)
        monkeypatch.setitem(_asu._DATASETS, "Lung-discrete", entry)
        return content

    return declare


@pytest.fixture
def content(values, publish):
    """The published file of Lung-discrete, holding `values`."""
    X, y = values
    return publish(mat(X=X, Y=y[:, None]))


@pytest.fixture
def server(monkeypatch):
    """A server that gives its `answers` one after the other, the last one for ever."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers = self.server.answers
            self.server.requests.append(self.path)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            answer(self)

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.answers = [status(404)]
        http.requests = []
        http.url = f"http://127.0.0.1:{http.server_port}/"
        monkeypatch.setattr(_asu, "_BASE_URL", http.url)
        monkeypatch.setenv("no_proxy", "*")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def status(code):
    """Answer with an HTTP error."""
    return lambda handler: handler.send_error(code)


def body(content, length=None):
    """Answer with a file, announcing `length` bytes."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(url):
    """Answer with another address."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.end_headers()

    return answer


def fetch(home, **options):
    """Fetch Lung-discrete without waiting between tries."""
    return fetch_asu("Lung-discrete", data_home=home, **{"delay": 0, **options})


# Download and cache


def test_downloads_once_and_then_reads_the_cache(server, content, values, tmp_path):
    server.answers = [body(content)]
    home = tmp_path / "new" / "folder"
    first = fetch(home)
    assert server.requests == ["/lung_small.mat"]
    assert (home / "lung_small.mat").read_bytes() == content
    server.answers = [status(500)]
    second = fetch(home)
    third = fetch(str(home), download_if_missing=False)
    assert server.requests == ["/lung_small.mat"]
    X, y = values
    for bunch in (first, second, third):
        np.testing.assert_array_equal(bunch.data, X)
        np.testing.assert_array_equal(bunch.target, y)
    assert os.listdir(home) == ["lung_small.mat"]


def test_default_home_is_scikit_learns(server, content, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    server.answers = [body(content)]
    fetch(None)
    assert (tmp_path / "asu" / "lung_small.mat").read_bytes() == content


def test_home_of_the_user_is_expanded(content, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "lung_small.mat").write_bytes(content)
    assert fetch("~", download_if_missing=False).data.shape == (20, 500)


def test_good_cache_is_not_touched(content, tmp_path):
    path = tmp_path / "lung_small.mat"
    path.write_bytes(content)
    before = path.stat().st_mtime_ns
    fetch(tmp_path)
    assert path.stat().st_mtime_ns == before
    assert os.listdir(tmp_path) == ["lung_small.mat"]


def test_missing_file_without_download_says_what_to_do(server, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        fetch(tmp_path / "nowhere", download_if_missing=False)
    message = str(error.value)
    assert str(tmp_path / "nowhere" / "lung_small.mat") in message
    assert f"{server.url}lung_small.mat" in message
    assert "download_if_missing=True" in message
    assert "data_home" in message
    assert server.requests == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_cached_file_has_ordinary_permissions(server, content, tmp_path):
    server.answers = [body(content)]
    fetch(tmp_path)
    (tmp_path / "ordinary").touch()
    mode = (tmp_path / "ordinary").stat().st_mode
    assert (tmp_path / "lung_small.mat").stat().st_mode == mode


def test_simultaneous_downloads_do_not_disturb_each_other(server, content, tmp_path):
    together = threading.Barrier(4, timeout=30)

    def answer(handler):
        together.wait()  # all four have missed the cache
        body(content)(handler)

    server.answers = [answer]
    shapes = []
    threads = [
        threading.Thread(target=lambda: shapes.append(fetch(tmp_path, n_retries=0).data.shape))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == [(20, 500)] * 4
    assert os.listdir(tmp_path) == ["lung_small.mat"]


def test_downloads_and_retries_are_logged(server, content, tmp_path, caplog, capfd):
    server.answers = [status(503), body(content)]
    with caplog.at_level(logging.INFO, logger="sklearn_set.datasets"):
        fetch(tmp_path)
    url = f"{server.url}lung_small.mat"
    retry = f"{url}: HTTP status 503 (Service Unavailable); trying again in 0 s"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", f"downloading {url}"),
        ("WARNING", retry),
        ("INFO", f"downloading {url}"),
    ]
    assert capfd.readouterr() == ("", "")


# What is not the published file is refused


def test_altered_download_is_refused_and_not_kept(server, content, tmp_path):
    altered = content[:-1] + bytes([content[-1] ^ 1])
    server.answers = [body(altered)]
    with pytest.raises(OSError) as error:
        fetch(tmp_path)
    message = str(error.value)
    assert hashlib.sha256(altered).hexdigest() in message
    assert hashlib.sha256(content).hexdigest() in message
    assert str(tmp_path / "lung_small.mat") in message
    assert len(server.requests) == 1
    assert os.listdir(tmp_path) == []


def test_truncated_download_is_tried_again_and_not_kept(server, content, tmp_path):
    server.answers = [body(content[:70000], length=len(content))]
    with pytest.raises(OSError, match=r"after 3 tries: .*70000 bytes read"):
        fetch(tmp_path, n_retries=2)
    assert len(server.requests) == 3
    assert os.listdir(tmp_path) == []


def test_truncated_download_recovers(server, content, values, tmp_path):
    # The longer first body would show if the second try did not start afresh.
    server.answers = [body(content + b"x" * 9, length=len(content) + 100), body(content)]
    np.testing.assert_array_equal(fetch(tmp_path).data, values[0])
    assert (tmp_path / "lung_small.mat").read_bytes() == content


def test_truncation_without_announced_length_is_refused(server, content, tmp_path):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content[:70000])

    server.answers = [answer]
    with pytest.raises(OSError, match="the 70000 bytes received are not the published file"):
        fetch(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("damage", [lambda c: c[:-100], lambda c: b"x" + c[1:], lambda c: b""])
def test_altered_cache_is_refused(content, tmp_path, damage):
    path = tmp_path / "lung_small.mat"
    path.write_bytes(damage(content))
    with pytest.raises(OSError, match="truncated or altered") as error:
        fetch(tmp_path, download_if_missing=False)
    assert str(path) in str(error.value)
    assert hashlib.sha256(damage(content)).hexdigest() in str(error.value)
    assert "Delete it and call fetch_asu('Lung-discrete')" in str(error.value)
    assert path.read_bytes() == damage(content)  # it is the user's file


def test_altered_cache_is_downloaded_anew(server, content, values, tmp_path):
    path = tmp_path / "lung_small.mat"
    path.write_bytes(content[:-100])
    server.answers = [body(content)]
    with pytest.warns(UserWarning, match=re.escape(f"{path} is not the published file")) as caught:
        bunch = fetch_asu("Lung-discrete", data_home=tmp_path)
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(bunch.data, values[0])
    assert path.read_bytes() == content


def test_altered_cache_survives_a_failed_download(server, content, tmp_path):
    path = tmp_path / "lung_small.mat"
    path.write_bytes(b"mine")
    with pytest.warns(UserWarning, match="downloaded anew"), pytest.raises(OSError, match="404"):
        fetch(tmp_path)
    assert os.listdir(tmp_path) == ["lung_small.mat"]
    assert path.read_bytes() == b"mine"


def test_git_object_id_stands_in_for_an_unknown_sha256(server, tmp_path, monkeypatch, values):
    # What `echo hello | git hash-object --stdin` prints.
    hello = "git:ce013625030ba8dba906f756967f9e9ca394464a"
    assert _asu._checksum(b"hello\n", "git") == hello
    X, y = values
    content = mat(X=X, Y=y)
    entry = replace(_asu._DATASETS["lung"], checksum=_asu._checksum(content, "git"))
    monkeypatch.setitem(_asu._DATASETS, "lung", entry)
    server.answers = [body(content[:-1]), body(content)]
    with pytest.raises(OSError, match="are not the published file"):
        fetch_asu("lung", data_home=tmp_path)
    assert os.listdir(tmp_path) == []
    bunch = fetch_asu("lung", data_home=tmp_path)
    assert entry.checksum.removeprefix("git:") in bunch.DESCR
    assert "SHA-256 is not known" in bunch.DESCR


# Failures of the network, the disk and the user's patience


@pytest.mark.parametrize("code, tries", [(404, 1), (403, 1), (429, 4), (500, 4), (503, 4)])
def test_http_errors(server, tmp_path, code, tries):
    server.answers = [status(code)]
    with pytest.raises(OSError, match=f"HTTP status {code}") as error:
        fetch(tmp_path)
    assert f"{server.url}lung_small.mat" in str(error.value)
    assert str(tmp_path / "lung_small.mat") in str(error.value)
    assert len(server.requests) == tries
    assert os.listdir(tmp_path) == []


def test_retries_until_the_server_works(server, content, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.answers = [status(500), status(503), body(content)]
    assert fetch(tmp_path, n_retries=2, delay=1.5).data.shape == (20, 500)
    assert len(server.requests) == 3
    assert pauses == [1.5, 1.5]


def test_no_more_retries_than_asked_for(server, content, tmp_path):
    server.answers = [status(500), status(503), body(content)]
    with pytest.raises(OSError, match="failed after 2 tries: HTTP status 503"):
        fetch(tmp_path, n_retries=1)
    assert len(server.requests) == 2
    assert os.listdir(tmp_path) == []


def test_connection_refused(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setattr(_asu, "_BASE_URL", f"http://127.0.0.1:{port}/")
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(OSError, match="failed after 2 tries") as error:
        fetch(tmp_path, n_retries=1)
    message = str(error.value)
    assert f"http://127.0.0.1:{port}/lung_small.mat" in message
    assert (
        str(ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))) in message
    )
    assert "Check the network" in message
    assert f"put the file at {tmp_path / 'lung_small.mat'}" in message
    assert os.listdir(tmp_path) == []


def test_server_that_falls_silent(server, content, tmp_path, monkeypatch):
    monkeypatch.setattr(_asu, "_TIMEOUT", 0.2)
    release = threading.Event()

    def answer(handler):
        body(content[:70000], length=len(content))(handler)
        handler.wfile.flush()
        release.wait(timeout=30)

    server.answers = [answer]
    try:
        with pytest.raises(OSError, match="timed out"):
            fetch(tmp_path, n_retries=0)
    finally:
        release.set()
    assert os.listdir(tmp_path) == []


def test_server_that_does_not_speak_http(server, tmp_path):
    server.answers = [lambda handler: handler.wfile.write(b"\0\0 hello\r\n\r\n")]
    with pytest.raises(OSError, match="failed after 1 try"):
        fetch(tmp_path, n_retries=0)
    assert os.listdir(tmp_path) == []


def test_redirects_are_followed(server, content, tmp_path):
    server.answers = [redirect(f"{server.url}elsewhere"), body(content)]
    fetch(tmp_path)
    assert server.requests == ["/lung_small.mat", "/elsewhere"]


def test_address_is_https():
    assert _asu._BASE_URL.startswith("https://")
    assert _asu._BASE_URL.endswith("/")


def test_full_disk_leaves_nothing(server, content, tmp_path, monkeypatch):
    written = []

    class FullDisk(io.FileIO):
        def write(self, data):
            written.append(super().write(data[:1000]))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    ordinary = Path.open

    def open_(self, mode="r", *args, **kwargs):
        if self.name.endswith(".part") and "w" in mode:
            return FullDisk(self, mode.replace("b", ""))
        return ordinary(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_)
    server.answers = [body(content)]
    with pytest.raises(OSError, match="cannot be written") as error:
        fetch(tmp_path)
    assert written[0] > 0
    assert error.value.errno == errno.ENOSPC
    assert str(tmp_path / "lung_small.mat") in str(error.value)
    assert os.strerror(errno.ENOSPC) in str(error.value)
    assert "Make room" in str(error.value)
    assert len(server.requests) == 1
    assert os.listdir(tmp_path) == []


def test_file_that_cannot_get_its_name_leaves_nothing(server, content, tmp_path, monkeypatch):
    def replace(source, destination):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", replace)
    server.answers = [body(content)]
    with pytest.raises(PermissionError, match=r"lung_small\.mat: .*give write access there"):
        fetch(tmp_path)
    assert os.listdir(tmp_path) == []


def test_home_that_is_a_file(server, content, tmp_path):
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(OSError, match=re.escape(str(home))) as error:
        fetch(home)
    assert "data_home" in str(error.value)
    assert server.requests == []


def test_cached_path_that_is_a_folder(server, tmp_path):
    (tmp_path / "lung_small.mat").mkdir()
    with pytest.raises(OSError, match=r"lung_small\.mat cannot be read.*data_home"):
        fetch(tmp_path)
    assert server.requests == []


@pytest.mark.skipif(os.name != "posix", reason="needs a signal to one thread")
def test_interrupted_download_leaves_nothing(server, content, tmp_path):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("only the main thread receives KeyboardInterrupt")
    release = threading.Event()

    def answer(handler):
        body(content[:1000], length=len(content))(handler)
        handler.wfile.flush()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        release.wait(timeout=30)

    server.answers = [answer]
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path)
    finally:
        release.set()
    assert os.listdir(tmp_path) == []
    server.answers = [body(content)]
    assert fetch(tmp_path).data.shape == (20, 500)


# What is returned


def test_bunch(content, values, tmp_path):
    (tmp_path / "lung_small.mat").write_bytes(content)
    bunch = fetch(tmp_path)
    assert sorted(bunch) == ["DESCR", "data", "feature_names", "frame", "target"]
    assert bunch.frame is None
    assert bunch.data.dtype == np.float64
    assert bunch.data.flags.c_contiguous
    assert bunch.target.dtype == np.int64
    assert bunch.target.shape == (20,)
    assert bunch.feature_names[:2] + bunch.feature_names[-1:] == ["x0", "x1", "x499"]
    assert ":Number of samples: 20\n" in bunch.DESCR
    assert ":Number of features: 500 (integers -2..2; 100 % " in bunch.DESCR
    assert ":Number of samples per class: 7 of -1, 7 of 0, 6 of 1\n" in bunch.DESCR
    assert f"SHA-256 {hashlib.sha256(content).hexdigest()}" in bunch.DESCR
    assert f"{_asu._BASE_URL}lung_small.mat" in bunch.DESCR


def test_return_X_y(content, values, tmp_path):
    (tmp_path / "lung_small.mat").write_bytes(content)
    X, y = fetch(tmp_path, return_X_y=True)
    np.testing.assert_array_equal(X, values[0])
    np.testing.assert_array_equal(y, values[1])


def test_as_frame(content, values, tmp_path):
    (tmp_path / "lung_small.mat").write_bytes(content)
    bunch = fetch(tmp_path, as_frame=True)
    X, y = fetch(tmp_path, as_frame=True, return_X_y=True)
    expected = pd.DataFrame(values[0], columns=[f"x{i}" for i in range(500)])
    pd.testing.assert_frame_equal(bunch.data, expected)
    pd.testing.assert_series_equal(bunch.target, pd.Series(values[1], name="target"))
    pd.testing.assert_frame_equal(bunch.frame[bunch.feature_names], expected)
    assert list(bunch.frame.columns) == [*bunch.feature_names, "target"]
    pd.testing.assert_frame_equal(X, bunch.data)
    pd.testing.assert_series_equal(y, bunch.target)


def test_as_frame_without_pandas(server, content, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="as_frame=True needs pandas"):
        fetch(tmp_path, as_frame=True)
    assert server.requests == []


def test_arrays_need_no_pandas(content, tmp_path):
    (tmp_path / "lung_small.mat").write_bytes(content)
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from sklearn_set.datasets import _asu, fetch_asu\n"
        "entry = _asu._DATASETS['Lung-discrete']\n"
        "object.__setattr__(entry, 'checksum', sys.argv[2])\n"
        "print(fetch_asu('Lung-discrete', data_home=sys.argv[1]).data.shape)\n"
    )
    checksum = _asu._DATASETS["Lung-discrete"].checksum
    command = [sys.executable, "-c", code, str(tmp_path), checksum]
    # Not from the working directory: its package may lack the compiled core.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert result.stdout == "(20, 500)\n", result.stderr


@pytest.fixture
def sparse(publish, tmp_path):
    """A sparse matrix, whose file lies in tmp_path."""
    X = scipy.sparse.random(30, 40, density=0.1, format="csc", random_state=0)
    content = publish(mat(X=X, Y=np.arange(30) % 2))
    (tmp_path / "lung_small.mat").write_bytes(content)
    return X


def test_sparse_stays_sparse(sparse, tmp_path):
    bunch = fetch(tmp_path)
    assert scipy.sparse.issparse(bunch.data)
    assert isinstance(bunch.data, scipy.sparse.csr_matrix)
    assert bunch.data.dtype == np.float64
    assert bunch.data.nnz == sparse.nnz == 120
    assert bunch.data.has_canonical_format
    np.testing.assert_array_equal(bunch.data.toarray(), sparse.toarray())
    assert "40 (integers -2..2; 10 % of the values are nonzero)" in bunch.DESCR


def test_sparse_duplicates_are_summed(publish, tmp_path):
    X = scipy.sparse.csc_matrix(([1.0, 2.0, 3.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    (tmp_path / "lung_small.mat").write_bytes(publish(mat(X=X, Y=[1, 2])))
    data = fetch(tmp_path).data
    assert data.nnz == 2
    np.testing.assert_array_equal(data.toarray(), [[0, 3], [3, 0]])


def test_sparse_interface_of_scikit_learn(sparse, tmp_path):
    if "sparse_interface" not in sklearn.get_config():
        pytest.skip("scikit-learn before 1.9 knows only sparse matrices")
    with sklearn.config_context(sparse_interface="sparray"):
        X, _ = fetch(tmp_path, return_X_y=True)
        frame = fetch(tmp_path, as_frame=True).data
    assert isinstance(X, scipy.sparse.csr_array)
    np.testing.assert_array_equal(X.toarray(), sparse.toarray())
    np.testing.assert_array_equal(frame.to_numpy(), sparse.toarray())


def test_sparse_frame(sparse, tmp_path):
    bunch = fetch(tmp_path, as_frame=True)
    assert all(isinstance(dtype, pd.SparseDtype) for dtype in bunch.data.dtypes)
    np.testing.assert_array_equal(bunch.data.to_numpy(), sparse.toarray())
    assert bunch.frame.shape == (30, 41)


@pytest.mark.parametrize(
    "dtype, expected",
    [
        ("uint8", "float64"),
        ("int16", "float64"),
        ("uint16", "float64"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_data_are_floating_point(publish, tmp_path, dtype, expected):
    X = np.array([[0, 1], [2, 120]], dtype=dtype)
    (tmp_path / "lung_small.mat").write_bytes(publish(mat(X=X, Y=[1, 2])))
    data = fetch(tmp_path).data
    assert data.dtype == expected
    np.testing.assert_array_equal(data, X)


@pytest.mark.parametrize(
    "Y, expected",
    [
        (np.array([[1], [2], [3]], dtype="uint8"), np.array([1, 2, 3])),
        (np.array([[1.0, -1.0, 1.0]]), np.array([1, -1, 1])),
        (np.array([[0.5], [1.0], [2.0]]), np.array([0.5, 1.0, 2.0])),
        (np.array([[1.0], [np.inf], [2.0]]), np.array([1.0, np.inf, 2.0])),
        (np.array([[True], [False], [True]]), np.array([1, 0, 1])),
        (scipy.sparse.csc_matrix([[1.0], [0.0], [2.0]]), np.array([1, 0, 2])),
    ],
)
def test_labels_are_those_of_the_file(publish, tmp_path, Y, expected):
    (tmp_path / "lung_small.mat").write_bytes(publish(mat(X=np.eye(3), Y=Y)))
    target = fetch(tmp_path).target
    assert target.dtype == expected.dtype
    np.testing.assert_array_equal(target, expected)


# Names and parameters


def test_names():
    datasets = list_asu()
    assert list(datasets) == PAPER + OTHERS
    assert datasets["Leukemia"] == {
        "file": "leukemia.mat",
        "n_samples": 72,
        "n_features": 7070,
        "n_classes": 2,
        "values": "integers -2..2",
    }
    datasets["Leukemia"]["n_samples"] = 0  # a copy
    assert list_asu()["Leukemia"]["n_samples"] == 72


def test_checksums_are_well_formed_and_distinct():
    checksums = [dataset.checksum for dataset in _asu._DATASETS.values()]
    assert len(set(checksums)) == 29
    for checksum in checksums:
        assert re.fullmatch("sha256:[0-9a-f]{64}|git:[0-9a-f]{40}", checksum)


@pytest.mark.parametrize("name", PAPER + OTHERS)
def test_every_spelling_means_the_same_dataset(name, tmp_path):
    file = list_asu()[name]["file"]
    spellings = {name, file, file.removesuffix(".mat")}
    spellings |= {name.replace("-", "_"), name.lower(), name.upper(), file.upper()}
    for spelling in spellings:
        with pytest.raises(FileNotFoundError, match=re.escape(f"{tmp_path / file} does not exist")):
            fetch_asu(spelling, data_home=tmp_path, download_if_missing=False)


@pytest.mark.parametrize(
    "name, hint",
    [
        ("Lung-discreet", "Did you mean 'Lung-discrete'?"),
        ("madelone", "Did you mean 'madelon'?"),
        ("Prostate", "Did you mean 'Prostate-GE'?"),
        ("CLL_SUB_11", "Did you mean 'CLL-SUB-111'?"),
        ("lung_smal", "'Lung-discrete'"),
        ("", "list_asu() lists all 29 names"),
        ("../lung", "'lung'"),
        ("quite another thing", "list_asu() lists all 29 names"),
    ],
)
def test_unknown_names(name, hint, server, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"Unknown dataset name={name!r}")) as error:
        fetch_asu(name, data_home=tmp_path)
    assert hint in str(error.value)
    assert server.requests == []


@pytest.mark.parametrize(
    "options",
    [
        {"name": 3},
        {"name": None},
        {"n_retries": -1},
        {"n_retries": 1.5},
        {"n_retries": True},
        {"delay": -0.1},
        {"delay": float("inf")},
        {"delay": float("nan")},
        {"delay": "1"},
    ],
)
def test_parameters_out_of_range(options, server, tmp_path):
    [(parameter, value)] = options.items()
    with pytest.raises(ValueError, match=re.escape(f"{parameter}={value!r} is not")):
        fetch_asu(**{"name": "Lung-discrete", "data_home": tmp_path, **options})
    assert server.requests == []


# The real files


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the real files are not in {REAL_DATA}")
@pytest.mark.parametrize(
    "name", [name for name, dataset in list_asu().items() if (REAL_DATA / dataset["file"]).exists()]
)
def test_real_files(name):
    dataset = list_asu()[name]
    path = REAL_DATA / dataset["file"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bunch = fetch_asu(name, data_home=REAL_DATA, download_if_missing=False)
    assert bunch.data.shape == (dataset["n_samples"], dataset["n_features"])
    assert bunch.target.shape == (dataset["n_samples"],)
    assert bunch.target.dtype == np.int64
    assert len(np.unique(bunch.target)) == dataset["n_classes"]
    low, high = bunch.data.min(), bunch.data.max()
    if ".." in dataset["values"]:
        kind, limits = dataset["values"].split(" ")
        lowest, highest = map(int, limits.split(".."))
        assert lowest <= low < high <= highest
        assert kind == "pixels" or (bunch.data == np.rint(bunch.data)).all()
    elif dataset["values"] == "word counts":
        assert low == 0
        assert (bunch.data == np.rint(bunch.data)).all()
    file = scipy.io.loadmat(path)
    np.testing.assert_array_equal(bunch.data, file["X"])
    np.testing.assert_array_equal(bunch.target, file["Y"].ravel())
