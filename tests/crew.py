"""A capture crew of real processes without a model: stations, and cameras whose frames are collected by threads."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamer.assembly.crew import MEMBER
from streamer.assembly.crew_equipment import CameraOrders, CommonOrders, FootageOrders
from streamer.bell import WakeBell
from streamer.capture import CameraOptions
from streamer.clock import SystemClock
from streamer.crew.process import start_process
from streamer.crew.remote import RemoteSource
from streamer.crew.remote_footage import RemoteFootage
from streamer.crew.station import Station, join
from streamer.errors import SourceError
from streamer.fit import InputFit
from streamer.ledger import CameraStatus, FrameLedger
from streamer.live_video import LiveVideo
from streamer.presence import Presence
from streamer.sleep_book import SleepBook
from streamer.surroundings import Surroundings
from streamer.types import Frame
from streamer.workers import Deadline

MEMORY_BYTES = 32_000_000
FIT = InputFit((160, 160))


@dataclass
class Watched:
    """One camera of a crew, and what came of it."""

    source: RemoteSource
    footage: RemoteFootage | None
    frames: list[Frame] = field(default_factory=list)
    error: SourceError | None = None
    keeps: bool = True
    thread: threading.Thread | None = None

    def watch(self) -> None:
        self.thread = threading.Thread(target=self._collect, name=f"collect:{self.source.camera}")
        self.thread.start()

    def _collect(self) -> None:
        try:
            for frame in self.source.frames():
                self.source.around.ledger.analysed()
                self.frames.append(frame)
                if not self.keeps:
                    self.frames = self.frames[-1:]
        except SourceError as error:
            self.error = error

    @property
    def sessions(self) -> list[str]:
        return sorted({frame.session for frame in self.frames})


def camera(name: str, video: Path | str, **options: Any) -> CameraOptions:
    return CameraOptions(
        camera=name, url=str(video), **{"pace": "realtime", "analyse_fps": None, "loop": True, "options": {}, **options}
    )


@contextlib.contextmanager
def one_station(
    cameras: Sequence[CameraOptions],
    *,
    footage: FootageOrders | None = None,
    memory_bytes: int = MEMORY_BYTES,
    member: str = MEMBER,
    video: bool = False,
) -> Iterator[tuple[Station, dict[str, Watched]]]:
    """A station whose cameras are watched; on the way out they are closed, and the member with them."""
    clock = SystemClock()
    failed: list[str] = []
    stations: list[Station] = []

    def another() -> Station:
        stations.append(
            Station(
                len(stations),
                lambda: start_process(member, memory_bytes),
                memory_bytes,
                CommonOrders(None),
                clock,
                lambda: failed.append("a station's thread died"),
                another,
            )
        )
        return stations[-1]

    station = another()
    watched: dict[str, Watched] = {}
    for options in cameras:
        name = options.camera
        around = Surroundings(
            FrameLedger(name), CameraStatus(name, clock.monotonic()), SleepBook(name), WakeBell(clock.monotonic),
            Presence(), video=LiveVideo(clock.monotonic) if video else None,
        )  # fmt: skip
        source = RemoteSource(around, station)
        remote = None if footage is None else RemoteFootage(name, True, station.post)
        station.take(source, CameraOrders(options, FIT, footage, video), remote)
        watched[name] = Watched(source, remote)
    for each in watched.values():
        each.watch()
    try:
        yield station, watched
    finally:
        for each in watched.values():
            each.source.close()
        for each in watched.values():
            if each.thread is not None:
                each.thread.join(10)
        for each in stations:
            each.close()
        assert not join(stations, Deadline(10))
        assert not failed, [each.worker.error for each in stations]


def eventually(claim: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Wait until it holds: what happens in another process tells nobody here."""
    deadline_s = time.monotonic() + within_s
    while not (held := claim()):
        assert time.monotonic() < deadline_s, f"not within {within_s:.0f} s"
        threading.Event().wait(0.02)
    return held


def children() -> set[int]:
    """Processes that this one has started and that are still there, dead ones that nobody buried included."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                stat = (entry / "stat").read_text()
                if int(stat[stat.rindex(")") + 2 :].split()[1]) == os.getpid():
                    found.add(int(entry.name))
    return found


def shared_descriptors() -> int:
    """Open descriptors of shared frames in this process."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += "streamer-frames" in os.readlink(entry)
    return count
