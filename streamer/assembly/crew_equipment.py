"""What a member of the capture crew is made of: cameras and their footage, out of its orders; no more is imported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamer.capture import CameraOptions, CameraSource
from streamer.clock import Clock
from streamer.crew.orders import Orders
from streamer.fit import InputFit
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.mp4_file import Mp4File, OpenFile
from streamer.footage.watched import WatchedTap
from streamer.footage.writer import FootageWriter
from streamer.live_video import VideoOutlet
from streamer.stages import PacketTap
from streamer.surroundings import Surroundings

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class FootageOrders:
    """What is made of a camera's packets: see CameraFootage. redacted: never as they came, see RedactedFile."""

    folder: Path
    clips: ClipLimits | None
    segment_s: float | None
    opens_within_s: float
    redacted: bool = False

    def made(self, camera: str, open_file: OpenFile = Mp4File) -> CameraFootage:
        """What makes it."""
        return CameraFootage(
            camera,
            self.folder,
            clips=self.clips,
            segment_s=self.segment_s,
            opens_within_s=self.opens_within_s,
            open_file=open_file,
        )


@dataclass(frozen=True, slots=True)
class CameraOrders:
    """One camera of a member; watchable: its video may be shown to people."""

    options: CameraOptions
    input_fit: InputFit
    footage: FootageOrders | None
    watchable: bool = False


@dataclass(frozen=True, slots=True)
class CommonOrders:
    """How a member's logs look; None: nobody has said."""

    logs: tuple[Literal["console", "json"], str] | None


class CrewEquipment:
    """crew.orders.Equipment of CameraOrders; footage is written on a thread of its own, as in the house."""

    def __init__(self, orders: Orders, clock: Clock) -> None:
        self._clock = clock
        self._orders: dict[str, CameraOrders] = {}
        self._footage: dict[str, CameraFootage] = {}
        self._writer = FootageWriter((), lambda: _log.error("footage is no longer written"))
        self._writes = False
        for name, camera in orders.cameras.items():
            self.take(name, camera)

    def take(self, camera: str, orders: CameraOrders) -> None:
        """One camera more."""
        self._orders[camera] = orders
        if orders.footage is None:
            return
        footage = self._footage[camera] = orders.footage.made(camera)
        self._writer.add(footage)
        if not self._writes:
            self._writes = True
            self._writer.start()

    def let_go(self, camera: str) -> Callable[[float], None]:
        """Forget it; returns what completes its footage."""
        self._orders.pop(camera, None)
        footage = self._footage.pop(camera, None)

        def complete(within_s: float) -> None:
            if footage is not None and not self._writer.finish(footage, within_s):
                _log.warning("camera %r: the disk held its footage: clips that were being written are given up", camera)

        return complete

    def tap(self, camera: str, video: VideoOutlet) -> PacketTap | None:
        """Its footage is shown all of its packets, and so are those who watch."""
        orders, footage = self._orders[camera], self._footage.get(camera)
        return WatchedTap(camera, video, footage) if orders.watchable else footage

    def footage(self, camera: str) -> CameraFootage | None:
        """What makes its clips and recordings."""
        return self._footage.get(camera)

    def source(self, camera: str, around: Surroundings) -> CameraSource:
        """The very source that the house would have."""
        orders = self._orders[camera]
        return CameraSource(orders.options, orders.input_fit, around, self._clock)

    def finish(self, within_s: float) -> None:
        """Complete all footage with what there is; once more is harmless."""
        if self._writes:
            self._writer.close(within_s)
