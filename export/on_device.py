"""The small graphs that prepare pictures on a GPU under ONNX Runtime: `python -m export.on_device` writes them anew.

`shrink_nv12`: the planes of an NV12 picture → small RGB, by matrices that come as inputs, so that one file serves every
camera and model (detect/on_device/nv12.py says what they hold). `lay_LAYOUT_DTYPE`: small RGB → one picture of a net's
input: padded, normalised, in its order and type. They are shipped with the runtime, which has no onnx package; a test
holds the shipped files to this module.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamer.artifacts import InputSpec
from streamer.detect.on_device.onnx_pictures import GRAPHS, SHRINK

OPSET, IR_VERSION = 18, 8
_TYPES = {"uint8": TensorProto.UINT8, "float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT}


def graphs() -> dict[str, bytes]:
    """Every file by its name."""
    layouts, dtypes = (get_args(InputSpec.model_fields[name].annotation) for name in ("layout", "dtype"))
    laying = {f"lay_{layout}_{dtype}.onnx".lower(): lay(layout, dtype) for layout in layouts for dtype in dtypes}
    return {SHRINK: shrink_nv12(), **laying}


def shrink_nv12() -> bytes:
    """uint8 (H, P) and (H/2, P/2, 2) with the six parts of a Shrinking → content uint8 (h, w, 3)."""
    node = helper.make_node
    nodes = [
        node("Cast", ["y"], ["y_float"], to=TensorProto.FLOAT),
        node("MatMul", ["luma_rows", "y_float"], ["luma_lines"]),
        node("MatMul", ["luma_lines", "luma_columns"], ["luma"]),
        node("Cast", ["uv"], ["uv_float"], to=TensorProto.FLOAT),
        node("Transpose", ["uv_float"], ["uv_planes"], perm=[2, 0, 1]),
        node("MatMul", ["chroma_rows", "uv_planes"], ["chroma_lines"]),
        node("MatMul", ["chroma_lines", "chroma_columns"], ["chroma"]),
        node("Unsqueeze", ["luma", "first"], ["luma_plane"]),
        node("Concat", ["luma_plane", "chroma"], ["yuv_planes"], axis=0),
        node("Transpose", ["yuv_planes"], ["yuv"], perm=[1, 2, 0]),
        node("MatMul", ["yuv", "colours"], ["rgb_from_black"]),
        node("Add", ["rgb_from_black", "offset"], ["rgb"]),
        node("Clip", ["rgb", "black", "white"], ["rgb_inside"]),
        node("Round", ["rgb_inside"], ["rgb_whole"]),
        node("Cast", ["rgb_whole"], ["content"], to=TensorProto.UINT8),
    ]
    floats = {
        "luma_rows": ("h", "H"), "luma_columns": ("P", "w"), "chroma_rows": ("h", "H2"), "chroma_columns": ("P2", "w"),
        "colours": (3, 3), "offset": (3,),
    }  # fmt: skip
    inputs = [_info("y", "uint8", ("H", "P")), _info("uv", "uint8", ("H2", "P2", 2))]
    inputs += [_info(name, "float32", shape) for name, shape in floats.items()]
    return _model("shrink_nv12", nodes, inputs, _info("content", "uint8", ("h", "w", 3)), _limits() | _first())


def lay(layout: str, dtype: str) -> bytes:
    """content uint8 (h, w, 3) → slot (1, 3, H, W) or (1, H, W, 3)."""
    node = helper.make_node
    nodes = [
        node("Gather", ["content", "order"], ["ordered"], axis=2),
        node("Cast", ["ordered"], ["pixels"], to=TensorProto.FLOAT),
        node("Pad", ["pixels", "pads", "pad_value"], ["canvas"]),
        node("Mul", ["canvas", "scale"], ["scaled"]),
        node("Add", ["scaled", "offset"], ["normalised"]),
        *([node("Transpose", ["normalised"], ["arranged"], perm=[2, 0, 1])] if layout == "NCHW" else []),
        node("Cast", ["arranged" if layout == "NCHW" else "normalised"], ["typed"], to=_TYPES[dtype]),
        node("Unsqueeze", ["typed", "first"], ["slot"]),
    ]
    inputs = [
        _info("content", "uint8", ("h", "w", 3)),
        helper.make_tensor_value_info("order", TensorProto.INT64, (3,)),
        helper.make_tensor_value_info("pads", TensorProto.INT64, (6,)),
        _info("pad_value", "float32", ()),
        _info("scale", "float32", (3,)),
        _info("offset", "float32", (3,)),
    ]
    shape = (1, 3, "H", "W") if layout == "NCHW" else (1, "H", "W", 3)
    return _model(f"lay_{layout}_{dtype}".lower(), nodes, inputs, _info("slot", dtype, shape), _first())


def write(folder: Path = GRAPHS) -> None:
    """All files into their place."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in graphs().items():
        (folder / name).write_bytes(graph)


def _first() -> dict[str, np.ndarray[Any, Any]]:
    return {"first": np.array([0], np.int64)}


def _limits() -> dict[str, np.ndarray[Any, Any]]:
    return {"black": np.array(0, np.float32), "white": np.array(255, np.float32)}


def _info(name: str, dtype: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _TYPES[dtype], shape)


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    output: onnx.ValueInfoProto,
    fixed: dict[str, np.ndarray[Any, Any]],
) -> bytes:
    weights = [numpy_helper.from_array(value, key) for key, value in fixed.items()]
    graph = helper.make_graph(nodes, name, inputs, [output], weights)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="streamer"
    )
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    write()
    sys.exit(0)
