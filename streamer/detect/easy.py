"""Easy frames are answered without the net: nothing moved, or only what is known, as one can see.

Detect, then follow until it gets hard, is an old bargain (Zhu et al., "Deep feature flow", CVPR 2017, and the scheduler
of Chen et al., "Glimpse", SenSys 2015). What tells easy from hard here is the picture itself and media time, never a
clock or the load: the same recording gives the same answers.

A frame is easy where
- the last look is at most longest_s old and of the same session;
- what that look was sure of was there in the look before it too: one odd box is never repeated into a track;
- every cell that changed since that look lies in a known box, where it was or where it is now;
- every known box in which something changed is found again, by correlation near where its motion leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detect.regions.changes import Cells, Gray, Mask, cells_of, changed, gray_of, painted
from streamer.fit import Fit, InputFit
from streamer.stages import Detector, nothing
from streamer.types import Boxes, Detections, Frame

Floats = NDArray[np.float32]
_NEAR_ENOUGH_S = 1e-6


@dataclass(frozen=True, slots=True)
class EasyLimits:
    """When a frame of a camera is easy.

    longest_s    at most so many seconds of media time between two looks of the net
    follow       whether known boxes may move; False: only frames in which nothing changed are easy
    sure_score   boxes of this score must have been there in two looks; those below are not worth a look
    alike        correlation (−1 … 1) that a box must have with itself in the frame before
    reach        how far from where it is expected a box is searched for, in box sizes √(w · h)
    """

    longest_s: float = 0.6
    follow: bool = True
    sure_score: float = 0.3
    alike: float = 0.7
    reach: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class _Glance:
    """What is compared of a frame, at the size at which the model sees it: all its pixels, and their cells."""

    gray: Gray
    cells: Cells

    @classmethod
    def of(cls, frame: Frame) -> _Glance:
        gray = gray_of(frame.image)
        return cls(gray, cells_of(gray))


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """What is known of one camera from its last look (looked_…), and from the last frame that was answered (last_…).

    settled: whether what the look was sure of was known before. Boxes are float32 (N, 4) in pixels of the model-sized
    picture, one per row of found; speeds float32 (N, 2), the same pixels per second.
    """

    session: str
    source_wh: tuple[int, int]
    found: Detections
    settled: bool
    looked_s: float
    looked_cells: Cells
    looked_boxes: Boxes
    last_s: float
    last_gray: Gray
    last_boxes: Boxes
    speeds: Floats


class EasyFrames:
    """A stages.Detector around another, which is not asked about easy frames of the cameras that have limits.

    Frames of one camera must come in order, one at a time; different cameras may come from different threads.
    """

    def __init__(self, inner: Detector, limits: Mapping[str, EasyLimits]) -> None:
        self._inner, self._limits = inner, dict(limits)
        self.labels: tuple[str, ...] = inner.labels
        self.input_fit: InputFit = inner.input_fit
        self._memories: dict[str, _Memory] = {}

    def limit(self, camera: str, limits: EasyLimits | None) -> None:
        """From now on these are the camera's limits, or it has none; while none of its frames is on its way."""
        others = {name: each for name, each in self._limits.items() if name != camera}
        self._limits = others if limits is None else {**others, camera: limits}
        self._memories.pop(camera, None)

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame; of easy ones the last look's, its boxes moved. Raises InferenceError."""
        glances = [_Glance.of(frame) if frame.camera in self._limits else None for frame in frames]
        easy = [
            None if glance is None else self._answer(frame, glance)
            for frame, glance in zip(frames, glances, strict=True)
        ]
        hard = [frame for frame, answer in zip(frames, easy, strict=True) if answer is None]
        looked = iter(self._inner.detect(hard, before_run) if hard else ())
        answers = []
        for frame, glance, answer in zip(frames, glances, easy, strict=True):
            found = next(looked) if answer is None else answer
            if answer is None and glance is not None:
                self._remember(frame, glance, found)
            answers.append(found)
        return answers

    def _answer(self, frame: Frame, glance: _Glance) -> Detections | None:
        """What can be said without a look; None where one is needed."""
        limits, known = self._limits[frame.camera], self._memories.get(frame.camera)
        if known is None or not _continues(known, frame) or not known.settled:
            return None
        if frame.media_s - known.looked_s > limits.longest_s + _NEAR_ENOUGH_S:
            return None
        differs = changed(glance.cells, known.looked_cells)
        if not differs.any():
            boxes, speeds = known.looked_boxes, np.zeros_like(known.speeds)
        else:
            followed = _follow(known, glance.gray, differs, frame.media_s, limits) if limits.follow else None
            if followed is None:
                return None
            boxes, speeds = followed
        self._memories[frame.camera] = replace(
            known, last_s=frame.media_s, last_gray=glance.gray, last_boxes=boxes, speeds=speeds
        )
        return replace(known.found, boxes_xyxy=_in_source(boxes, self.input_fit.of(frame.source_wh)))

    def _remember(self, frame: Frame, glance: _Glance, found: Detections) -> None:
        limits, before = self._limits[frame.camera], self._memories.get(frame.camera)
        boxes = _on_picture(found.boxes_xyxy, self.input_fit.of(frame.source_wh))
        speeds, known = np.zeros((len(found), 2), np.float32), np.zeros(len(found), np.bool_)
        if before is not None and _continues(before, frame):
            rows = _same_rows(boxes, found.class_ids, before.last_boxes, before.found.class_ids)
            known = rows >= 0
            way = _middles(boxes[known]) - _middles(before.last_boxes[rows[known]])
            speeds[known] = way / np.float32(frame.media_s - before.last_s)
        self._memories[frame.camera] = _Memory(
            session=frame.session,
            source_wh=frame.source_wh,
            found=found,
            settled=bool(known[found.scores >= limits.sure_score].all()),
            looked_s=frame.media_s,
            looked_cells=glance.cells,
            looked_boxes=boxes,
            last_s=frame.media_s,
            last_gray=glance.gray,
            last_boxes=boxes,
            speeds=speeds,
        )


def _continues(known: _Memory, frame: Frame) -> bool:
    """Whether the frame is a later one of the same pictures."""
    same = known.session == frame.session and known.source_wh == frame.source_wh
    return same and frame.media_s > known.last_s


def _follow(known: _Memory, gray: Gray, differs: Mask, at_s: float, limits: EasyLimits) -> tuple[Boxes, Floats] | None:
    """Where the known boxes are now and how fast they go; None where that does not explain all that differs."""
    boxes, speeds = known.last_boxes.copy(), known.speeds.copy()
    step_s = np.float32(at_s - known.last_s)
    for row in np.flatnonzero(known.found.scores >= limits.sure_score).tolist():
        places = np.stack([boxes[row], known.looked_boxes[row]])
        if not (differs & painted(places, differs.shape, 1)).any():
            continue
        shift = _found_again(known.last_gray, gray, boxes[row], speeds[row] * step_s, limits)
        if shift is None:
            return None
        boxes[row] += np.tile(shift, 2)
        speeds[row] = shift / step_s
    # Boxes that nobody is sure of are not followed, and yet say what moves there.
    explained = painted(_grown(np.concatenate([known.looked_boxes, known.last_boxes, boxes])), differs.shape)
    return None if (differs & ~explained).any() else (boxes, speeds)


def _grown(boxes: Boxes) -> Boxes:
    """With a quarter of their size on every side: limbs and shadows move with whom they belong to."""
    margin = 0.25 * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1).astype(np.float32)


def _found_again(before: Gray, now: Gray, box: Floats, expected: Floats, limits: EasyLimits) -> Floats | None:
    """By how many pixels the box moved, float32 (2,); None where it is not clearly found."""
    h, w = before.shape
    x1, y1 = max(0, round(float(box[0]))), max(0, round(float(box[1])))
    x2, y2 = min(w, round(float(box[2]))), min(h, round(float(box[3])))
    if x2 - x1 < 4 or y2 - y1 < 4:
        return None
    reach = 2 + round(limits.reach * float(np.sqrt((x2 - x1) * (y2 - y1))))
    dx, dy = (round(float(each)) for each in expected)
    left, top = max(0, x1 + dx - reach), max(0, y1 + dy - reach)
    field = now[top : min(h, y2 + dy + reach), left : min(w, x2 + dx + reach)]
    pattern = before[y1:y2, x1:x2]
    if field.shape[0] < pattern.shape[0] or field.shape[1] < pattern.shape[1]:
        return None  # it leaves the picture
    scores = cv2.matchTemplate(field, pattern, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    if not best >= limits.alike:
        return None
    return np.array([left + x - x1, top + y - y1], np.float32)


def _same_rows(
    boxes: Boxes, class_ids: NDArray[np.int64], known: Boxes, known_ids: NDArray[np.int64]
) -> NDArray[np.intp]:
    """For each box the known one of its class that it overlaps most, by at least 0.3 (IoU); -1 where there is none."""
    if not len(known) or not len(boxes):
        return np.full(len(boxes), -1, np.intp)
    low = np.maximum(boxes[:, None, :2], known[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], known[None, :, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=-1)
    areas, known_areas = (np.prod(each[:, 2:] - each[:, :2], axis=-1) for each in (boxes, known))
    overlap = shared / np.maximum(areas[:, None] + known_areas[None] - shared, 1e-9)
    overlap[class_ids[:, None] != known_ids[None]] = 0.0
    rows = overlap.argmax(axis=1)
    return np.where(overlap[np.arange(len(boxes)), rows] >= 0.3, rows, -1)


def _middles(boxes: Boxes) -> Floats:
    middles: Floats = (boxes[:, :2] + boxes[:, 2:]) / np.float32(2)
    return middles


def _on_picture(boxes_xyxy: Boxes, fit: Fit) -> Boxes:
    """Source pixels → pixels of the model-sized picture."""
    return boxes_xyxy * np.array(fit.scale_xy * 2, np.float32)


def _in_source(boxes: Boxes, fit: Fit) -> Boxes:
    """The way back, clipped to the picture."""
    w, h = fit.source_wh
    inside = boxes / np.array(fit.scale_xy * 2, np.float32)
    return np.clip(inside, 0, np.array([w, h, w, h], np.float32)).astype(np.float32, copy=False)
