"""A camera under test: its source, its books, and its thread where it needs one."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamer.capture import CameraOptions, CameraSource, default_pace
from streamer.clock import Clock, SystemClock
from streamer.fit import InputFit
from streamer.ledger import CameraStatus, FrameLedger
from streamer.presence import Presence
from streamer.sleep_book import SleepBook
from streamer.surroundings import Surroundings
from streamer.types import Frame


class Camera:
    """A CameraSource with its own ledger and status, quick to reconnect and to give up."""

    def __init__(self, url: str | Path, *, canvas_wh: tuple[int, int] = (160, 160), **options: Any) -> None:
        url = str(url)
        chosen: dict[str, Any] = {
            "pace": default_pace(url, options.get("format")),
            "backoff_first_s": 0.05,
            "backoff_most_s": 0.2,
            "backoff_refused_s": 0.2,
            **options,
        }
        self.options = CameraOptions(camera="gate", url=url, **chosen)
        self.ledger = FrameLedger("gate")
        self.status = CameraStatus("gate", 0.0)
        self.sleep = SleepBook("gate")
        self._canvas_wh = canvas_wh
        self._clock: Clock = SystemClock()
        self.source = self._source()
        self.frames: deque[Frame] = deque()
        self.ended = threading.Event()
        self.error: BaseException | None = None

    def _source(self, **around: Any) -> CameraSource:
        fit, rng = InputFit(self._canvas_wh), random.Random(1)
        return CameraSource(
            self.options, fit, Surroundings(self.ledger, self.status, self.sleep, **around), self._clock, rng=rng
        )

    def by_clock(self, clock: Clock) -> None:
        """Live by this clock."""
        self._clock = clock
        self.source = self._source()

    def with_presence(self) -> Presence:
        """Analysis says whether somebody is there: by what it is told through the answer."""
        presence = Presence()
        self.source = self._source(presence=presence)
        return presence

    def ring_by(self, script: Any) -> None:
        """Be awake when the script says so, which is shown every packet."""
        self.source = self._source(bell=script, tap=script)

    def read(self, most: int | None = None) -> list[Frame]:
        """Frames on this thread, to the end or until there are enough."""
        frames = []
        with contextlib.closing(self.source.frames()) as read:
            for frame in read:
                frames.append(frame)
                if most is not None and len(frames) >= most:
                    break
        return frames

    @contextmanager
    def running(self) -> Iterator[Camera]:
        """Frames on a thread of their own, into self.frames, until the block is left."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.source.close()
            thread.join(20)
            assert not thread.is_alive(), "the capture thread did not end after close()"

    def _run(self) -> None:
        try:
            for frame in self.source.frames():
                self.frames.append(frame)
        except BaseException as error:  # noqa: BLE001  (a test looks at it)
            self.error = error
        finally:
            self.ended.set()

    def wait_for(self, what: Callable[[Camera], bool], within_s: float = 30.0) -> float:
        """Block until something is true of the camera; returns how long that took."""
        began_s = time.monotonic()
        while not what(self):
            if time.monotonic() - began_s > within_s:
                raise AssertionError(f"not within {within_s:g} s: {self.status.state()}, {self.ledger.counts()}")
            time.sleep(0.01)
        return time.monotonic() - began_s

    def unaccounted(self, handed_over: int) -> int:
        """Frames received that are neither in the books nor with the consumer; 0 once the source has ended."""
        return self.ledger.counts().waiting - handed_over
