"""A detector that finds drawn rectangles by their colour, if they are large enough where it looks; and such pictures.

Independent of every net: connected components on the very pixels that it is given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detect.canvas import resize
from streamer.fit import InputFit
from streamer.stages import nothing
from streamer.types import Detections, Frame
from tests.fakes import StillPicture

LABELS = ("red", "green")
Rectangle = tuple[str, int, int, int, int]


def drawn(wh: tuple[int, int], rectangles: Sequence[Rectangle]) -> NDArray[np.uint8]:
    """A dark picture with rectangles (label, x1, y1, x2, y2)."""
    image = np.full((wh[1], wh[0], 3), 20, np.uint8)
    for label, x1, y1, x2, y2 in rectangles:
        image[y1:y2, x1:x2] = 0
        image[y1:y2, x1:x2, LABELS.index(label)] = 255
    return image


def seen(
    full: NDArray[np.uint8], fit: InputFit, camera: str = "gate", media_s: float = 0.0, session: str = "s1"
) -> Frame:
    """The picture as capture would hand it on."""
    wh = (full.shape[1], full.shape[0])
    image = resize(full, fit.of(wh).content_wh)
    return Frame(camera, session, round(media_s * 10), image, wh, media_s, media_s, 0.0, StillPicture(full))


class SquareFinder:
    """Finds rectangles of at least smallest_px input pixels a side; scores rise with the size. Counts what it saw."""

    labels = LABELS

    def __init__(self, canvas_wh: tuple[int, int] = (96, 72), smallest_px: int = 6) -> None:
        self.input_fit = InputFit(canvas_wh)
        self._smallest_px = smallest_px
        self._lock = threading.Lock()
        self.calls: list[list[tuple[str, tuple[int, int]]]] = []
        """Per call: camera and source size of every picture."""

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        before_run()
        with self._lock:
            self.calls.append([(frame.camera, frame.source_wh) for frame in frames])
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Detections:
        fit = self.input_fit.of(frame.source_wh)
        assert frame.image.shape == (fit.content_wh[1], fit.content_wh[0], 3)
        boxes, scores, class_ids = [], [], []
        for class_id in range(len(LABELS)):
            bright = (frame.image[..., class_id] > 150).astype(np.uint8)
            count, _, stats, _ = cv2.connectedComponentsWithStats(bright)
            for x, y, w, h, _ in stats[1:count].tolist():
                if min(w, h) >= self._smallest_px:
                    boxes.append([x, y, x + w, y + h])
                    scores.append(min(0.99, 0.5 + min(w, h) / 100))
                    class_ids.append(class_id)
        if not boxes:
            return Detections.none(LABELS)
        canvas = np.array(boxes, np.float32) + np.array(fit.offset_xy * 2, np.float32)
        order = np.argsort(-np.array(scores), kind="stable")
        return Detections(
            fit.to_source(canvas)[order], np.array(scores, np.float32)[order], np.array(class_ids)[order], LABELS
        )
