"""Several detectors of one model that work beside each other: one thread each on the CPU, or one GPU each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue

from streamer.detect.detector import OnnxDetector, Timings
from streamer.fit import InputFit
from streamer.stages import nothing
from streamer.types import Detections, Frame


class DetectorPool:
    """stages.Detector. As many calls of detect() as there are lanes get on at once, on whichever lane is free."""

    def __init__(self, detectors: Sequence[OnnxDetector]) -> None:
        """Raises ValueError for no detector."""
        if not detectors:
            raise ValueError("a pool needs at least one detector")
        self._detectors = tuple(detectors)
        self._free: SimpleQueue[OnnxDetector] = SimpleQueue()
        for detector in self._detectors:
            self._free.put(detector)

    @property
    def first(self) -> OnnxDetector:
        """For whoever asks about the model: its labels, thresholds, hash."""
        return self._detectors[0]

    @property
    def lanes(self) -> int:
        """Calls that get on at once."""
        return len(self._detectors)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; class_ids index it."""
        return self.first.labels

    @property
    def input_fit(self) -> InputFit:
        """How pictures are laid into its input."""
        return self.first.input_fit

    @property
    def timings(self) -> Timings:
        """Where the time of all lanes went so far."""
        return sum((each.timings for each in self._detectors[1:]), self.first.timings)

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels; before_run: see stages.Detector. Raises InferenceError."""
        detector = self._free.get()
        try:
            return detector.detect(frames, before_run)
        finally:
            self._free.put(detector)
