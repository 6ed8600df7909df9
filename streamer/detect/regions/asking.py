"""Cameras that want more of the detector than one look at the whole picture, and the one call that serves them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.fit import InputFit
from streamer.stages import Detector, nothing
from streamer.types import Detections, Frame


@dataclass(frozen=True, slots=True)
class Plan:
    """Which pictures the detector is to see of one frame, and what is made of its answers, one per picture.

    Without pictures nothing is run; the answer to no answers is then what is known already.
    """

    pictures: tuple[Frame, ...]
    merged: Callable[[list[Detections]], Detections]


class Look(Protocol):
    """How one camera's pictures are looked at. Its frames come in order, one at a time, from any thread."""

    def plan(self, frame: Frame) -> Plan:
        """What to run for this frame."""
        ...


class RegionDetector:
    """A stages.Detector around another: the pictures that all cameras of a batch want go into one call of it.

    Cameras without a look of their own are passed on as they are. detect() may be called from several threads for
    different cameras, as far as the other detector may.
    """

    def __init__(self, inner: Detector, looks: Mapping[str, Look]) -> None:
        self._inner, self._looks = inner, dict(looks)
        self.labels: tuple[str, ...] = inner.labels
        self.input_fit: InputFit = inner.input_fit

    def look(self, camera: str, look: Look | None) -> None:
        """From now on this camera is looked at so; while none of its frames is on its way."""
        others = {name: each for name, each in self._looks.items() if name != camera}
        self._looks = others if look is None else {**others, camera: look}

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels. Raises InferenceError."""
        plans = [self._plan(frame) for frame in frames]
        pictures = [picture for plan in plans for picture in plan.pictures]
        found = self._inner.detect(pictures, before_run) if pictures else []
        answers, first = [], 0
        for plan in plans:
            last = first + len(plan.pictures)
            answers.append(plan.merged(found[first:last]))
            first = last
        return answers

    def _plan(self, frame: Frame) -> Plan:
        look = self._looks.get(frame.camera)
        return look.plan(frame) if look else Plan((frame,), _alone)


def _alone(found: list[Detections]) -> Detections:
    [only] = found
    return only
