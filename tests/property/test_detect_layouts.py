"""Every adapter against a slow decoder that follows the family's published formula box by box."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from streamer.artifacts import InputSpec, Manifest, OutputSpec, Thresholds
from streamer.detect.layouts import layout_of

W, H, K = 64, 96, 4
LABELS = ("person", "", "car", "bus")  # id 1 must never come out
SEEDS = range(12)
FLOORS = (0.0, 0.05, 0.4)


def manifest(layout: str, floor: float, outputs: dict[str, tuple[Any, ...]], **changes: Any) -> Manifest:
    batch = changes.pop("batch", "any")
    return Manifest(
        name="net",
        sha256="0" * 64,
        layout=layout,
        labels=changes.pop("labels", LABELS),
        input=InputSpec(name="x", dtype="float32", layout="NCHW", channels="RGB", size=(W, H), batch=batch),
        outputs=tuple(
            OutputSpec(name=f"out_{role}", dtype="int64" if role == "labels" else "float32", shape=shape, role=role)
            for role, shape in outputs.items()
        ),
        thresholds=Thresholds(min_score=floor, track_score=max(floor, 0.5), nms_iou=0.5),
        precision="fp32",
        opset=17,
        licence="none",
    )


def best_named(scores, labels=LABELS) -> tuple[int, float]:
    named = [k for k in range(len(labels)) if labels[k]]
    best = max(named, key=lambda k: scores[k])
    return best, float(scores[best])


def xyxy(cx, cy, w, h):
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def assert_agrees(candidates, expected: list[tuple[list[float], float, int]], floor: float) -> None:
    """The same boxes, in any order; those within rounding of the floor may be in or out."""
    sure = [e for e in expected if e[1] > floor * 1.0001 + 1e-6]
    perhaps = [e for e in expected if e[1] >= floor * 0.9999 - 1e-6]
    assert len(sure) <= len(candidates.scores) <= len(perhaps)
    rows = sorted(
        zip(candidates.boxes_xyxy.tolist(), candidates.scores.tolist(), candidates.class_ids.tolist(), strict=True)
    )
    wanted = sorted(sure if len(sure) == len(rows) else perhaps)
    assert len(rows) == len(wanted)
    for (box, score, class_id), (wanted_box, wanted_score, wanted_class) in zip(rows, wanted, strict=True):
        np.testing.assert_allclose(box, wanted_box, rtol=1e-4, atol=1e-3)
        assert score == pytest.approx(wanted_score, rel=1e-4, abs=1e-6)
        assert class_id == wanted_class
    assert candidates.class_ids.dtype == np.int64
    assert candidates.scores.dtype == np.float32
    assert candidates.boxes_xyxy.dtype == np.float32


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_streamer(seed, floor):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(-10, 100, (2, 30, 4)).astype(np.float32)
    scores = (rng.random((2, 30, K)) ** 3).astype(np.float32)
    layout = layout_of(manifest("streamer", floor, {"boxes": ("batch", 30, 4), "scores": ("batch", 30, K)}))
    for picture in range(2):
        expected = []
        for n in range(30):
            k, score = best_named(scores[picture, n])
            expected.append((boxes[picture, n].tolist(), score, k))
        assert_agrees(layout.decode({"boxes": boxes, "scores": scores}, picture), expected, floor)


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_yolox(seed, floor):
    rng = np.random.default_rng(seed)
    n = sum((W // s) * (H // s) for s in (8, 16, 32))
    raw = np.concatenate(
        [rng.normal(0, 2, (2, n, 2)), rng.normal(0, 1, (2, n, 2)), rng.random((2, n, 1 + K)) ** 2], axis=2
    ).astype(np.float32)
    layout = layout_of(manifest("yolox", floor, {"predictions": ("batch", n, 5 + K)}))
    for picture in range(2):
        expected, i = [], 0
        for stride in (8, 16, 32):
            for row in range(H // stride):
                for column in range(W // stride):
                    v = raw[picture, i].astype(float)
                    k, score = best_named(v[4] * v[5:])
                    box = xyxy(
                        (v[0] + column) * stride,
                        (v[1] + row) * stride,
                        math.exp(v[2]) * stride,
                        math.exp(v[3]) * stride,
                    )
                    expected.append((box, score, k))
                    i += 1
        assert_agrees(layout.decode({"predictions": raw}, picture), expected, floor)


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_fastestdet(seed, floor):
    rng = np.random.default_rng(seed)
    gh, gw = H // 16, W // 16
    raw = np.concatenate(
        [rng.random((2, 1, gh, gw)), rng.normal(0, 2, (2, 4, gh, gw)), rng.random((2, K, gh, gw))], axis=1
    ).astype(np.float32)
    layout = layout_of(manifest("fastestdet", floor, {"predictions": ("batch", 5 + K, gh, gw)}))
    for picture in range(2):
        expected = []
        for y in range(gh):
            for x in range(gw):
                v = raw[picture, :, y, x].astype(float)
                k, best = best_named(v[5:])
                score = v[0] ** 0.6 * best**0.4
                cx, cy = (x + math.tanh(v[1])) / gw * W, (y + math.tanh(v[2])) / gh * H
                w, h = W / (1 + math.exp(-v[3])), H / (1 + math.exp(-v[4]))
                expected.append((xyxy(cx, cy, w, h), score, k))
        assert_agrees(layout.decode({"predictions": raw}, picture), expected, floor)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_yolov8(seed, floor, transposed):
    rng = np.random.default_rng(seed)
    raw = np.concatenate([rng.uniform(0, 60, (2, 4, 50)), rng.random((2, K, 50)) ** 3], axis=1).astype(np.float32)
    shape = ("batch", 50, 4 + K) if transposed else ("batch", 4 + K, 50)
    layout = layout_of(manifest("yolov8", floor, {"predictions": shape}))
    given_ = np.ascontiguousarray(raw.transpose(0, 2, 1)) if transposed else raw
    for picture in range(2):
        expected = []
        for n in range(50):
            v = raw[picture, :, n].astype(float)
            k, score = best_named(v[4:])
            expected.append((xyxy(*v[:4]), score, k))
        assert_agrees(layout.decode({"predictions": given_}, picture), expected, floor)


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_detr(seed, floor, softmax):
    rng = np.random.default_rng(seed)
    boxes = rng.uniform(0, 1, (2, 20, 4)).astype(np.float32)
    columns = K + 1 if softmax else K
    logits = rng.normal(0, 3, (2, 20, columns)).astype(np.float32)
    layout = layout_of(manifest("detr", floor, {"boxes": ("batch", 20, 4), "logits": ("batch", 20, columns)}))
    for picture in range(2):
        expected = []
        for n in range(20):
            v = [float(x) for x in logits[picture, n]]
            if softmax:
                total = sum(math.exp(x) for x in v)
                scores = [math.exp(x) / total for x in v[:-1]]
            else:
                scores = [1 / (1 + math.exp(-x)) for x in v]
            k, score = best_named(scores)
            cx, cy, w, h = boxes[picture, n].astype(float)
            expected.append((xyxy(cx * W, cy * H, w * W, h * H), score, k))
        assert_agrees(layout.decode({"boxes": boxes, "logits": logits}, picture), expected, floor)


@pytest.mark.parametrize("batch_axis", [False, True])
@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("seed", SEEDS)
def test_torchvision(seed, floor, batch_axis):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 12))
    boxes = rng.uniform(0, 60, (n, 4)).astype(np.float32)
    labels = rng.integers(0, K, n)
    scores = rng.random(n).astype(np.float32)
    front = (1,) if batch_axis else ()
    layout = layout_of(
        manifest(
            "torchvision",
            floor,
            {"boxes": (*front, "objects", 4), "labels": (*front, "objects"), "scores": (*front, "objects")},
            batch=1,
        )
    )
    outputs = {"boxes": boxes, "labels": labels, "scores": scores}
    if batch_axis:
        outputs = {role: value[None] for role, value in outputs.items()}
    expected = [(boxes[i].tolist(), float(scores[i]), int(labels[i])) for i in range(n) if LABELS[labels[i]]]
    assert_agrees(layout.decode(outputs, 0), expected, floor)
