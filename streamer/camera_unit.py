"""One camera with everything that is private to it, as the service takes it in."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.board import WatchedCamera
from streamer.coverage import Coverage
from streamer.ledger import CameraStatus, FrameLedger
from streamer.pipeline import CameraPipeline
from streamer.stages import FrameSource, LinkWatch
from streamer.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class CameraUnit:
    """weight: its share of the model; one_by_one: none of its frames is looked at before the one before it is done.

    is_canary: nobody's camera: it is not shown among them (assembly/canary.py).
    """

    source: FrameSource
    pipeline: CameraPipeline
    link: LinkWatch
    around: Surroundings
    coverage: Coverage
    weight: float = 1.0
    one_by_one: bool = False
    is_canary: bool = False

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self.around.ledger.camera

    @property
    def ledger(self) -> FrameLedger:
        """Where its frames went."""
        return self.around.ledger

    @property
    def status(self) -> CameraStatus:
        """How its link is."""
        return self.around.status

    @property
    def watched(self) -> WatchedCamera:
        """The books of this camera."""
        return WatchedCamera(self.ledger, self.status, self.coverage, self.around.sleep)
