"""The net as a model folder that the service runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from export.onnx import OPSET, check_parity, sha256, to_onnx
from export.parity import Parity
from models.detector.network import CANVAS_WH, FEATURE_STRIDE_PX, LABELS, OUTPUTS, DetectorNet, cell_grid
from streamer.artifacts import Artifact, InputSpec, Manifest, OutputSpec, Thresholds
from streamer.detect import load_detector
from streamer.model_folder import write_model_folder

MIN_SCORE = 0.05
DRAFT = Thresholds(min_score=MIN_SCORE, track_score=0.4, nms_iou=0.6, max_objects=200)
"""For nets that are still learning."""
LIMITS = {"boxes": 0.1, "scores": 1e-3, "frame_embedding": 1e-2, "feature_map": 1e-2}
"""What fp32 may differ from torch: boxes in pixels, the rest in its own units."""


def graph_of(net: DetectorNet) -> bytes:
    """The net as ONNX, for the bundled canvas and any number of pictures."""
    w, h = CANVAS_WH
    return to_onnx(net.cpu(), torch.zeros(2, h, w, 3, dtype=torch.uint8), "images", OUTPUTS)


def parity_of(net: DetectorNet, graph: bytes, canvases: NDArray[np.uint8], shown_score: float) -> Parity:
    """How close the graph is to the net on these canvases, uint8 (P, H, W, 3). Raises ParityError."""
    return check_parity(net.cpu(), graph, canvases, OUTPUTS, LIMITS, shown_score)


def write_fp32(
    folder: Path,
    graph: bytes,
    net: DetectorNet,
    thresholds: Thresholds,
    provenance: Mapping[str, JsonValue] | None = None,
    parity: Parity | None = None,
    metrics: Mapping[str, JsonValue] | None = None,
) -> Artifact:
    """The folder, proved by the service's own loader. Raises ArtifactError where it exists."""
    w, h = CANVAS_WH
    cells = len(cell_grid(CANVAS_WH, torch.device("cpu")))
    feature_map = ("batch", net.feature_width, h // FEATURE_STRIDE_PX, w // FEATURE_STRIDE_PX)
    manifest = Manifest(
        name=folder.name,
        sha256=sha256(graph),
        layout="streamer",
        labels=LABELS,
        input=InputSpec(name="images", dtype="uint8", layout="NHWC", channels="RGB", size=CANVAS_WH),
        outputs=(
            OutputSpec(name="boxes", dtype="float32", shape=("batch", cells, 4)),
            OutputSpec(name="scores", dtype="float32", shape=("batch", cells, len(LABELS))),
            OutputSpec(name="frame_embedding", dtype="float32", shape=("batch", net.embedding_width)),
            OutputSpec(name="feature_map", dtype="float32", shape=feature_map),
        ),
        thresholds=thresholds,
        precision="fp32",
        opset=OPSET,
        licence="Apache-2.0",
        provenance=dict(provenance or {}),
        parity=parity.as_dict() if parity else {},
        metrics=dict(metrics or {}),
    )
    return write_model_folder(manifest, graph, folder, prove=lambda artifact: load_detector(artifact.folder).warm_up())
