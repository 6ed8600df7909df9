"""A small classifier for the second look of tests.benchmarks.detect_less: is this box a vehicle, or nothing?

Fitted in seconds, in numpy: 16×16 pixels, 256 random units, one ridge regression (an "extreme learning machine":
Huang, Zhu and Siew, Neurocomputing 2006). It stands for what somebody made in an afternoon, not for a good classifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.average_precision import iou
from streamer.artifacts import InputSpec
from streamer.detect.classifier_artifact import ClassifierManifest
from streamer.model_folder import write_model_folder
from streamer.stages import Detector
from tests.benchmarks.detect_less_truth import Watched

SIDE, UNITS, MARGIN, RIDGE = 16, 256, 0.15, 30.0
Floats = NDArray[np.float32]


def fit_classifier(detector: Detector, footage: Iterable[Watched], label: str, below: float, folder: Path) -> int:
    """Write a classifier of the detector's own doubtful boxes, right and wrong; returns how many it learned from."""
    crops, right = _doubtful(detector, footage, label, below)
    random = np.random.default_rng(20261121)
    first = (random.standard_normal((SIDE * SIDE * 3, UNITS)) / SIDE).astype(np.float32)
    hidden = np.maximum(_pixels(crops) @ first, 0)
    hidden = np.column_stack([hidden, np.ones(len(hidden))])
    wanted = np.where(right, 1.0, -1.0)
    weights = np.linalg.solve(hidden.T @ hidden + RIDGE * np.eye(UNITS + 1), hidden.T @ wanted).astype(np.float32)
    graph = _graph(first, weights)
    manifest = ClassifierManifest(
        name=f"{label}-or-not",
        sha256=hashlib.sha256(graph).hexdigest(),
        labels=(label, ""),
        input=InputSpec(name="crops", dtype="uint8", layout="NHWC", channels="RGB", size=(SIDE, SIDE), mode="stretch"),
        output="logits",
        gives="logits",
        margin=MARGIN,
        opset=17,
        licence="none",
    )
    write_model_folder(manifest, graph, folder)
    return len(crops)


def _doubtful(
    detector: Detector, footage: Iterable[Watched], label: str, below: float
) -> tuple[list[NDArray[np.uint8]], NDArray[np.bool_]]:
    crops, right = [], []
    for watched in footage:
        [found] = detector.detect([watched.frame])
        chosen = (found.class_ids == found.labels.index(label)) & (found.scores >= 0.1) & (found.scores < below)
        boxes, full = found.boxes_xyxy[chosen], watched.frame.picture.rgb()
        hits = iou(boxes, watched.truth[label].boxes).max(axis=1, initial=0.0) >= 0.5
        for box, hit in zip(boxes, hits.tolist(), strict=True):
            around = MARGIN * (box[2:] - box[:2])
            (x1, y1), (x2, y2) = np.floor(box[:2] - around).astype(int), np.ceil(box[2:] + around).astype(int)
            crop = full[max(0, y1) : y2, max(0, x1) : x2]
            crops.append(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
            right.append(hit)
    return crops, np.array(right, np.bool_)


def _pixels(crops: list[NDArray[np.uint8]]) -> Floats:
    return np.stack(crops).reshape(len(crops), -1).astype(np.float32) / 255 - 0.5


def _graph(first: Floats, weights: Floats) -> bytes:
    """uint8 NHWC (batch, 16, 16, 3) → logits (batch, 2); a regression of ±1 is read as half the logit of both."""
    both = 2 * np.column_stack([weights, -weights])
    tensors = {
        "flat": np.array([0, -1], np.int64),
        "scale": np.array(1 / 255, np.float32),
        "half": np.array(0.5, np.float32),
        "first": first,
        "last": both[:-1].astype(np.float32),
        "bias": both[-1].astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["crops"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["cast", "flat"], ["rows"]),
        helper.make_node("Mul", ["rows", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "half"], ["centred"]),
        helper.make_node("MatMul", ["centred", "first"], ["units"]),
        helper.make_node("Relu", ["units"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "last"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "vehicle_or_not",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ("batch", SIDE, SIDE, 3))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", 2))],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
