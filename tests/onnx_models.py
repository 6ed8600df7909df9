"""Tiny ONNX graphs of every layout, built by hand: they answer any picture with outputs that a test has chosen.

The outputs are constants repeated over the batch, plus the picture's own mean brightness times zero, so that the graph
really reads its input and its batch axis; `mean_brightness=True` lets the input show in the first value instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamer.artifacts import Artifact, InputSpec, Manifest, OutputSpec, Thresholds
from streamer.model_folder import write_model_folder

TYPES = {"uint8": TensorProto.UINT8, "float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT,
         "int64": TensorProto.INT64}  # fmt: skip


def graph_of(
    outputs: Mapping[str, NDArray[Any]],
    *,
    input_name: str = "images",
    input_shape: tuple[int | str, ...] = ("batch", 32, 32, 3),
    input_dtype: str = "uint8",
    opset: int = 17,
    repeat: bool = True,
    declared: Mapping[str, tuple[int | str, ...]] | None = None,
) -> bytes:
    """A graph that gives these outputs; with repeat, each is one picture's and is repeated over the batch.

    declared replaces the shapes that the graph states for its outputs.
    """
    nodes, initials, infos = [], [], []
    batch = input_shape[0] if len(input_shape) == 4 else None
    nodes.append(helper.make_node("Cast", [input_name], ["as_float"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Shape", ["as_float"], ["shape"]))
    nodes.append(helper.make_node("Slice", ["shape", "zero", "one"], ["n"]))
    nodes.append(helper.make_node("ReduceMean", ["as_float"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "nought"], ["nothing"]))
    initials += [
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array(0, np.float32), "nought"),
    ]
    for i, (name, value) in enumerate(outputs.items()):
        stored = value[None] if repeat else value
        initials.append(numpy_helper.from_array(stored, f"value{i}"))
        nodes.append(helper.make_node("Cast", ["nothing"], [f"nothing{i}"], to=TYPES[str(value.dtype)]))
        nodes.append(helper.make_node("Add", [f"value{i}", f"nothing{i}"], [f"seen{i}" if repeat else name]))
        if repeat:
            initials.append(numpy_helper.from_array(np.ones(value.ndim, np.int64), f"ones{i}"))
            nodes.append(helper.make_node("Concat", ["n", f"ones{i}"], [f"times{i}"], axis=0))
            nodes.append(helper.make_node("Tile", [f"seen{i}", f"times{i}"], [name]))
        shape = (declared or {}).get(name, (batch, *value.shape) if repeat else value.shape)
        infos.append(helper.make_tensor_value_info(name, TYPES[str(value.dtype)], shape))
    wanted = helper.make_tensor_value_info(input_name, TYPES[input_dtype], input_shape)
    graph = helper.make_graph(nodes, "tiny", [wanted], infos, initials)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def brightness_graph() -> bytes:
    """uint8 NHWC (batch, 32, 32, 3) → one box of score 1: mean red, mean green, mean blue, and the highest value.

    What comes out tells which pixels went in: for tests of batches, channel order and padding.
    """
    nodes = [
        helper.make_node("Cast", ["images"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["rgb"], axes=[1, 2], keepdims=0),  # (batch, 3)
        helper.make_node("ReduceMax", ["as_float"], ["most"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["most", "one"], ["column"]),
        helper.make_node("Concat", ["rgb", "column"], ["four"], axis=1),
        helper.make_node("Unsqueeze", ["four", "one"], ["boxes"]),
        helper.make_node("Mul", ["column", "nought"], ["zeros"]),
        helper.make_node("Add", ["zeros", "unity"], ["ones"]),
        helper.make_node("Unsqueeze", ["ones", "one"], ["scores"]),
    ]
    initials = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array(0, np.float32), "nought"),
        numpy_helper.from_array(np.array(1, np.float32), "unity"),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ("batch", 32, 32, 3))],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ("batch", 1, 4)),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ("batch", 1, 1)),
        ],
        initials,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def manifest_for(graph: bytes, **changes: Any) -> Manifest:
    """A good manifest of our own layout, 32×32, labels person and car, five boxes; keys can be replaced."""
    values: dict[str, Any] = {
        "name": "tiny",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "layout": "streamer",
        "labels": ("person", "car"),
        "input": InputSpec(name="images", dtype="uint8", layout="NHWC", channels="RGB", size=(32, 32)),
        "outputs": (
            OutputSpec(name="boxes", dtype="float32", shape=("batch", 5, 4)),
            OutputSpec(name="scores", dtype="float32", shape=("batch", 5, 2)),
        ),
        "thresholds": Thresholds(min_score=0.1, track_score=0.5, nms_iou=0.5),
        "precision": "fp32",
        "opset": 17,
        "licence": "Apache-2.0",
    }
    return Manifest(**(values | changes))


BOXES = np.array([[2, 2, 12, 22], [3, 2, 12, 22], [16, 4, 30, 30], [2, 2, 12, 22], [20, 20, 20, 24]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.8, 0.1], [0.2, 0.7], [0.05, 0.6], [0.5, 0.0]], np.float32)


def streamer_graph(boxes: NDArray[np.float32] = BOXES, scores: NDArray[np.float32] = SCORES, **options: Any) -> bytes:
    """Our own layout: a person seen twice, a car, a car on the person's place, and a box without area."""
    return graph_of({"boxes": boxes, "scores": scores}, **options)


def write_tiny(folder: Path, graph: bytes | None = None, **changes: Any) -> Artifact:
    """A model folder with a tiny graph; the manifest's keys can be replaced."""
    graph = streamer_graph() if graph is None else graph
    return write_model_folder(manifest_for(graph, **changes), graph, folder)
