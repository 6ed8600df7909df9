"""YOLOX as its authors run it, in OpenCV, numpy and ONNX Runtime alone: what the peers of `peers` do with a picture.

Imports nothing of the house, so that it runs in any environment. Preprocessing and the reading of boxes follow YOLOX's
own ONNX demo (Ge et al. 2021, arXiv:2107.08430): bilinear letterbox at the top left, grey 114, BGR 0-255. Two things
are done better than there, as anybody would who counts milliseconds: cells whose objectness rules them out are left
before anything is computed of them, and suppression is OpenCV's own, in C++.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

SIDE_PX, GREY, STRIDES = 416, 114, (8, 16, 32)
MIN_SCORE, NMS_IOU = 0.1, 0.65
"""As in the service, whose tracker looks at nothing lower: all sides are to find the same boxes."""
SURE_SCORE = 0.5


@dataclass(slots=True)
class Tally:
    """What one side saw: pictures decoded and analysed, boxes, and those of a score that would be shown."""

    decoded: int = 0
    analysed: int = 0
    boxes: int = 0
    sure_boxes: int = 0

    def saw(self, scores: Any) -> None:
        """Count one analysed picture."""
        self.analysed += 1
        self.boxes += len(scores)
        self.sure_boxes += int(np.count_nonzero(np.asarray(scores) >= SURE_SCORE))

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Yolox:
    """One session of the net. threads None: ONNX Runtime's own defaults, one thread a core, spinning."""

    def __init__(self, model: Path, threads: int | None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = options.inter_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        cells, strides = [], []
        for stride in STRIDES:
            ys, xs = np.mgrid[: SIDE_PX // stride, : SIDE_PX // stride]
            cells.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
            strides.append(np.full(xs.size, stride))
        self._cells = np.concatenate(cells).astype(np.float32)
        self._strides = np.concatenate(strides).astype(np.float32)[:, None]
        self.detect(np.zeros((720, 1280, 3), np.uint8))  # the first run allocates

    def detect(self, picture: Any) -> tuple[Any, Any, Any]:
        """uint8 (H, W, 3) BGR → boxes float32 (N, 4) xyxy in its pixels, scores float32 (N,), class ids (N,)."""
        h, w = picture.shape[:2]
        scale = min(SIDE_PX / w, SIDE_PX / h)
        content = cv2.resize(picture, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_LINEAR)
        canvas = np.full((SIDE_PX, SIDE_PX, 3), GREY, np.uint8)
        canvas[: content.shape[0], : content.shape[1]] = content
        blob = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32)
        [raw] = self._session.run(None, {self._input: blob})[0]
        return self._read(raw, scale)

    def _read(self, raw: Any, scale: float) -> tuple[Any, Any, Any]:
        cells = np.flatnonzero(raw[:, 4] >= MIN_SCORE)  # a class score is at most 1
        found = raw[cells]
        class_ids = found[:, 5:].argmax(axis=1)
        scores = found[:, 4] * found[np.arange(len(found)), 5 + class_ids]
        enough = scores >= MIN_SCORE
        found, cells, scores, class_ids = found[enough], cells[enough], scores[enough], class_ids[enough]
        sizes = np.exp(found[:, 2:4]) * self._strides[cells] / scale
        corners = (found[:, :2] + self._cells[cells]) * self._strides[cells] / scale - sizes / 2
        kept = cv2.dnn.NMSBoxesBatched(
            np.hstack([corners, sizes]).tolist(), scores.tolist(), class_ids.tolist(), MIN_SCORE, NMS_IOU
        )
        kept = np.asarray(kept, np.intp).ravel()
        return np.hstack([corners, corners + sizes])[kept], scores[kept], class_ids[kept]
