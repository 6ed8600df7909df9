"""Every ONNX operator that the torch backend has means what ONNX Runtime means by it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamer.sessions import OnnxSession

try:
    from streamer.sessions.on_torch.net import OPERATORS
    from streamer.sessions.torch_session import TorchSession
except ImportError:  # the marker says so
    OPERATORS = {}

pytestmark = pytest.mark.needs("torch")

CHANCE = np.random.default_rng(7)
F32, F16, I64, BOOL = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.BOOL


def floats(*shape: int) -> np.ndarray:
    return CHANCE.normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


X, Y, ROW = floats(2, 4, 6, 5), floats(2, 4, 6, 5), floats(1, 4, 1, 1)
POSITIVE = np.abs(X) + np.float32(0.1)
PICKS = np.array([[0, -1], [2, 1]], np.int64)
WINDOW = floats(2, 4, 9, 11)
SIDES = whole(0, 0, 1, 2, 0, 0, 3, 1)
NOTHING = np.zeros(0, np.float32)

# operator, attributes, what it is fed, what is fixed in the graph ("" is left out), opset, number of outputs
CASES = [
    ("Abs", {}, [X], []), ("Add", {}, [X, ROW], []), ("Ceil", {}, [X], []), ("Floor", {}, [X], []),
    ("And", {}, [X > 0, Y > 0], []), ("Not", {}, [X > 0], []), ("Equal", {}, [PICKS, PICKS.T.copy()], []),
    ("Greater", {}, [X, Y], []), ("Less", {}, [X, Y], []),
    ("BatchNormalization", {"epsilon": 1e-3}, [X], [floats(4), floats(4), floats(4), np.abs(floats(4))]),
    ("Cast", {"to": I64}, [X], []), ("Cast", {"to": F16}, [X], []), ("Cast", {"to": F32}, [X > 0], []),
    ("Clip", {}, [X], [np.float32(-0.5), np.float32(0.5)]), ("Clip", {}, [X], ["", np.float32(0.5)]),
    ("Clip", {"min": -0.1, "max": 0.2}, [X], [], 10),
    ("Div", {}, [X, POSITIVE], []), ("Div", {}, [PICKS, whole(2)], []), ("Erf", {}, [X], []), ("Exp", {}, [X], []),
    ("Gemm", {"transB": 1, "alpha": 0.5, "beta": 2.0}, [floats(3, 5)], [floats(4, 5), floats(4)]),
    ("Gemm", {"transA": 1}, [floats(5, 3)], [floats(5, 4)]),
    ("HardSigmoid", {"alpha": 0.3}, [X], []), ("HardSwish", {}, [X], []), ("Identity", {}, [X], []),
    ("LeakyRelu", {"alpha": 0.1}, [X], []), ("Log", {}, [POSITIVE], []), ("MatMul", {}, [X, floats(2, 4, 5, 3)], []),
    ("Max", {}, [X, Y, ROW], []), ("Min", {}, [X, Y], []), ("Sum", {}, [X, Y, ROW], []), ("Mul", {}, [X, ROW], []),
    ("Neg", {}, [X], []), ("Pow", {}, [POSITIVE], [np.float32(1.5)]), ("Sqrt", {}, [POSITIVE], []),
    ("ReduceMax", {"axes": [1, -1]}, [X], [], 17), ("ReduceMax", {"keepdims": 0}, [X], [whole(2)]),
    ("ReduceMean", {"keepdims": 0}, [X], [whole(2, 3)]), ("ReduceMean", {"axes": [1]}, [X], [], 17),
    ("ReduceMean", {}, [X], []), ("ReduceMin", {}, [X], [whole(-1)]), ("ReduceSum", {}, [X], [whole(1)]),
    ("ReduceSum", {"noop_with_empty_axes": 1}, [X], []), ("ReduceSum", {"axes": [3]}, [X], [], 11),
    ("Relu", {}, [X], []), ("Sigmoid", {}, [X], []), ("Softplus", {}, [X], []), ("Sub", {}, [X, ROW], []),
    ("Softmax", {"axis": 1}, [X], []), ("Tanh", {}, [X], []), ("Where", {}, [X > 0, X, Y], []),
    ("Concat", {"axis": 2}, [X, Y], []), ("Constant", {"value": numpy_helper.from_array(X)}, [], []),
    ("Constant", {"value_ints": [1, -2, 3]}, [], []), ("ConstantOfShape", {}, [], [whole(2, 3)]),
    ("ConstantOfShape", {"value": numpy_helper.from_array(whole(7))}, [], [whole(2, 3)]),
    ("Expand", {}, [ROW], [whole(2, 1, 6, 1)]), ("Flatten", {"axis": 2}, [X], []), ("Flatten", {"axis": 0}, [X], []),
    ("Gather", {"axis": 1}, [X], [PICKS]), ("Gather", {}, [X], [np.array(-1, np.int64)]),
    ("GatherElements", {"axis": 1}, [floats(2, 3)], [PICKS]),
    ("Range", {}, [], [np.array(2, np.int64), np.array(11, np.int64), np.array(3, np.int64)]),
    ("Reshape", {}, [X], [whole(0, -1, 5)]), ("Shape", {}, [X], []), ("Shape", {"start": 1, "end": -1}, [X], []),
    ("Slice", {}, [X], [whole(1, 0), whole(-1, 4), whole(2, 3), whole(1, 2)]), ("Slice", {}, [X], [whole(1), whole(9)]),
    ("Slice", {}, [X], [whole(-1), whole(-(2**31)), whole(2), whole(-2)]),
    ("Split", {"axis": 2}, [X], [whole(1, 5)], 18, 2), ("Split", {"axis": 1, "num_outputs": 2}, [X], [], 18, 2),
    ("Split", {"axis": 3, "num_outputs": 2}, [X], [], 18, 2), ("Split", {"axis": 2, "split": [2, 4]}, [X], [], 11, 2),
    ("Split", {"axis": 2}, [X], [], 13, 3),
    ("Squeeze", {}, [ROW], [whole(0, -1)]), ("Squeeze", {}, [ROW], []), ("Squeeze", {"axes": [2]}, [ROW], [], 11),
    ("Tile", {}, [ROW], [whole(1, 2, 3, 1)]), ("TopK", {"axis": 2}, [X], [whole(3)], 18, 2),
    ("TopK", {"largest": 0}, [X], [whole(2)], 18, 2), ("Transpose", {"perm": [0, 2, 3, 1]}, [X], []),
    ("Transpose", {}, [X], []), ("Unsqueeze", {}, [X], [whole(0, -1)]), ("Unsqueeze", {"axes": [1]}, [X], [], 11),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, [WINDOW], []),
    ("AveragePool", {"kernel_shape": [2, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, [WINDOW], []),
    ("Conv", {"strides": [2, 1], "pads": [1, 2, 1, 2], "dilations": [1, 2]}, [WINDOW], [floats(6, 4, 3, 3), floats(6)]),
    ("Conv", {"group": 4, "pads": [0, 1, 2, 1]}, [WINDOW], [floats(8, 1, 3, 3)]),
    ("Conv", {"pads": [1, 1]}, [floats(2, 4, 9)], [floats(3, 4, 3)]),
    ("ConvTranspose", {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]}, [WINDOW],
     [floats(4, 3, 3, 3), floats(3)]),
    ("GlobalAveragePool", {}, [WINDOW], []),
    ("MaxPool", {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}, [WINDOW], []),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, [WINDOW], []),
    ("MaxPool", {"kernel_shape": [3, 2], "pads": [0, 0, 2, 1]}, [WINDOW], []),
    ("Pad", {}, [WINDOW], [SIDES, np.float32(3.0)]), ("Pad", {"mode": "reflect"}, [WINDOW], [SIDES]),
    ("Pad", {"mode": "edge"}, [WINDOW], [SIDES]), ("Pad", {}, [WINDOW], [whole(1, 2), "", whole(-1)]),
    ("Resize", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, [WINDOW],
     [NOTHING, np.array([1, 1, 2, 2], np.float32)]),
    ("Resize", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, [WINDOW],
     [NOTHING, np.array([1, 1, 1.5, 2], np.float32)]),
    ("Resize", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, [WINDOW],
     [NOTHING, NOTHING, whole(2, 4, 5, 20)]),
    ("Resize", {"mode": "linear", "coordinate_transformation_mode": "half_pixel", "antialias": 1,
                "exclude_outside": 1}, [WINDOW],
     [NOTHING, NOTHING, whole(2, 4, 5, 4)]),
]  # fmt: skip


def one_operator(operator, attributes, fed, fixed, opset=18, outputs=1) -> bytes:
    """A graph of this operator alone; its results may have any type, which the checker works out."""
    names = [f"in{i}" for i in range(len(fed))]
    more = ["" if isinstance(value, str) else f"fixed{i}" for i, value in enumerate(fixed)]
    given = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in zip(names, fed, strict=True)
    ]
    weights = [numpy_helper.from_array(np.asarray(v), n) for n, v in zip(more, fixed, strict=True) if n]
    made = [f"out{i}" for i in range(outputs)]
    node = helper.make_node(operator, names + more, made, **attributes)
    bare = helper.make_graph([node], "one", given, [onnx.ValueInfoProto(name=name) for name in made], weights)
    model = helper.make_model(bare, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_an_operator_says_what_onnx_runtime_says(case):
    graph, fed = one_operator(*case), {f"in{i}": value for i, value in enumerate(case[2])}
    reference, ours = OnnxSession(graph, "one", "cpu", 1), TorchSession(graph, "one", 1, "cpu")
    names = [each.name for each in reference.outputs]
    for expected, found in zip(reference.run(names, fed), ours.run(names, fed), strict=True):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_every_operator_that_we_have_is_among_them():
    assert {case[0] for case in CASES} == set(OPERATORS)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (("Resize", {"mode": "cubic"}, [WINDOW], [NOTHING, np.array([1, 1, 2, 2], np.float32)]), "cubic"),
        (("Resize", {"mode": "nearest"}, [WINDOW], [NOTHING, NOTHING, whole(2, 4, 10, 11)]), "nearest"),
        (("AveragePool", {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}, [WINDOW], []), "uneven pads"),
        (("MaxPool", {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}, [WINDOW], []), "auto_pad"),
    ],
)
def test_what_is_not_supported_says_so_rather_than_something_else(case, said):
    from streamer.errors import InferenceError

    session = TorchSession(one_operator(*case), "one", 1, "cpu")
    with pytest.raises(InferenceError, match=said):
        session.run(["out0"], {"in0": WINDOW})
