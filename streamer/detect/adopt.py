"""A manifest for an ONNX file that has none: what the graph tells by itself, and what its family usually wants.

Shapes, types, opset and class count are read from the graph and proved by a run. Preprocessing cannot be read from a
graph: it is taken from the family's own published code, and can be overruled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError

from streamer.artifacts import Artifact, Axis, InputSpec, LayoutName, Manifest, OutputSpec, Thresholds
from streamer.detect.coco import COCO_80, COCO_91
from streamer.detect.detector import OnnxDetector
from streamer.detect.layouts import LAYOUTS, layout_of
from streamer.errors import ArtifactError
from streamer.model_folder import write_model_folder
from streamer.onnx_opset import default_opset
from streamer.sessions import OnnxSession, TensorInfo, written

Normalise = Literal["none", "unit", "imagenet"]
NORMALISATIONS: tuple[Normalise, ...] = ("none", "unit", "imagenet")

# In RGB order: value = (pixel − mean) × scale.
_MEAN_AND_SCALE: dict[Normalise, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "unit": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((123.675, 116.28, 103.53), (1 / 58.395, 1 / 57.12, 1 / 57.375)),
}


@dataclass(frozen=True, slots=True)
class _Custom:
    """What a family's published code does to a picture before the net, and to boxes after it."""

    channels: Literal["RGB", "BGR"]
    normalise: Normalise
    mode: Literal["letterbox", "stretch"]
    align: Literal["centre", "top_left"]
    nms_iou: float | None
    min_score: float
    track_score: float


# The floors of YOLOX and FastestDet lie where lower ones add less than a point of person AP50 on vtest and
# ADL-Rundle-6; their operating points are near the best F1 there (YOLOX-nano 0.46-0.59, FastestDet 0.64-0.68; 2026-11).
_CUSTOMS: dict[LayoutName, _Custom] = {
    "streamer": _Custom("RGB", "none", "letterbox", "centre", 0.65, 0.05, 0.4),
    "yolox": _Custom("BGR", "none", "letterbox", "top_left", 0.65, 0.05, 0.5),
    "fastestdet": _Custom("BGR", "unit", "stretch", "top_left", 0.45, 0.2, 0.6),
    "yolov8": _Custom("RGB", "unit", "letterbox", "centre", 0.65, 0.05, 0.4),
    "detr": _Custom("RGB", "unit", "stretch", "top_left", None, 0.1, 0.5),
    "torchvision": _Custom("RGB", "unit", "letterbox", "centre", None, 0.1, 0.5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person who brings the model says about it; None: as the graph or the family has it."""

    labels: tuple[str, ...] | None = None
    name: str | None = None
    licence: str = "unknown"
    size: tuple[int, int] | None = None
    normalise: Normalise | None = None
    channels: Literal["RGB", "BGR"] | None = None
    min_score: float | None = None
    track_score: float | None = None
    sha256: str | None = None  # what the file must be
    provenance: Mapping[str, JsonValue] = field(default_factory=dict)


def adopt(file: Path, layout: LayoutName, folder: Path, wishes: Wishes) -> Artifact:
    """Write a model folder for a bare ONNX file, after the model was opened by it and run on noise.

    Raises ArtifactError where the file is no model of that layout (both sides named) or the folder exists.
    """
    try:
        graph = file.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read: {error.strerror or error}") from error
    found = hashlib.sha256(graph).hexdigest()
    if wishes.sha256 and found != wishes.sha256:
        raise ArtifactError(f"{file}: sha256 mismatch: expected {wishes.sha256}, the file has {found}.")
    opset = default_opset(graph, str(file))
    session = OnnxSession(graph, str(file), "cpu", threads=1)
    customs = _CUSTOMS[layout]
    tensor = _input_tensor(session, str(file), layout, wishes.size)
    shapes = _output_shapes(session, tensor, layout)
    roles = LAYOUTS[layout].roles(shapes)
    if not roles:
        outputs = ", ".join(f"'{name}' {written(shape)}" for name, shape in shapes.items())
        wanted = ", ".join(LAYOUTS[layout].uses)
        raise ArtifactError(f"{file}: not of layout {layout}: it needs outputs for {wanted}; the graph has {outputs}")
    by_role = {role: shapes[name] for name, role in roles.items()}
    labels = wishes.labels or _coco_labels(layout, by_role)
    softmax = layout == "detr" and by_role["logits"][-1] == len(labels) + 1
    usual: Normalise = "imagenet" if softmax else customs.normalise
    channels = wishes.channels or customs.channels
    mean, scale = _MEAN_AND_SCALE[wishes.normalise or ("none" if tensor.dtype == "uint8" else usual)]
    dtypes = {each.name: each.dtype for each in session.outputs}
    floor = customs.min_score if wishes.min_score is None else wishes.min_score
    operating_point = max(floor, customs.track_score) if wishes.track_score is None else wishes.track_score
    halves = tensor.dtype == "float16" or "float16" in dtypes.values()
    try:
        manifest = Manifest(
            name=wishes.name or _name_from(file),
            sha256=found,
            layout=layout,
            labels=labels,
            input=InputSpec.model_validate(
                {
                    "name": tensor.name,
                    "dtype": tensor.dtype,
                    "layout": tensor.layout,
                    "batch": tensor.batch,
                    "size": tensor.size,
                    "channels": channels,
                    "mode": customs.mode,
                    "align": customs.align,
                    "mean": mean if channels == "RGB" else mean[::-1],
                    "scale": scale if channels == "RGB" else scale[::-1],
                }
            ),
            outputs=tuple(
                OutputSpec.model_validate({"name": name, "dtype": dtypes[name], "shape": shapes[name], "role": role})
                for name, role in roles.items()
            ),
            thresholds=Thresholds(min_score=floor, track_score=operating_point, nms_iou=customs.nms_iou),
            precision="fp16" if halves else "fp32",
            opset=opset,
            licence=wishes.licence,
            provenance={"adopted_from": file.name, **wishes.provenance},
        )
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors()
        )
        raise ArtifactError(f"{file}: cannot be described by a manifest: {problems}") from error
    layout_of(manifest)
    return write_model_folder(manifest, graph, folder, prove=lambda artifact: OnnxDetector(artifact).warm_up())


@dataclass(frozen=True, slots=True)
class _InputTensor:
    name: str
    dtype: str
    layout: Literal["NCHW", "NHWC"]
    batch: Literal["any", 1, "none"]
    size: tuple[int, int]

    def zeros(self) -> dict[str, NDArray[Any]]:
        """One black picture."""
        w, h = self.size
        picture = (3, h, w) if self.layout == "NCHW" else (h, w, 3)
        return {self.name: np.zeros(picture if self.batch == "none" else (1, *picture), self.dtype)}


def _input_tensor(session: OnnxSession, named: str, layout: LayoutName, size: tuple[int, int] | None) -> _InputTensor:
    """The one input, as a tensor of pictures."""
    if len(session.inputs) != 1:
        names = ", ".join(f"'{each.name}'" for each in session.inputs)
        raise ArtifactError(f"{named}: a detector here takes one input, the pictures; this graph takes {names}")
    [info] = session.inputs
    shape = info.shape or ()
    if len(shape) not in (3, 4) or 3 not in (shape[-3], shape[-1]):
        raise ArtifactError(
            f"{named}: input '{info.name}' must be pictures, (batch, 3, height, width) or (batch, height, width, 3), "
            f"with or without the batch; the graph has {written(shape)}"
        )
    order: Literal["NCHW", "NHWC"] = "NCHW" if shape[-3] == 3 else "NHWC"
    height, width = shape[-2:] if order == "NCHW" else shape[-3:-1]
    if size is None:
        if isinstance(width, str) or isinstance(height, str):
            raise ArtifactError(f"{named}: takes pictures of any size, {written(shape)}: choose one with --size WxH")
        size = (width, height)
    elif any(isinstance(g, int) and g != wanted for g, wanted in ((width, size[0]), (height, size[1]))):
        raise ArtifactError(f"{named}: --size is {size[0]}x{size[1]}, but the graph has {width}x{height}")
    batch: Literal["any", 1, "none"]
    if len(shape) == 3:
        batch = "none"
    elif shape[0] == 1 or (layout == "torchvision" and isinstance(shape[0], str)):
        batch = 1
    elif isinstance(shape[0], str):
        batch = "any"
    else:
        raise ArtifactError(f"{named}: takes {shape[0]} pictures at once; export it for 1, or with a free batch axis")
    return _InputTensor(info.name, info.dtype, order, batch, size)


def _output_shapes(session: OnnxSession, tensor: _InputTensor, layout: LayoutName) -> dict[str, tuple[Axis, ...]]:
    """Every output's shape: numbers for what this input size makes of free axes, names for what may vary."""
    names = [each.name for each in session.outputs]
    real = {name: found.shape for name, found in zip(names, session.run(names, tensor.zeros()), strict=True)}
    return {each.name: _resolved(each, real[each.name], tensor, layout) for each in session.outputs}


def _resolved(info: TensorInfo, real: Sequence[int], tensor: _InputTensor, layout: LayoutName) -> tuple[Axis, ...]:
    if layout == "torchvision" and real:
        # As many rows as there are objects in this picture; what comes before them is a batch axis of 1.
        rows = len(real) - (2 if info.dtype == "float32" and real[-1] == 4 and len(real) > 1 else 1)
        fixed = info.shape is not None and isinstance(info.shape[rows], int)
        return tuple("objects" if i == rows and not fixed else int(n) for i, n in enumerate(real))
    if tensor.batch == "any" and real:
        return ("batch", *(int(n) for n in real[1:]))
    return tuple(int(n) for n in real)


def _coco_labels(layout: LayoutName, by_role: Mapping[str, tuple[Axis, ...]]) -> tuple[str, ...]:
    """COCO's names in the numbering that this graph's class count points to."""
    scores = by_role.get("logits") or by_role.get("scores")
    counts_91 = layout in ("detr", "streamer") and scores is not None and scores[-1] in (91, 92)
    return COCO_91 if counts_91 or layout == "torchvision" else COCO_80


def _name_from(file: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-._") or "model"
