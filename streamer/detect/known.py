"""What others know of the detector in use, wherever it runs: here, on a GPU, or on other nodes."""

from __future__ import annotations

from typing import Protocol

from streamer.artifacts import Thresholds
from streamer.detect.detector import Timings
from streamer.stages import Detector


class KnownDetector(Detector, Protocol):
    """A detector and who it is."""

    @property
    def model_name(self) -> str:
        """Of the manifest."""
        ...

    @property
    def model_hash(self) -> str:
        """sha256 of the graph, in hex."""
        ...

    @property
    def thresholds(self) -> Thresholds:
        """Scores and overlaps that belong to it."""
        ...


class DetectorLanes(Detector, Protocol):
    """A detector that takes several calls at once, and what is counted of them."""

    @property
    def first(self) -> KnownDetector:
        """For whoever asks about the model."""
        ...

    @property
    def lanes(self) -> int:
        """Calls that get on at once."""
        ...

    @property
    def timings(self) -> Timings:
        """Where the time of all lanes went so far."""
        ...
