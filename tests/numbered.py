"""Live cameras that write a number into every picture, and what became of each: truth that no clock has a part in.

Every camera is one stream that all its clients share, over RTSP with RTCP, as of a camera; who connects later begins
later. What was analysed is read from the live feeds: there the number stands in the place of the frame's index.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from streamer.assembly.camera import build_source
from streamer.clock import Clock
from streamer.config import CameraConfig
from streamer.fit import InputFit
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings
from streamer.types import Frame
from tests.rtsp import gst_rtsp_server

NUMBERED = "STREAMER_TESTS_NUMBERED"
FPS = 10
WIDTH, HEIGHT = 640, 320
BITS, STRIP = 20, 0.1  # as in gst_rtsp_server.py
_HALF_WHITE = 125
_BLOCK_MS = 200


@contextlib.contextmanager
def numbered_cameras(names: Iterable[str], fps: int = FPS) -> Iterator[dict[str, str]]:
    """Camera → its address."""
    with gst_rtsp_server(dict.fromkeys(names, f"numbers:{WIDTH}x{HEIGHT}@{fps}")) as server:
        yield {name: server.url(name) for name in names}


def number_of(rgb: NDArray[np.uint8]) -> int:
    """What is written in a picture, uint8 (H, W, 3)."""
    height, width = rgb.shape[:2]
    strip = rgb[: int(height * STRIP), : width // BITS * BITS]
    fields = strip.reshape(-1, BITS, width // BITS, 3).mean((0, 2, 3))
    return sum(1 << bit for bit in range(BITS) if fields[bit] > _HALF_WHITE)


class NumberedSource:
    """stages.FrameSource: the frames of another, called by the number in their pictures."""

    def __init__(self, inner: FrameSource) -> None:
        self._inner = inner
        self.camera, self.demand_paced = inner.camera, inner.demand_paced

    def frames(self) -> Generator[Frame, None, None]:
        for frame in self._inner.frames():
            yield replace(frame, index=number_of(frame.picture.rgb()))

    def close(self) -> None:
        self._inner.close()


def numbered_source(
    name: str, camera: CameraConfig, fit: InputFit, around: Surroundings, clock: Clock
) -> NumberedSource:
    """A MakeSource."""
    return NumberedSource(build_source(name, camera, fit, around, clock))


@dataclass(frozen=True)
class Account:
    """Of one camera: how many pictures lie between the first and the last that was analysed, and of these the numbers
    of those that nobody analysed, and of those that were analysed more than once. longest_pause_s: between the results
    of two of them."""

    pictures: int
    missing: tuple[int, ...]
    twice: tuple[int, ...]
    sessions: int
    longest_pause_s: float


class FeedReader:
    """Reads the live feeds of cameras as they are written."""

    def __init__(self, url: str, cameras: Iterable[str]) -> None:
        self._client: Any = redis.Redis.from_url(url, decode_responses=True)
        self._seen: dict[str, list[tuple[str, int]]] = {camera: [] for camera in cameras}
        self._told_at: dict[str, list[float]] = {camera: [] for camera in cameras}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def newest(self, camera: str) -> int:
        """The number analysed last; -1 where none was."""
        return self._seen[camera][-1][1] if self._seen[camera] else -1

    def sessions(self, camera: str) -> int:
        """How many connections brought frames so far."""
        return len({session for session, _ in self._seen[camera]})

    def account(self, camera: str) -> Account:
        """What became of the pictures so far."""
        seen = list(self._seen[camera])
        times = Counter(n for _, n in seen)
        span = range(min(times), max(times) + 1)
        return Account(
            len(span),
            tuple(n for n in span if n not in times),
            tuple(n for n in span if times[n] > 1),
            len({session for session, _ in seen}),
            max((later - earlier for earlier, later in pairwise(self._told_at[camera])), default=0.0),
        )

    def close(self) -> None:
        """Read no more."""
        self._ended.set()
        self._thread.join(10)
        self._client.close()

    def _read(self) -> None:
        last = {f"streamer:detections:{camera}": "0" for camera in self._seen}
        while not self._ended.is_set():
            for stream, entries in self._client.xread(last, block=_BLOCK_MS):
                last[stream] = entries[-1][0]
                for id_, fields in entries:
                    frame = json.loads(fields["data"])
                    self._told_at[frame["camera"]].append(int(id_.partition("-")[0]) / 1000)
                    self._seen[frame["camera"]].append((frame["session"], frame["index"]))
