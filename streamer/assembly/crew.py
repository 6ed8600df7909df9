"""The capture crew of a configuration: which cameras are read in worker processes, and in how many."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from streamer.assembly.camera import camera_options
from streamer.assembly.crew_equipment import CameraOrders, CommonOrders, FootageOrders
from streamer.assembly.unit import MakeSource
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.crew.life import ENDS_WITHIN_S
from streamer.crew.process import start_process
from streamer.crew.remote import RemoteSource
from streamer.crew.remote_footage import RemoteFootage
from streamer.crew.station import Station, join
from streamer.fit import InputFit
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings
from streamer.telemetry import logs
from streamer.telemetry.metrics import Reading
from streamer.workers import Deadline, Worker

MEMBER = "streamer.assembly.crew_member"
FEW_CAMERAS = 16
CAMERAS_EACH = 64
"""120 quiet cameras take most of what one interpreter can do: docs/adr/0010."""

_log = logging.getLogger("streamer.assembly")


class Crew:
    """The stations of a service; cameras that are not in it stay with the house's own threads."""

    def __init__(self, config: Config, clock: Clock, on_failure: Callable[[], None]) -> None:
        names = crewed(config)
        self._memory_bytes = int(config.capture.frames_mb * 1e6)
        self._common = CommonOrders(logs.as_set_up())
        self._clock, self._on_failure = clock, on_failure
        self._lock = threading.Lock()
        self._closed = False
        self._stations: list[Station] = []
        first = [self._another() for _ in range(processes(config, len(names)))]
        self._of = {name: first[i % len(first)] for i, name in enumerate(names) if first}
        self._footage: dict[str, tuple[FootageOrders, RemoteFootage]] = {}

    @property
    def stations(self) -> tuple[Station, ...]:
        """One for each member; a camera that crashes its member gets another."""
        with self._lock:
            return tuple(self._stations)

    def __contains__(self, name: str) -> bool:
        return name in self._of

    def footage(self, name: str, orders: FootageOrders) -> RemoteFootage:
        """The footage of a camera of the crew, made where its packets are; before its source."""
        remote = RemoteFootage(name, orders.clips is not None, self._of[name].post)
        self._footage[name] = (orders, remote)
        return remote

    def reading(self, elsewhere: MakeSource) -> MakeSource:
        """Makes the crew's cameras; those that are not in it are made elsewhere."""

        def make(
            name: str, camera: CameraConfig, input_fit: InputFit, around: Surroundings, clock: Clock
        ) -> FrameSource:
            if name not in self:
                return elsewhere(name, camera, input_fit, around, clock)
            station, (orders, remote) = self._of[name], self._footage.get(name, (None, None))
            source = RemoteSource(around, station)
            station.take(source, CameraOrders(camera_options(name, camera), input_fit, orders), remote)
            return source

        return make

    def finish_footage(self, within_s: float) -> bool:
        """Complete what all members write to disk; false where one took longer."""
        deadline = Deadline(within_s)
        for station in self.stations:
            station.finish_footage(within_s)
        finished = [station.footage_finished(deadline.remaining()) for station in self.stations]
        return all(finished)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its threads, for those who report a dead one."""
        return tuple(station.worker for station in self.stations)

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        yield "streamer_capture_processes", (), float(sum(station.pid is not None for station in self.stations))
        yield "streamer_capture_restarts_total", (), float(sum(station.restarts for station in self.stations))

    def close(self) -> None:
        """End all members."""
        with self._lock:
            self._closed = True
        for station in self.stations:
            station.close()
        for name in join(self.stations, Deadline(ENDS_WITHIN_S + 2.0)):
            _log.warning("%s did not end in time and was left behind", name)

    def _another(self) -> Station:
        with self._lock:
            station = Station(
                len(self._stations),
                lambda: start_process(MEMBER, self._memory_bytes),
                self._memory_bytes,
                self._common,
                self._clock,
                self._on_failure,
                self._another,
            )
            self._stations.append(station)
            if self._closed:
                station.close()
            return station


@contextmanager
def with_crew(config: Config, clock: Clock, on_failure: Callable[[], None]) -> Iterator[Crew]:
    """The crew while inside: its members begin with the first camera that is read, and end with this."""
    crew = Crew(config, clock, on_failure)
    try:
        yield crew
    finally:
        crew.close()


def crewed(config: Config) -> list[str]:
    """Cameras that may be read elsewhere.

    Not recordings that wait for their consumer, which are replayed bit for bit, and not what is decoded on a device:
    that costs this process little, and what lies in a device's memory stays with the process that put it there.
    """
    return [
        name
        for name, camera in config.cameras.items()
        if camera_options(name, camera).pace != "demand" and camera.decode_on == "cpu"
    ]


def processes(config: Config, cameras: int) -> int:
    """How many members. Left to itself: none for few cameras, which the house's own threads read as well."""
    asked = config.capture.processes
    if asked != "auto":
        return min(asked, cameras)
    if cameras <= FEW_CAMERAS or sys.platform == "win32":
        return 0
    return min(max(1, (os.cpu_count() or 1) // 2), -(-cameras // CAMERAS_EACH))
