"""The capture crew of a configuration: which cameras are read in worker processes, and in how many."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from streamer.assembly.camera import camera_options
from streamer.assembly.crew_equipment import CameraOrders, CommonOrders, FootageOrders
from streamer.assembly.privacy import redacts_clips
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.cores import usable_cores
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


class Seat:
    """A camera's place in the crew. What is made here is known to no member before take()."""

    def __init__(self, name: str, station: Station) -> None:
        self.name, self.station = name, station
        self._orders: FootageOrders | None = None
        self._footage: RemoteFootage | None = None
        self._source: RemoteSource | None = None
        self._camera: CameraOrders | None = None

    def footage(self, orders: FootageOrders) -> RemoteFootage:
        """The camera's footage, made where its packets are; before its source."""
        self._orders, self._footage = orders, RemoteFootage(self.name, orders.clips is not None, self.station.post)
        return self._footage

    def source(
        self, name: str, camera: CameraConfig, input_fit: InputFit, around: Surroundings, _: Clock
    ) -> FrameSource:
        """The camera, as MakeSource makes one."""
        self._camera = CameraOrders(camera_options(name, camera), input_fit, self._orders, around.video is not None)
        self._source = RemoteSource(around, self.station)
        return self._source

    def take(self) -> None:
        """A member may begin with it."""
        assert self._source is not None, "its source comes first"
        self.station.take(self._source, self._camera, self._footage)

    def let_go(self, within_s: float) -> bool:
        """No member reads it any more; its footage is completed. False where that took longer."""
        in_time = True
        while self._source is not None:
            station = self._source.station
            in_time = station.let_go(self._source, within_s) and in_time
            if self._source.station is station:  # else it crashed its member at just this moment, and got another
                break
        return in_time

    @property
    def now_at(self) -> Station:
        """Where it is read now: a camera that crashes its member gets another."""
        return self.station if self._source is None else self._source.station


class Crew:
    """The stations of a service; cameras that have no seat in it stay with the house's own threads."""

    def __init__(self, config: Config, clock: Clock, on_failure: Callable[[], None]) -> None:
        self._memory_bytes = int(config.capture.frames_mb * 1e6)
        self._common = CommonOrders(logs.as_set_up())
        self._clock, self._on_failure = clock, on_failure
        self._lock = threading.Lock()
        self._closed = False
        self._numbers = itertools.count()
        self._stations: list[Station] = []
        self._apart: set[Station] = set()  # each for one camera, which crashed others
        self._seats: set[Seat] = set()
        self._restarts = 0  # of stations that are gone
        self._most = 0
        self.expect(config)

    @property
    def stations(self) -> tuple[Station, ...]:
        """One for each member."""
        with self._lock:
            return tuple(self._stations)

    def expect(self, config: Config) -> None:
        """So many cameras there will be: in as many processes will they be read that come from now on."""
        self._most = processes(config, len(crewed(config)))

    def seat(self, name: str, camera: CameraConfig) -> Seat | None:
        """A place where there is most room, or at a new station; None: it is read in the house itself."""
        if not may_be_crewed(name, camera):
            return None
        with self._lock:
            stations = [station for station in self._stations if station not in self._apart]
            if len(stations) < self._most:
                station = self._new_station()
            elif stations:
                load = Counter(seat.now_at for seat in self._seats)
                station = min(stations, key=lambda station: (load[station], station.number))
            else:
                return None
            seat = Seat(name, station)
            self._seats.add(seat)
            return seat

    def leave(self, seat: Seat, within_s: float) -> bool:
        """The camera is read no more; a station that it leaves empty is closed. False where it took longer."""
        in_time = seat.let_go(within_s)
        station = seat.now_at
        with self._lock:
            self._seats.discard(seat)
            if any(other.now_at is station for other in self._seats) or station not in self._stations:
                return in_time
            self._stations.remove(station)
            self._apart.discard(station)
            self._restarts += station.restarts
        self._end([station])
        return in_time

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
        restarts = self._restarts + sum(station.restarts for station in self.stations)
        yield "streamer_capture_restarts_total", (), float(restarts)

    def close(self) -> None:
        """End all members."""
        with self._lock:
            self._closed = True
        self._end(self.stations)

    def _end(self, stations: Sequence[Station]) -> None:
        for station in stations:
            station.close()
        for name in join(stations, Deadline(ENDS_WITHIN_S + 2.0)):
            _log.warning("%s did not end in time and was left behind", name)

    def _another(self) -> Station:
        """For a camera that must be kept apart."""
        with self._lock:
            station = self._new_station()
            self._apart.add(station)
            return station

    def _new_station(self) -> Station:
        station = Station(
            next(self._numbers),
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
    return [name for name, camera in config.cameras.items() if may_be_crewed(name, camera)]


def may_be_crewed(name: str, camera: CameraConfig) -> bool:
    """Whether this one may. What is redacted in clips is known here, so the packets are kept here as well."""
    return camera_options(name, camera).pace != "demand" and camera.decode_on == "cpu" and not redacts_clips(camera)


def processes(config: Config, cameras: int) -> int:
    """How many members. Left to itself: none for few cameras, which the house's own threads read as well."""
    asked = config.capture.processes
    if asked != "auto":
        return min(asked, cameras)
    if cameras <= FEW_CAMERAS or sys.platform == "win32":
        return 0
    return min(max(1, usable_cores() // 2), -(-cameras // CAMERAS_EACH))
