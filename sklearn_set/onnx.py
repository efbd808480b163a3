"""ONNX export, through skl2onnx (``pip install "sklearn-set[onnx]"``).

After `register` the estimators of this package convert like scikit-learn's own, alone or in
a Pipeline, with ``skl2onnx.to_onnx``. Layers whose density is below a third are
stored sparse, which makes the file small; onnxruntime expands them when it loads the file.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from . import _dsr, _multilayer_perceptron
from ._columns import BOUND
from ._conditioning import InputConditioner
from ._rbm import SETBernoulliRBM

__all__ = ["register"]

# A sparse value takes 4 bytes and its index 8, a dense value 4.
_SPARSE_BELOW = 1 / 3
_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
}


def register() -> None:
    """Register the converters of all estimators with skl2onnx.

    Survival analyses convert to their risks (`predict`), `SETFeatureSelector`,
    `StabilitySelector`, `SETBernoulliRBM` and `InputConditioner` to their `transform`.

    Raises
    ------
    ImportError
        If skl2onnx is missing.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_set import SETClassifier
    >>> import sklearn_set.onnx
    >>> sklearn_set.onnx.register()
    >>> from skl2onnx import to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SETClassifier((20,), max_iter=5, dtype="float32").fit(X, y)
    >>> onnx_model = to_onnx(model, X[:1].astype("float32"), options={"zipmap": False})
    >>> [output.name for output in onnx_model.graph.output]
    ['label', 'probabilities']
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            'ONNX export needs skl2onnx. Install it with `pip install "sklearn-set[onnx]"`.'
        ) from error
    from ._feature_selection import SETFeatureSelector  # see __init__: slow to import
    from ._stability import StabilitySelector

    kinds = {
        "Classifier": (_classifier_shapes, _convert_classifier),
        "Regressor": (_regressor_shapes, _convert_regressor),
        "SurvivalAnalysis": (_regressor_shapes, _convert_survival),
        "Selector": (_transformer_shapes, _convert_selector),
        "SETBernoulliRBM": (_transformer_shapes, _convert_machine),
        "InputConditioner": (_transformer_shapes, _convert_conditioner),
    }
    modules = (_multilayer_perceptron, _dsr)
    predictors = [getattr(module, name) for module in modules for name in module.__all__]
    others = [SETFeatureSelector, StabilitySelector, SETBernoulliRBM, InputConditioner]
    for estimator in [*predictors, *others]:
        name = estimator.__name__
        kind = next(kind for kind in kinds if name.endswith(kind))
        options = {"options": _OPTIONS} if kind == "Classifier" else {}
        update_registered_converter(estimator, f"SklearnSet{name}", *kinds[kind], **options)


def _set_shape(operator, n_columns: int) -> None:
    from skl2onnx.common.data_types import guess_tensor_type

    kind = type(guess_tensor_type(operator.inputs[0].type))
    n_rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = kind([n_rows, n_columns])


def _regressor_shapes(operator) -> None:
    model = operator.raw_operator
    _set_shape(operator, 1 if hasattr(model, "unique_times_") else model.n_outputs_)


def _transformer_shapes(operator) -> None:
    _set_shape(operator, len(operator.raw_operator.get_feature_names_out()))


def _classifier_shapes(operator) -> None:
    from skl2onnx.common.data_types import Int64TensorType
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    calculate_linear_classifier_output_shapes(operator)
    model = operator.raw_operator
    if model._targets.multilabel:
        n_rows = operator.inputs[0].get_first_dimension()
        operator.outputs[0].type = Int64TensorType([n_rows, model.n_outputs_])


class _Graph:
    """Adds nodes to the graph of one model."""

    def __init__(self, scope, operator, container):
        from onnx import TensorProto
        from skl2onnx.common.data_types import DoubleTensorType

        self.scope, self.container = scope, container
        double = isinstance(operator.inputs[0].type, DoubleTensorType)
        self.dtype = np.dtype(np.float64 if double else np.float32)
        self.kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
        self.proto = TensorProto

    def name(self, hint: str) -> str:
        return self.scope.get_unique_variable_name(hint)

    def node(self, kind: str, *inputs, output: str | None = None, **attributes) -> str:
        """Add a node; numbers among its inputs become constants. Returns its output's name."""
        names = [x if isinstance(x, str) else self._numbers(x) for x in inputs]
        output = self.name(kind.lower()) if output is None else output
        attributes |= {"op_version": self.container.target_opset}
        name = self.scope.get_unique_operator_name(kind)
        self.container.add_node(kind, names, output, name=name, **attributes)
        return output

    def constant(self, values: np.ndarray, kind=None) -> str:
        name, kind = self.name("constant"), self.kind if kind is None else kind
        self.container.add_initializer(name, kind, list(values.shape), values.ravel().tolist())
        return name

    def weights(self, coef: sparse.csc_array) -> str:
        from onnx import helper

        n_in, n_out = coef.shape
        if coef.nnz >= _SPARSE_BELOW * n_in * n_out:
            return self._numbers(coef.toarray())
        rows = coef.tocsr().tocoo()  # sorted by row, as the format requires
        name = self.name("weights")
        places = rows.row.astype(np.int64) * n_out + rows.col
        data = rows.data.astype(self.dtype)
        values = helper.make_tensor(f"{name}_values", self.kind, [coef.nnz], data)
        indices = helper.make_tensor(f"{name}_indices", self.proto.INT64, [coef.nnz], places)
        tensor = helper.make_sparse_tensor(values, indices, [n_in, n_out])
        return self.node("Constant", output=name, sparse_value=tensor)

    def raw_outputs(self, model, X: str) -> str:
        """The network up to its raw outputs."""
        current = self.conditioned(model.conditioner_, X)
        activations: list[tuple[str, float]] = [*model._network.activations, ("identity", 0.0)]
        for coef, bias, activation in zip(model.coefs_, model.intercepts_, activations):
            current = self.node("Add", self.node("MatMul", current, self.weights(coef)), bias)
            current = self._activation(*activation, current)
        return current

    def _numbers(self, values) -> str:
        return self.constant(np.atleast_1d(np.asarray(values)).astype(self.dtype))

    def conditioned(self, conditioner, X: str) -> str:
        """The conditioned inputs, see `_columns.py`."""
        columns = conditioner._columns
        if conditioner.method_ == "none":
            return X
        scaling = columns.scaling
        Z = self._affine(X, scaling.mean, scaling.deviation)
        if conditioner.method_ == "decorrelate":
            unit = self.node("MatMul", self._bounded(Z), columns.components.basis)
            return self.node("Mul", self._smooth_clip(unit), columns.gain)
        if len(scaling.heavy):
            Z = self._heavy_tails(scaling, X, Z)
        Z = self._smooth_clip(Z)
        return self.node("Mul", Z, columns.gain) if conditioner.method_ == "weigh" else Z

    def _affine(self, X: str, center, scale) -> str:
        return self.node("Mul", self.node("Sub", X, center), 1 / scale)

    def _heavy_tails(self, scaling, X: str, Z: str) -> str:
        """Z, but the columns with heavy tails by their asinh: sign(u) log(|u| + sqrt(u² + 1))."""
        full = [np.full(len(scaling.mean), fill) for fill in (0.0, 1.0, 0.0, 1.0)]
        given = (scaling.median, scaling.size, scaling.heavy_mean, scaling.heavy_deviation)
        for values, heavy in zip(full, given):
            values[scaling.heavy] = heavy
        u = self._affine(X, full[0], full[1])
        root = self.node("Sqrt", self.node("Add", self.node("Mul", u, u), 1))
        log = self.node("Log", self.node("Add", self.node("Abs", u), root))
        asinh = self.node("Mul", self.node("Sign", u), log)
        is_heavy = np.zeros(len(scaling.mean), dtype=bool)
        is_heavy[scaling.heavy] = True
        mask = self.constant(is_heavy, self.proto.BOOL)
        return self.node("Where", mask, self._affine(asinh, full[2], full[3]), Z)

    def _bounded(self, Z: str) -> str:
        return self.node("Max", self.node("Min", Z, 1e6), -1e6)

    def _smooth_clip(self, Z: str) -> str:
        Z = self._bounded(Z)
        third = self.node("Mul", Z, 1 / BOUND)
        root = self.node("Sqrt", self.node("Add", self.node("Mul", third, third), 1))
        return self.node("Div", Z, root)

    def _activation(self, kind: str, slope: float, current: str) -> str:
        plain = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid"}
        if kind == "identity":
            return current
        if kind in plain:
            return self.node(plain[kind], current)
        if kind == "gelu":  # written out: the operator is newer than the opsets in use
            return self._gelu(current)
        # Not LeakyRelu, which onnxruntime has for single precision only.
        below = self.node("Relu", self.node("Neg", current))
        return self.node("Sub", self.node("Relu", current), self.node("Mul", below, slope))

    def _gelu(self, z: str) -> str:
        cube = self.node("Mul", self.node("Mul", z, z), z)
        inner = self.node("Add", z, self.node("Mul", cube, 0.044715))
        tanh = self.node("Tanh", self.node("Mul", inner, np.sqrt(2 / np.pi)))
        return self.node("Mul", self.node("Mul", z, 0.5), self.node("Add", tanh, 1))


def _converter(convert):
    """Decorator: a converter for skl2onnx, of a function of a graph, a model and names.

    Samples come in the precision of the graph.
    """

    def converter(scope, operator, container) -> None:
        graph = _Graph(scope, operator, container)
        X = graph.node("Cast", operator.inputs[0].full_name, to=graph.kind)
        outputs = [variable.full_name for variable in operator.outputs]
        convert(graph, operator.raw_operator, X, *outputs)

    return converter


@_converter
def _convert_regressor(graph, model, X, output) -> None:
    raw = graph.raw_outputs(model, X)
    if model.out_activation_ == "exp":
        raw = graph.node("Exp", raw)
    scaled = graph.node("Mul", raw, model._targets.scale)
    graph.node("Add", scaled, model._targets.offset, output=output)


@_converter
def _convert_survival(graph, model, X, output) -> None:
    """The risk: the logarithm of a weighted mean of the hazards, see `Times.risk`."""
    hazards = graph.node("Exp", graph.raw_outputs(model, X))
    mean = graph.node("MatMul", hazards, model._targets.shares[:, np.newaxis])
    graph.node("Log", mean, output=output)


@_converter
def _convert_selector(graph, selector, X, output) -> None:
    columns = graph.constant(selector.get_support(indices=True), graph.proto.INT64)
    graph.node("Gather", X, columns, output=output, axis=1)


@_converter
def _convert_machine(graph, machine, X, output) -> None:
    product = graph.node("MatMul", X, graph.weights(sparse.csc_array(machine.components_.T)))
    hidden = graph.node("Add", product, machine.intercept_hidden_)
    graph.node("Sigmoid", hidden, output=output)


@_converter
def _convert_conditioner(graph, conditioner, X, output) -> None:
    graph.node("Identity", graph.conditioned(conditioner, X), output=output)


@_converter
def _convert_classifier(graph, model, X, label, probabilities) -> None:
    raw = graph.raw_outputs(model, X)
    if model._targets.multilabel:
        graph.node("Sigmoid", raw, output=probabilities)
        positive = graph.node("Greater", raw, 0)
        graph.node("Cast", positive, output=label, to=graph.proto.INT64)
        return
    if model.out_activation_ == "softmax":
        graph.node("Softmax", raw, output=probabilities, axis=1)
    elif model.n_outputs_ == 1:
        one = graph.node("Sigmoid", raw)
        graph.node("Concat", graph.node("Sub", 1, one), one, output=probabilities, axis=1)
    else:
        outputs = graph.node("Sigmoid", raw)
        axes = graph.constant(np.array([1]), graph.proto.INT64)
        total = graph.node("ReduceSum", outputs, axes, keepdims=1)
        graph.node("Div", outputs, total, output=probabilities)
    place = graph.node("ArgMax", probabilities, axis=1, keepdims=0)
    classes = model.classes_
    if np.issubdtype(classes.dtype, np.number) or classes.dtype == bool:
        values = graph.constant(classes.astype(np.int64), graph.proto.INT64)
    else:
        values = graph.name("classes")
        encoded = [str(name).encode() for name in classes]
        graph.container.add_initializer(values, graph.proto.STRING, [len(encoded)], encoded)
    graph.node("Gather", values, place, output=label, axis=0)
