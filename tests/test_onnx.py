"""ONNX export: equal predictions in onnxruntime; and skops files."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.datasets import load_diabetes, make_multilabel_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_set
from sklearn_set import NPSETClassifier, NPSETRegressor, SETClassifier, SETRegressor

onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

FAST = {"max_iter": 6, "random_state": 0}


@pytest.fixture(scope="module", autouse=True)
def converters():
    from sklearn_set.onnx import register

    register()


def run(model, X, **options):
    stored = skl2onnx.to_onnx(model, X[:1], **options).SerializeToString()
    session = onnxruntime.InferenceSession(stored, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X}), stored


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"activation": "all_relu"},
        {"activation": "leaky_relu"},
        {"activation": "tanh", "loss": "squared_error"},
        {"activation": "logistic"},
        {"activation": "identity"},
        {"activation": "gelu"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classifier_in_a_pipeline(few_digits, parameters, dtype):
    X, y = few_digits[0].astype(dtype), few_digits[1]
    model = make_pipeline(StandardScaler(), SETClassifier((60, 40), **FAST, **parameters))
    (label, probabilities), _ = run(model.fit(X, y), X, options={"zipmap": False})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(label, model.predict(X))


@pytest.mark.parametrize("fitted_with, set_to", [("relu", "tanh"), ("gelu", "all_relu")])
def test_a_parameter_that_was_set_afterwards_changes_nothing(few_digits, fitted_with, set_to):
    X, y = few_digits[0].astype(np.float32), few_digits[1]
    model = SETClassifier((60, 40), fitted_with, **FAST).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(activation=set_to)
    (_, probabilities), _ = run(model, X, options={"zipmap": False})
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


PREDICTORS = [
    name
    for name in sklearn_set.__all__
    if issubclass(getattr(sklearn_set, name), ClassifierMixin | RegressorMixin)
]


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_classifier_and_regressor(few_digits, name):
    cls = getattr(sklearn_set, name)
    X, y = few_digits[0].astype(np.float32), few_digits[1]
    model = cls((40,), **FAST)
    if "beta" in model.get_params():
        model.set_params(beta=1, gamma=3)
    outputs, _ = run(model.fit(X, y), X)
    np.testing.assert_allclose(outputs[0].ravel(), model.predict(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(set(sklearn_set.__all__) - set(PREDICTORS)))
def test_every_other_estimator(few_digits, name, dtype):
    """Alone, and transformers before a network."""
    cls = getattr(sklearn_set, name)
    X, y = few_digits[0].astype(dtype), few_digits[1]
    if name.endswith("SurvivalAnalysis"):
        y = np.column_stack([y > 3, y + 1.0])
        models = [cls((40,), n_intervals=n, **FAST) for n in (1, 3)]
        method = "predict"
    else:
        given = {"random_state": 0, "n_pairs": 3, "n_subsamples": 2}
        models = [cls().set_params(**{n: v for n, v in given.items() if n in cls().get_params()})]
        if name == "InputConditioner":
            models.append(cls(0.01))
        models.append(make_pipeline(*models))
        method = "transform"
    for model in models:
        (given,), _ = run(model.fit(X, y), X)
        expected = getattr(model, method)(X)
        np.testing.assert_allclose(given.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4)
    if method == "transform":
        pipeline = make_pipeline(models[0], SETClassifier((40,), **FAST)).fit(X, y)
        (_, probabilities), _ = run(pipeline, X, options={"zipmap": False})
        np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-4)


def test_weighed_columns():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 200)).astype(np.float32)
    y = np.column_stack([rng.random(120) < 0.7, rng.exponential(np.exp(X[:, 1] - X[:, 0]))])
    model = sklearn_set.SETSurvivalAnalysis((40,), **FAST).fit(X, y)
    assert model.conditioner_.method_ == "weigh"
    for converted, expected in (
        (model, model.predict(X)),
        (model.conditioner_, model.conditioner_.transform(X)),
    ):
        (given,), _ = run(converted, X)
        np.testing.assert_allclose(given.reshape(expected.shape), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("classes", [np.array(["no", "yes"]), np.array([-1, 1])], ids=str)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_two_classes(few_digits, classes, loss):
    X, y = few_digits[0].astype(np.float32), classes[(few_digits[1] > 4).astype(int)]
    model = NPSETClassifier((60,), loss=loss, beta=1, gamma=2, **FAST).fit(X, y)
    (label, probabilities), _ = run(model, X, options={"zipmap": False})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(label, model.predict(X))


def test_multilabel():
    X, y = make_multilabel_classification(random_state=0)
    X = X.astype(np.float32)
    model = SETClassifier((50,), **FAST).fit(X, y)
    (label, probabilities), _ = run(model, X, options={"zipmap": False})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    np.testing.assert_array_equal(label, model.predict(X))


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressors(loss, n_outputs):
    X, y = load_diabetes(return_X_y=True)
    X, y = X.astype(np.float32), y / 100
    y = y if n_outputs == 1 else np.column_stack([y, 2 * y])
    model = NPSETRegressor((40,), loss=loss, beta=1, gamma=2, **FAST).fit(X, y)
    (predicted,), _ = run(model, X)
    assert predicted.shape == (len(X), n_outputs)
    np.testing.assert_allclose(predicted.reshape(y.shape), model.predict(X), rtol=1e-5, atol=1e-5)


def test_sparse_layers_make_a_small_file():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 500)).astype(np.float32), np.arange(40) % 2
    model = SETClassifier((500, 500), epsilon=5, max_iter=2, random_state=0).fit(X, y)
    (_, probabilities), stored = run(model, X, options={"zipmap": False})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    assert len(stored) < 0.2 * 4 * 2 * 500 * 500


def test_skops_needs_only_our_names(few_digits):
    skops_io = pytest.importorskip("skops.io")
    X, y = few_digits[0].astype(np.float32), few_digits[1]
    models = [
        cls((30,), conditioning=conditioning, **FAST).fit(X, y)
        for cls in (SETClassifier, SETRegressor)
        for conditioning in ("auto", None, 0.01)
    ]
    for model in models:
        stored = skops_io.dumps(model)
        untrusted = skops_io.get_untrusted_types(data=stored)
        assert all(name.startswith("sklearn_set.") for name in untrusted), untrusted
        loaded = skops_io.loads(stored, trusted=untrusted)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        if model.conditioning is None:
            np.testing.assert_array_equal(
                loaded.predict(sparse.csr_array(X)), model.predict(sparse.csr_array(X))
            )
