"""From a net of torchvision to the folder that the service runs: graph, proof, manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from export.onnx import OPSET, sha256
from export.torchvision.drawings import pictures
from export.torchvision.graph import INPUT, as_graph
from export.torchvision.known import Known
from export.torchvision.operators import import_torchvision, operators_are_torchvisions
from export.torchvision.proof import prove
from export.torchvision.sources import Source
from streamer.artifacts import Artifact, InputSpec, Manifest, OutputSpec, Thresholds
from streamer.detect import OnnxDetector
from streamer.model_folder import write_model_folder

torchvision = import_torchvision()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How the detector shall be fed and read. min_score is built into the graph: what scores less never comes out."""

    name: str
    canvas_wh: tuple[int, int]
    min_score: float
    track_score: float


def write_folder(known: Known, source: Source, wishes: Wishes, out: Path, tell: Callable[[str], None]) -> Artifact:
    """Export, prove, and write the folder whole or not at all; tell hears how it goes.

    Raises ParityError where the graph does not say what torchvision says, ArtifactError where the folder exists.
    """
    tell("tracing the net")
    graph = as_graph(source.net, wishes.canvas_wh, wishes.min_score)
    parity, from_score = prove(source.net, graph, wishes.min_score, pictures(wishes.canvas_wh), tell)
    manifest = Manifest(
        name=wishes.name,
        sha256=sha256(graph),
        layout="torchvision",
        labels=source.labels,
        input=InputSpec(
            name=INPUT,
            dtype="uint8",
            layout="NHWC",
            batch=1,
            channels="RGB",
            size=wishes.canvas_wh,
            mode="stretch" if known.is_fixed else "letterbox",
            align="top_left",
        ),
        outputs=(
            OutputSpec(name="boxes", dtype="float32", shape=("objects", 4)),
            OutputSpec(name="labels", dtype="int64", shape=("objects",)),
            OutputSpec(name="scores", dtype="float32", shape=("objects",)),
        ),
        thresholds=Thresholds(
            min_score=wishes.min_score, track_score=wishes.track_score, nms_iou=None, max_objects=_most_objects(source)
        ),
        precision="fp32",
        opset=OPSET,
        licence=source.licence,
        provenance=_provenance(known, source),
        parity=parity.as_dict() | {"from_score": round(from_score, 4)},
        metrics=dict(source.metrics),
    )
    tell("running the folder once")
    return write_model_folder(manifest, graph, out, prove=lambda artifact: OnnxDetector(artifact).warm_up())


def _most_objects(source: Source) -> int:
    """How many the net gives at most."""
    return int(getattr(source.net, "roi_heads", source.net).detections_per_img)


def _provenance(known: Known, source: Source) -> dict[str, Any]:
    operators = "torchvision's" if operators_are_torchvisions() else "plain torch: torchvision's do not load here"
    return {
        "script": f"python -m export torchvision {known.name}",
        **source.provenance,
        "torchvision": torchvision.__version__,
        "torch": torch.__version__,
        "operators": operators,
        "date": datetime.now(UTC).date().isoformat(),
    }
