"""What a reference detector says about pictures that nobody labelled.

The teacher is YOLOX-nano (Apache-2.0) as ONNX, whose graph takes any canvas with sides in multiples of 32. For labels
it looks several times (two sizes, mirrored, zoomed into overlapping quarters), and its answers are fused (weighted
boxes fusion, Solovyev et al., Image and Vision Computing 2021). For distillation it looks at the very canvas that the
student learns from, cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.average_precision import iou
from models.detector.network import LABELS, STRIDES_PX

_COCO_IDS = {"person": 0, "bicycle": 1, "car": 2, "motorcycle": 3, "bus": 5, "truck": 7}
_LEAST_SCORE = 0.05
_SAME_IOU = 0.55
_PAD = 114


@dataclass(frozen=True)
class Opinions:
    """Fused boxes of one picture: float32 (M, 4) xyxy pixels of it, class ids (LABELS), scores in [0, 1]."""

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def none(cls) -> Opinions:
        """Of a picture in which there is nothing."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))


class Teacher:
    """The reference detector on one thread; any canvas."""

    def __init__(self, graph: Path) -> None:
        model = onnx.load(str(graph))
        for axis, name in zip(model.graph.input[0].type.tensor_type.shape.dim, ("batch", "", "h", "w"), strict=True):
            if name:
                axis.dim_param = name
        # The published file states the sizes of its own canvas all over; none of them is needed to run it.
        del model.graph.value_info[:]
        for axis in model.graph.output[0].type.tensor_type.shape.dim[:2]:
            axis.Clear()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])

    def cells(self, canvases: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Every cell's box (B, N, 4) xyxy canvas pixels and scores (B, N, K) for uint8 (B, H, W, 3) RGB.

        The cells are those of network.cell_grid: level by level, row by row.
        """
        _, h, w, _ = canvases.shape
        x = np.ascontiguousarray(canvases[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        [raw] = self._session.run(None, {"images": x})
        grid = _grid(w, h)
        centre = (raw[..., :2] + grid[:, :2]) * grid[:, 2:]
        half = np.exp(raw[..., 2:4]) * grid[:, 2:] / 2
        scores = raw[..., 4:5] * raw[..., [5 + _COCO_IDS[label] for label in LABELS]]
        return np.concatenate([centre - half, centre + half], -1).astype(np.float32), scores.astype(np.float32)

    def label(self, image: NDArray[np.uint8], *, zoomed: bool = True) -> Opinions:
        """Its fused opinion of one picture, uint8 (H, W, 3) RGB."""
        h, w = image.shape[:2]
        looks = [(0, 0, w, h, long_side) for long_side in (416, 608)]
        if zoomed:
            tw, th = round(w * 0.6), round(h * 0.6)
            looks += [(x, y, x + tw, y + th, 416) for x in (0, w - tw) for y in (0, h - th)]
        found = []
        for x0, y0, x1, y1, long_side in looks:
            part = image[y0:y1, x0:x1]
            for mirrored in (False, True) if (x1 - x0) == w else (False,):
                boxes, ids, scores = self._look(part[:, ::-1] if mirrored else part, long_side)
                if mirrored:
                    boxes[:, [0, 2]] = (x1 - x0) - boxes[:, [2, 0]]
                if (x1 - x0) < w:
                    inside = _uncut(boxes, x1 - x0, y1 - y0, (x0 == 0, y0 == 0, x1 == w, y1 == h))
                    boxes, ids, scores = boxes[inside], ids[inside], scores[inside]
                found.append((boxes + np.array([x0, y0, x0, y0], np.float32), ids, scores))
        boxes, ids, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return _fused(np.clip(boxes, 0, [w, h, w, h]).astype(np.float32), ids, scores, whole_looks=4)

    def _look(
        self, image: NDArray[np.uint8], long_side: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        h, w = image.shape[:2]
        scale = long_side / max(h, w)
        nw, nh = max(1, round(w * scale)), max(1, round(h * scale))
        canvas = np.full((-(-nh // 32) * 32, -(-nw // 32) * 32, 3), _PAD, np.uint8)
        canvas[:nh, :nw] = cv2.resize(image, (nw, nh), interpolation=cv2.INTER_LINEAR)
        boxes, scores = (each[0] for each in self.cells(canvas[None]))
        ids, best = scores.argmax(1), scores.max(1)
        kept = np.flatnonzero(best >= _LEAST_SCORE)
        kept = kept[np.argsort(-best[kept])][:400]
        boxes, ids, best = boxes[kept], ids[kept], best[kept]
        apart = boxes + ids[:, None].astype(np.float32) * 4096
        wh = np.concatenate([apart[:, :2], apart[:, 2:] - apart[:, :2]], 1)
        left = np.asarray(cv2.dnn.NMSBoxes(wh.tolist(), best.tolist(), 0.0, 0.6), np.int64).reshape(-1)
        return boxes[left] / scale, ids[left], best[left]


def _uncut(
    boxes: NDArray[np.float32], w: int, h: int, open_sides: tuple[bool, bool, bool, bool], margin_px: float = 4.0
) -> NDArray[np.bool_]:
    """Which boxes do not end at a border where the tile was cut out of the picture."""
    left, top, right, bottom = open_sides
    return (
        (left | (boxes[:, 0] > margin_px))
        & (top | (boxes[:, 1] > margin_px))
        & (right | (boxes[:, 2] < w - margin_px))
        & (bottom | (boxes[:, 3] < h - margin_px))
    )


def _fused(
    boxes: NDArray[np.float32], ids: NDArray[np.int64], scores: NDArray[np.float32], whole_looks: int
) -> Opinions:
    """One box per cluster of same-class boxes, weighted by score.

    Its score is the mean of the best as many as there were whole looks, absent ones counted at half of the best: a
    small object that only a zoomed look can see keeps most of its score, a whim of one look loses a good part.
    """
    order = np.argsort(-scores, kind="stable")
    overlaps = iou(boxes, boxes) if len(boxes) else np.zeros((0, 0), np.float32)
    free = np.ones(len(boxes), np.bool_)
    fused: list[tuple[NDArray[np.float32], int, float]] = []
    for first in order:
        if not free[first]:
            continue
        members = np.flatnonzero(free & (ids == ids[first]) & (overlaps[first] >= _SAME_IOU))
        members = np.union1d(members, [first])
        free[members] = False
        weight = scores[members] ** 2
        box = (boxes[members] * weight[:, None]).sum(0) / weight.sum()
        best = np.sort(scores[members])[::-1][:whole_looks]
        absent = whole_looks - len(best)
        fused.append((box, int(ids[first]), float((best.sum() + absent * best[0] / 2) / whole_looks)))
    if not fused:
        return Opinions.none()
    return Opinions(
        np.stack([box for box, _, _ in fused]).astype(np.float32),
        np.array([class_id for _, class_id, _ in fused], np.int64),
        np.array([score for _, _, score in fused], np.float32),
    )


def _grid(w: int, h: int) -> NDArray[np.float32]:
    """Float32 (N, 3): column, row, stride of every cell."""
    parts = []
    for stride in STRIDES_PX:
        y, x = np.mgrid[: h // stride, : w // stride]
        parts.append(np.stack([x, y, np.full_like(x, stride)], -1).reshape(-1, 3))
    return np.concatenate(parts).astype(np.float32)
