"""Small graphs with weights, built by hand: what conversions are tried on, whatever training may have made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]


def model(
    nodes: Sequence[NodeProto],
    constants: Arrays,
    inputs: dict[str, tuple[int, Sequence[int | str]]],
    outputs: dict[str, tuple[int, Sequence[int | str]]],
    opset: int = 17,
) -> onnx.ModelProto:
    """A checked model; inputs and outputs as name → (type, shape)."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, *each) for name, each in inputs.items()],
        [helper.make_tensor_value_info(name, *each) for name, each in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


def run(graph: bytes | onnx.ModelProto, feed: Arrays) -> Arrays:
    """Every output of a graph, on one thread."""
    given = graph if isinstance(graph, bytes) else graph.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def small_detector(seed: int = 0, wh: tuple[int, int] = (64, 32), opset: int = 17) -> onnx.ModelProto:
    """uint8 NHWC → boxes, scores, feature_map in the layout "streamer", with random weights; one grid, stride 4.

    All that our nets are built of: normalisation inside, convolutions with ReLU, two branches joined, a residual, an
    upsampling; distances become xyxy behind the last layers. 16 · 8 boxes of two classes.
    """
    rng = np.random.default_rng(seed)
    (w, h), nodes = wh, []
    constants: Arrays = {
        "step": np.array(1 / 64, np.float32),
        "two": np.array(2, np.float32),
        "double": np.array([1, 1, 2, 2], np.float32),
        "stride": np.array(4, np.float32),
        "boxes_shape": np.array([0, 4, -1], np.int64),
        "scores_shape": np.array([0, 2, -1], np.int64),
        "halves": np.array([2, 2], np.int64),
    }
    ys, xs = np.mgrid[: h // 4, : w // 4]
    constants["centres"] = ((np.stack([xs, ys], -1).reshape(1, -1, 2) + 0.5) * 4).astype(np.float32)

    def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def conv(x: str, inside: int, outside: int, name: str, size: int = 3, stride: int = 1, relu: bool = True) -> str:
        spread = (2 / (inside * size * size)) ** 0.5
        constants[f"{name}.w"] = rng.normal(0, spread, (outside, inside, size, size)).astype(np.float32)
        constants[f"{name}.b"] = rng.normal(0, 0.1, outside).astype(np.float32)
        pads, out = [size // 2] * 4, name if not relu else f"{name}.sum"
        node("Conv", [x, f"{name}.w", f"{name}.b"], out, kernel_shape=[size] * 2, strides=[stride] * 2, pads=pads)
        return node("Relu", [out], name) if relu else out

    x = node("Transpose", ["images"], "planes", perm=[0, 3, 1, 2])
    x = node("Cast", [x], "floats", to=TensorProto.FLOAT)
    x = node("Mul", [x, "step"], "scaled")
    x = node("Sub", [x, "two"], "normalised")
    half = conv(x, 3, 8, "stem", stride=2)
    quarter = conv(half, 8, 16, "second", stride=2)
    eighth = conv(quarter, 16, 16, "third", stride=2)
    up = node("Resize", [eighth, "", "double"], "up", mode="nearest", nearest_mode="floor",
              coordinate_transformation_mode="asymmetric")  # fmt: skip
    joined = node("Concat", [up, quarter], "joined", axis=1)
    mixed = conv(joined, 32, 16, "mixed", size=1)
    kept = node("Add", [mixed, conv(mixed, 16, 16, "again")], "feature_map")
    sides = conv(kept, 16, 4, "sides", size=1, relu=False)
    constants["sides.w"] *= np.float32(0.2)  # boxes of a few strides, not of a thousand
    constants["sides.b"] += np.float32(0.7)
    logits = conv(kept, 16, 2, "logits", size=1, relu=False)
    away = node("Exp", [sides], "away")
    away = node("Reshape", [away, "boxes_shape"], "away.flat")
    away = node("Transpose", [away], "away.rows", perm=[0, 2, 1])
    away = node("Mul", [away, "stride"], "away.px")
    nodes.append(helper.make_node("Split", [away, "halves"], ["before", "after"], axis=2))
    low = node("Sub", ["centres", "before"], "low")
    high = node("Add", ["centres", "after"], "high")
    node("Concat", [low, high], "boxes", axis=2)
    flat = node("Reshape", [logits, "scores_shape"], "logits.flat")
    rows = node("Transpose", [flat], "logits.rows", perm=[0, 2, 1])
    node("Sigmoid", [rows], "scores")
    n = (w // 4) * (h // 4)
    return model(
        nodes,
        constants,
        {"images": (TensorProto.UINT8, ("batch", h, w, 3))},
        {
            "boxes": (TensorProto.FLOAT, ("batch", n, 4)),
            "scores": (TensorProto.FLOAT, ("batch", n, 2)),
            "feature_map": (TensorProto.FLOAT, ("batch", 16, h // 4, w // 4)),
        },
        opset,
    )


def pictures(n: int, wh: tuple[int, int] = (64, 32), seed: int = 1) -> list[NDArray[np.uint8]]:
    """Soft blobs of colour: neighbouring pixels are alike, as in pictures."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, wh[1] // 8 + 1, wh[0] // 8 + 1, 3)).astype(np.float32)
    rows = np.stack([coarse[:, i : i + wh[1] // 8].repeat(8, 1) for i in (0, 1)]).mean(0)
    return list(np.stack([rows[:, :, i : i + wh[0] // 8].repeat(8, 2) for i in (0, 1)]).mean(0).astype(np.uint8))
