"""A member of the crew in which the camera `poison` crashes natively at its third frame, as a decoder may."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

from streamer.assembly.crew_equipment import CrewEquipment
from streamer.clock import SystemClock
from streamer.crew.member import Member
from streamer.crew.process import taken_up
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings
from streamer.types import Frame


class Poison:
    """A source that takes its process down."""

    demand_paced = False

    def __init__(self, inner: FrameSource) -> None:
        self._inner, self.camera, self.close = inner, inner.camera, inner.close

    def frames(self) -> Iterator[Frame]:
        for i, frame in enumerate(self._inner.frames()):
            yield frame
            if i == 2:
                ctypes.string_at(0)


class CrashingEquipment(CrewEquipment):
    """The real one, besides that one camera."""

    def source(self, camera: str, around: Surroundings) -> FrameSource:
        made = super().source(camera, around)
        return Poison(made) if camera == "poison" else made


if __name__ == "__main__":
    connection, memory, orders = taken_up(sys.argv[1:])
    Member(connection, memory, orders, CrashingEquipment(orders, SystemClock()), SystemClock()).run()
