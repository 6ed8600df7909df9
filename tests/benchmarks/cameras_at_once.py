"""Many cameras at once, each on a thread of its own as in the service, and what they cost together.

Their pictures are thrown away, and analysis, had there been any, saw nobody in them. Packets may also come from memory:
then nothing but the capture itself is at work, at a camera's own pace.
"""

from __future__ import annotations

import contextlib
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import av

from streamer.capture import CameraOptions, CameraSource, source
from streamer.capture.connection import Connection
from streamer.capture.packet_times import PacketTimes
from streamer.clock import SystemClock
from streamer.fit import InputFit
from streamer.ledger import CameraStatus, FrameLedger
from streamer.presence import Presence
from streamer.sleep_book import SleepBook
from streamer.surroundings import Surroundings
from streamer.types import Frame

CANVAS_WH = (384, 288)
LOOK_AGAIN_S = 0.25


@dataclass(eq=False)
class Camera:
    """One of them."""

    options: CameraOptions
    offered: Callable[[Frame], None] = lambda _: None
    book: SleepBook | None = None

    def __post_init__(self) -> None:
        name, clock = self.options.camera, SystemClock()
        self.ledger, self.status = FrameLedger(name), CameraStatus(name, clock.monotonic())
        self.sleep = self.book or SleepBook(name)

    def start(self) -> None:
        """Begin to watch, on a thread of its own."""
        self.source = CameraSource(
            self.options,
            InputFit(CANVAS_WH),
            Surroundings(self.ledger, self.status, self.sleep, presence=Presence()),
            SystemClock(),
        )
        self.thread = threading.Thread(target=self._watch, daemon=True, name=f"capture-{self.options.camera}")
        self.thread.start()

    def _watch(self) -> None:
        for frame in self.source.frames():
            self.offered(frame)

    @property
    def asleep(self) -> bool:
        return self.sleep.reading(time.monotonic()).asleep

    @property
    def wakes(self) -> int:
        return sum(self.sleep.reading(time.monotonic()).wakes.values())


class CamerasAtOnce:
    """Closes all of them on the way out."""

    def __init__(self) -> None:
        self.all: list[Camera] = []

    def __enter__(self) -> CamerasAtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        for camera in self.all:
            camera.source.close()
        for camera in self.all:
            camera.thread.join(30)

    def add(self, cameras: Sequence[Camera], within_s: float = 0.0) -> None:
        """Start them, evenly over so many seconds: cameras do not send their key frames all at one moment."""
        for camera in cameras:
            camera.start()
            self.all.append(camera)
            time.sleep(within_s / len(cameras))

    def asleep_within(self, seconds: float, but: int = 0) -> bool:
        """Wait until all of them sleep, but so many; False where they did not in this time."""
        until_s = time.monotonic() + seconds
        while sum(not camera.asleep for camera in self.all) > but:
            if time.monotonic() > until_s:
                return False
            time.sleep(LOOK_AGAIN_S)
        return True

    def wait_until_asleep(self, within_s: float) -> None:
        """All of them. Ends the benchmark where some are not in time, with their number and a reason."""
        if not self.asleep_within(within_s):
            awake = [camera for camera in self.all if not camera.asleep]
            why = awake[0].sleep.reading(time.monotonic()).why_not or awake[0].status.state().trouble
            raise SystemExit(f"{len(awake)} of {len(self.all)} cameras were not asleep after {within_s:g} s: {why}")

    @property
    def wakes(self) -> int:
        return sum(camera.wakes for camera in self.all)

    def books(self) -> dict[str, int]:
        """What became of all frames so far."""
        counts = [camera.ledger.counts() for camera in self.all]
        return {
            "received": sum(each.received for each in counts),
            "asleep": sum(each.skipped.get("asleep", 0) for each in counts),
            "rate": sum(each.skipped.get("rate", 0) for each in counts),
            "dropped": sum(sum(each.dropped.values()) for each in counts),
        }


def cpu_ms_per_camera_s(cameras: int, seconds: float) -> float:
    """Measured from now on: CPU time of the whole process."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    time.sleep(seconds)
    return (time.process_time() - began_cpu_s) * 1e3 / (time.monotonic() - began_s) / cameras


def resident_mb() -> float:
    """What the process holds in memory now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


class FromMemory:
    """A connection whose packets are there already, and come when they are due, as from a camera.

    opened: to the file that they are from: it knows codec and decoder. late_s: how late the last one was fetched.
    """

    def __init__(self, opened: Connection, packets: Sequence[av.Packet[Any]]) -> None:
        self._opened, self._packets = opened, packets
        self.late_s = 0.0
        self.began_s = 0.0
        self.fetched = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    def packets(self) -> Iterator[av.Packet[Any]]:
        """Each one not before its time."""
        self.began_s, times = time.monotonic(), PacketTimes()
        for packet in self._packets:
            due_s = self.began_s + times.shown_s(packet)
            early_s = due_s - time.monotonic()
            if early_s > 0:
                self.wait(early_s)
            self.late_s = time.monotonic() - due_s
            self.fetched += 1
            yield packet

    def wait(self, for_s: float) -> None:
        """As a read from a socket does: the interpreter's lock is free meanwhile."""
        time.sleep(for_s)


Kind = TypeVar("Kind", bound=FromMemory)


@contextlib.contextmanager
def played_from_memory(
    packets: Callable[[str], Sequence[av.Packet[Any]]], connection: Callable[..., Kind] = FromMemory
) -> Iterator[Mapping[str, Kind]]:
    """While this holds, every camera that connects gets the packets of its name; gives their connections, by name."""
    opened: dict[str, Kind] = {}
    connect = source.connect

    def connect_to_memory(options: CameraOptions, *rest: Any) -> Any:
        opened[options.camera] = connection(connect(options, *rest), packets(options.camera))
        return opened[options.camera]

    source.connect = connect_to_memory  # type: ignore[assignment]
    try:
        yield opened
    finally:
        source.connect = connect
