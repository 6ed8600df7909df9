"""What a member of the capture crew is made of: cameras and their footage, out of its orders; no more is imported."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamer.capture import CameraOptions, CameraSource
from streamer.clock import Clock
from streamer.crew.orders import Orders
from streamer.fit import InputFit
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.writer import FootageWriter
from streamer.surroundings import Surroundings

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class FootageOrders:
    """What is made of a camera's packets: see CameraFootage."""

    folder: Path
    clips: ClipLimits | None
    segment_s: float | None
    opens_within_s: float

    def made(self, camera: str) -> CameraFootage:
        """What makes it."""
        return CameraFootage(
            camera, self.folder, clips=self.clips, segment_s=self.segment_s, opens_within_s=self.opens_within_s
        )


@dataclass(frozen=True, slots=True)
class CameraOrders:
    """One camera of a member."""

    options: CameraOptions
    input_fit: InputFit
    footage: FootageOrders | None


@dataclass(frozen=True, slots=True)
class CommonOrders:
    """How a member's logs look; None: nobody has said."""

    logs: tuple[Literal["console", "json"], str] | None


class CrewEquipment:
    """crew.orders.Equipment of CameraOrders; footage is written on a thread of its own, as in the house."""

    def __init__(self, orders: Orders, clock: Clock) -> None:
        self._orders, self._clock = orders.cameras, clock
        self._footage = {
            name: camera.footage.made(name) for name, camera in orders.cameras.items() if camera.footage is not None
        }
        self._writer = FootageWriter(tuple(self._footage.values()), lambda: _log.error("footage is no longer written"))
        if self._footage:
            self._writer.start()

    def tap(self, camera: str) -> CameraFootage | None:
        """Its footage is shown all of its packets."""
        return self._footage.get(camera)

    footage = tap

    def source(self, camera: str, around: Surroundings) -> CameraSource:
        """The very source that the house would have."""
        orders: CameraOrders = self._orders[camera]
        return CameraSource(orders.options, orders.input_fit, around, self._clock)

    def finish(self, within_s: float) -> None:
        """Complete all footage with what there is; once more is harmless."""
        if self._footage:
            self._writer.close(within_s)
