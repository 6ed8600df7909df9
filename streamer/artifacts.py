"""Detectors' folders: `model.onnx` beside a `manifest.json` that says everything about it.

Only such a folder crosses from training to the service. A manifest of schema version 1, key by key (unknown keys are
refused):

    schema_version  1
    name            letters, digits, '.', '_', '-'; names the model in metrics and alerts
    task            "detection"
    sha256          of model.onnx, lower-case hex; weights in files beside the graph are not supported, they go unhashed
    layout          how to read the outputs: streamer | yolox | fastestdet | yolov8 | detr | torchvision;
                    streamer/detect/layouts/__init__.py defines each one
    labels          class names by class id; "" for an id that must never come out (background, holes in a numbering)
    input           the one tensor that pictures go into:
        name, dtype     dtype is uint8, float16 or float32
        layout          "NCHW" or "NHWC"
        batch           "any" number of pictures per run, exactly 1, or "none" (a graph without a batch axis)
        channels        "RGB" or "BGR"
        size            [width, height] of the canvas in pixels
        mode, align     "letterbox" (keep the aspect, pad) or "stretch"; "centre" or "top_left"
        pad_value       0-255, a pixel value, before mean and scale
        mean, scale     three numbers each, in the order of `channels`: value = (pixel 0-255 − mean) × scale
    outputs         [{name, dtype, shape, role}]: shape holds a number per fixed axis and a name per free one
                    (["batch", 3549, 85]); role is what the layout calls it, default its name; others are ignored
    thresholds      min_score     the detector leaves out what scores less (low: the tracker's second stage wants it)
                    track_score   default operating point: what may start a track
                    nms_iou       overlap above which the weaker box of a class goes; null: the net does it itself
                    max_objects   at most so many per frame
                    track_score_by_label   {label: score} where one class wants another operating point
    precision       "fp32", "fp16" or "int8"
    opset           of the graph, default domain
    licence, provenance, parity, metrics    for people and for the model card
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from streamer.errors import ArtifactError
from streamer.fit import Align, InputFit, Mode
from streamer.model_folder import GRAPH_FILE, ManifestPart, ModelFolder, content_of, load_folder, parse_manifest
from streamer.model_kinds import MANIFEST_FILE
from streamer.model_signature import PublicKey

LayoutName = Literal["streamer", "yolox", "fastestdet", "yolov8", "detr", "torchvision"]
Axis = Annotated[int, Field(ge=1)] | Annotated[str, Field(min_length=1)]
Score = Annotated[float, Field(ge=0, le=1)]
Triple = tuple[float, float, float]


class InputSpec(ManifestPart):
    """The tensor that pictures go into, and how (see the module's docstring)."""

    name: str
    dtype: Literal["uint8", "float16", "float32"]
    layout: Literal["NCHW", "NHWC"]
    channels: Literal["RGB", "BGR"]
    size: tuple[Annotated[int, Field(ge=1, le=8192)], Annotated[int, Field(ge=1, le=8192)]]
    batch: Literal["any", 1, "none"] = "any"
    mode: Mode = "letterbox"
    align: Align = "centre"
    pad_value: Annotated[int, Field(ge=0, le=255)] = 114
    mean: Triple = (0.0, 0.0, 0.0)
    scale: Triple = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _numbers_fit_the_dtype(self) -> InputSpec:
        if 0.0 in self.scale:
            raise ValueError(f"scale must not hold 0; found {list(self.scale)}")
        if self.dtype == "uint8" and not self.is_raw:
            raise ValueError(
                "an input of dtype uint8 takes pixels as they are: mean must be [0, 0, 0], scale [1, 1, 1]"
            )
        return self

    @property
    def is_raw(self) -> bool:
        """True where the net takes pixel values 0-255 as they are."""
        return self.mean == (0.0, 0.0, 0.0) and self.scale == (1.0, 1.0, 1.0)

    @property
    def fit(self) -> InputFit:
        """How any picture is laid into it."""
        return InputFit(self.size, self.mode, self.align, self.pad_value)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """One picture in the tensor: (3, height, width) or (height, width, 3)."""
        w, h = self.size
        return (3, h, w) if self.layout == "NCHW" else (h, w, 3)

    @property
    def shape(self) -> tuple[Axis, ...]:
        """The whole tensor, written like the shape of an output."""
        if self.batch == "none":
            return self.picture_shape
        return ("batch" if self.batch == "any" else 1, *self.picture_shape)


class OutputSpec(ManifestPart):
    """One tensor that the graph gives."""

    name: str
    dtype: Literal["float32", "float16", "int64", "int32"]
    shape: tuple[Axis, ...]
    role: str | None = None

    @property
    def as_role(self) -> str:
        """What the layout calls it."""
        return self.role or self.name


class Thresholds(ManifestPart):
    """Scores and overlaps that belong to this net."""

    min_score: Score
    track_score: Score
    nms_iou: Annotated[float, Field(gt=0, le=1)] | None
    max_objects: Annotated[int, Field(ge=1, le=10_000)] = 300
    track_score_by_label: dict[str, Score] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _floor_below_operating_point(self) -> Thresholds:
        for label, score in {"": self.track_score, **self.track_score_by_label}.items():
            if score < self.min_score:
                of = f" of '{label}'" if label else ""
                raise ValueError(f"track_score{of} must be at least min_score {self.min_score:g}; found {score:g}")
        return self

    def track_score_of(self, label: str) -> float:
        """The operating point of one class."""
        return self.track_score_by_label.get(label, self.track_score)


class Manifest(ManifestPart):
    """What a model folder promises; see the module's docstring for every key."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    task: Literal["detection"] = "detection"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    layout: LayoutName
    labels: tuple[str, ...]
    input: InputSpec
    outputs: Annotated[tuple[OutputSpec, ...], Field(min_length=1)]
    thresholds: Thresholds
    precision: Literal["fp32", "fp16", "int8"]
    opset: Annotated[int, Field(ge=1)]
    licence: str
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
    parity: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        named = [label for label in labels if label]
        if not named:
            raise ValueError("at least one class needs a name")
        if twice := sorted({label for label in named if named.count(label) > 1}):
            raise ValueError(f"each name may stand for one class id only; found twice: {', '.join(twice)}")
        return labels

    @model_validator(mode="after")
    def _parts_agree(self) -> Manifest:
        if strange := sorted(set(self.thresholds.track_score_by_label) - set(self.labels)):
            raise ValueError(f"thresholds.track_score_by_label names unknown labels: {', '.join(strange)}")
        for what, names in (("name", [o.name for o in self.outputs]), ("role", [o.as_role for o in self.outputs])):
            if len(set(names)) < len(names):
                raise ValueError(f"outputs must differ in {what}; found {', '.join(names)}")
        return self

    def to_json(self) -> str:
        """The text of manifest.json."""
        return self.model_dump_json(indent=2, exclude_none=False) + "\n"


Artifact = ModelFolder[Manifest]
"""A detector's folder whose files are there, whose manifest makes sense and whose hash is right."""


def load_artifact(folder: Path, trusted: Sequence[PublicKey] = ()) -> Artifact:
    """The model folder, checked: files, signature where there are trusted keys, JSON, schema, sha256.

    Raises ArtifactError that says what is wrong and where.

    Whether the graph itself is what the manifest says needs the graph opened: streamer.detect.load_detector does that.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ArtifactError(
            f"{folder}: expected a folder with {GRAPH_FILE} and {MANIFEST_FILE}, found {found}. "
            "`streamer models adopt FILE.onnx --layout … --out DIR` makes one from a bare ONNX file."
        )
    return load_folder(folder, _parsed, ("detector",), lambda gone: _incomplete(folder, gone), trusted)


def _incomplete(folder: Path, gone: list[str]) -> str:
    hint = f" The graph must be called {GRAPH_FILE}." if GRAPH_FILE in gone else ""
    return (
        f"{folder}: a model folder holds {GRAPH_FILE} and {MANIFEST_FILE}; missing: {' and '.join(gone)}.{hint} "
        "`streamer models adopt FILE.onnx --layout … --out DIR` writes a complete one."
    )


def read_manifest(path: Path) -> Manifest:
    """The manifest alone, without its graph. Raises ArtifactError that names every key that is wrong."""
    return _parsed(path, content_of(path))


def _parsed(path: Path, content: bytes) -> Manifest:
    return parse_manifest(path, content, Manifest, "a manifest")
