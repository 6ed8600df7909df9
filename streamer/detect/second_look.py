"""A second look at doubtful boxes: a classifier confirms, rejects or renames them, all of a batch in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from streamer.detect.classifier import Classifier
from streamer.fit import InputFit
from streamer.stages import Detector, nothing
from streamer.types import Boxes, Detections, Frame

LEAST_SCORE = 0.1
"""Boxes below are not worth a look: the tracker passes over them."""
SURE_FROM = 0.9
"""A classifier that is less sure of every label has said nothing."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Who looks again, at boxes of which labels, scoring less than what."""

    classifier: Classifier
    labels: frozenset[str]
    below: float


class SecondLooks:
    """A stages.Detector around another: doubtful boxes of some cameras are shown to a classifier, cut out full size.

    Where the classifier is sure (probability of at least SURE_FROM): its label "" rejects the box; the box's own
    label, or another one that the detector has, stands, and its score rises to the geometric mean of both; a label
    that the detector does not have rejects it too: there is no name for it. Where it is not sure, the box stays as is.
    """

    def __init__(self, inner: Detector, looks: Mapping[str, SecondLook]) -> None:
        self._inner, self._looks = inner, dict(looks)
        self.labels: tuple[str, ...] = inner.labels
        self.input_fit: InputFit = inner.input_fit

    def look(self, camera: str, look: SecondLook | None) -> None:
        """From now on this camera is looked at again so, or not; while none of its frames is on its way."""
        others = {name: each for name, each in self._looks.items() if name != camera}
        self._looks = others if look is None else {**others, camera: look}

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, rows by falling score. Raises InferenceError."""
        found = self._inner.detect(frames, before_run)
        rows = [self._doubtful(frame, each) for frame, each in zip(frames, found, strict=True)]
        for classifier in {look.classifier: None for look in self._looks.values()}:
            mine = [
                i
                for i, frame in enumerate(frames)
                if len(rows[i]) and self._looks[frame.camera].classifier is classifier
            ]
            crops = [
                crop
                for i in mine
                for crop in _cut_out(frames[i].picture.rgb(), found[i].boxes_xyxy[rows[i]], classifier.margin)
            ]
            told = classifier.classify(crops)
            for i in mine:
                found[i] = self._judged(found[i], rows[i], told[: len(rows[i])], classifier.labels)
                told = told[len(rows[i]) :]
        return found

    def _doubtful(self, frame: Frame, found: Detections) -> NDArray[np.intp]:
        look = self._looks.get(frame.camera)
        if look is None:
            return np.zeros(0, np.intp)
        wanted = [i for i, label in enumerate(self.labels) if label in look.labels]
        doubtful = np.isin(found.class_ids, wanted) & (found.scores >= LEAST_SCORE) & (found.scores < look.below)
        sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
        return np.flatnonzero(doubtful & (sides >= 1).all(axis=1))

    def _judged(
        self, found: Detections, rows: NDArray[np.intp], told: NDArray[np.float32], labels: tuple[str, ...]
    ) -> Detections:
        scores, class_ids = found.scores.copy(), found.class_ids.copy()
        stays = np.ones(len(found), np.bool_)
        for row, probabilities in zip(rows.tolist(), told, strict=True):
            best = int(probabilities.argmax())
            if probabilities[best] < SURE_FROM:
                continue
            label = labels[best]
            if label and label in self.labels:
                class_ids[row] = self.labels.index(label)
                scores[row] = max(scores[row], sqrt(float(scores[row]) * min(1.0, float(probabilities[best]))))
            else:
                stays[row] = False
        order = np.argsort(-scores, kind="stable")
        order = order[stays[order]]
        return replace(found, boxes_xyxy=found.boxes_xyxy[order], scores=scores[order], class_ids=class_ids[order])


def _cut_out(full: NDArray[np.uint8], boxes_xyxy: Boxes, margin: float) -> list[NDArray[np.uint8]]:
    """The boxes' pixels with their margin, cut at the picture's edges; views of uint8 (H, W, 3)."""
    height, width = full.shape[:2]
    around = margin * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
    low = np.floor(boxes_xyxy[:, :2] - around).astype(int)
    high = np.ceil(boxes_xyxy[:, 2:] + around).astype(int)
    return [
        full[max(0, y1) : min(height, y2), max(0, x1) : min(width, x2)]
        for (x1, y1), (x2, y2) in zip(low.tolist(), high.tolist(), strict=True)
    ]
