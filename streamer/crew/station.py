"""One place in the crew: a member with its cameras, listened to, and replaced when it dies.

All that concerns a member happens on one thread, `crew:N`: starting it, reading its letters, ending it. Others post.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from streamer.clock import Clock
from streamer.crew.life import LISTENS_S, Life, wanted
from streamer.crew.orders import Orders
from streamer.crew.process import MemberProcess
from streamer.crew.remote import RemoteSource
from streamer.crew.remote_footage import RemoteFootage
from streamer.workers import Deadline, Worker

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
GOOD_LIFE_S = 60.0
LEAVES_LATE_S = 1.0
CRASHES_TOGETHER = 2
"""So often may a camera take others down with it."""

_log = logging.getLogger("streamer.crew")

Start = Callable[[], MemberProcess]


class Station:
    """start: a new process, with so much memory for frames; common: what its orders say besides the cameras'.

    on_failure: the station itself failed; another: a new station, for a camera that must be kept apart.
    """

    def __init__(
        self,
        number: int,
        start: Start,
        memory_bytes: int,
        common: Any,
        clock: Clock,
        on_failure: Callable[[], None],
        another: Callable[[], Station],
    ) -> None:
        self.number = number
        self._another = another
        self._crashes: Counter[str] = Counter()
        self._start, self._memory_bytes, self._common, self._clock = start, memory_bytes, common, clock
        self._orders: dict[str, Any] = {}
        self._sources: dict[str, RemoteSource] = {}
        self._footage: dict[str, RemoteFootage] = {}
        self._lock = threading.Lock()
        self.begun = False
        self._closing = threading.Event()
        self._stir = threading.Event()
        self._life: Life | None = None
        self.restarts = 0
        self.worker = Worker(f"crew:{number}", self._run, on_failure)

    # --- from any thread ------------------------------------------------------------------------------------------

    def take(self, source: RemoteSource, orders: Any, footage: RemoteFootage | None) -> None:
        """One camera more; a member that runs already begins with it at once."""
        camera = source.camera
        with self._lock:
            if source.given_up:
                return
            source.read_by(self)
            self._sources[camera], self._orders[camera] = source, orders
            if footage is not None:
                self._footage[camera] = footage
            if self._life is not None:
                self._life.link.post(("take", camera, orders))
        self._stir.set()

    def let_go(self, source: RemoteSource, within_s: float) -> bool:
        """Forget a camera whose source has ended; its footage is completed first. False where that took longer.

        From any thread but the station's own.
        """
        camera, left = source.camera, None
        source.given_up = True
        with self._lock:
            if self._life is not None and camera in self._sources:
                left = self._life.ask_to_leave(camera, within_s)
                left = None if self._life.is_deaf else left
        in_time = left is None or left.wait(within_s + LEAVES_LATE_S)
        with self._lock:
            self._sources.pop(camera, None)
            self._orders.pop(camera, None)
            footage = self._footage.pop(camera, None)
            self._crashes.pop(camera, None)
            if self._life is not None:
                self._life.forget(camera)
        if footage is not None:
            footage.lose()
        return in_time

    @property
    def is_empty(self) -> bool:
        """Whether it has no camera."""
        return not self._sources

    def begin(self) -> None:
        """Start the member; once more is harmless."""
        with self._lock:
            if not self.begun:
                self.begun = True
                self.worker.start()

    @property
    def pid(self) -> int | None:
        """The member's process, where one runs."""
        life = self._life
        return None if life is None else life.pid

    def post(self, letter: object) -> bool:
        """To the member; false where there is none."""
        life = self._life
        if life is None:
            return False
        life.link.post(letter)
        return True

    def close_camera(self, source: RemoteSource) -> None:
        """End it soon, whatever its member does."""
        source.closing_since_s = self._clock.monotonic()
        self.post(("close", source.camera))
        self._stir.set()
        if not self.begun:
            source.end()

    def finish_footage(self, within_s: float) -> None:
        """Ask for all that the member writes to disk to be completed; see footage_finished."""
        if self._footage:
            self.post(("finish", within_s))

    def footage_finished(self, within_s: float) -> bool:
        """Wait for it; false where it took longer. What a dead member was writing is given up already."""
        life = self._life
        if life is None or not self._footage:
            return True
        deadline = Deadline(within_s)
        while not life.finished.wait(min(LISTENS_S, deadline.remaining())):
            if not deadline.remaining() or life.is_deaf:
                return False
        return True

    def close(self) -> None:
        """End the member, and with it the station's thread, within ENDS_WITHIN_S; returns at once."""
        self._closing.set()
        self._stir.set()
        self.post(("stop",))

    # --- on the station's own thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            self._stir.clear()
            if self._closing.is_set():
                break
            for source in wanted(self._sources):
                if source.closing_since_s is not None:
                    source.end()
            if not wanted(self._sources):
                self._stir.wait()
                continue
            began_s = self._clock.monotonic()
            how, blamed = self._live()
            if self._closing.is_set():
                break
            if self._is_set_apart(blamed) or self._clock.monotonic() - began_s > GOOD_LIFE_S:
                pause_s = FIRST_PAUSE_S
            self.restarts += 1
            self._tell_loss(how, pause_s)
            self._stir.clear()
            closes = all(source.closing_since_s is not None for source in wanted(self._sources))
            if not closes and not self._closing.is_set():
                self._stir.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        for source in wanted(self._sources):
            source.end()

    def _is_set_apart(self, blamed: str | None) -> bool:
        """A camera that crashes its member time and again gets one of its own: one camera never harms another."""
        if blamed is None:
            return False
        self._crashes[blamed] += 1
        if self._crashes[blamed] < CRASHES_TOGETHER or len(wanted(self._sources)) < 2:
            return False
        _log.error(
            "camera %r crashed its capture process %d times: it is read in one of its own from now on",
            blamed,
            self._crashes[blamed],
            extra={"camera": blamed, "event": "set apart"},
        )
        apart = self._another()
        with self._lock:
            source, footage = self._sources.pop(blamed, None), self._footage.pop(blamed, None)
            orders = self._orders.pop(blamed, None)
        if source is None:  # it was let go meanwhile
            return False
        apart.take(source, orders, footage)
        if footage is not None:
            footage.made_by(apart.post)
        apart.begin()
        return True

    def _live(self) -> tuple[str, str | None]:
        """One life of the member, from its start to its end; returns how it ended, and which camera it died of."""
        try:
            life = Life(self._start(), self._sources, self._footage, self._closing, self._clock)
        except OSError as error:
            return f"could not be started: {error}", None
        with self._lock:
            cameras = {source.camera: self._orders[source.camera] for source in wanted(self._sources)}
            life.link.post(Orders(cameras, self._memory_bytes, self._common))
            self._life = life
        why = None
        try:
            why = life.listen()
        finally:
            with self._lock:
                self._life = None
            how, blamed = life.end()
            for footage in tuple(self._footage.values()):
                footage.lose()
        how = why or how
        if blamed is not None:
            how = f"{how} while it captured camera '{blamed}'"
        for source in wanted(self._sources):
            source.books.lose(self._clock.monotonic(), f"camera '{source.camera}': the process that captures it {how}")
        return how, blamed

    def _tell_loss(self, how: str, pause_s: float) -> None:
        _log.error(
            "capture process %d %s; it is started again in %.1f s, and until then offline: %s",
            self.number,
            how,
            pause_s,
            ", ".join(source.camera for source in wanted(self._sources)),
            extra={"event": "capture process lost"},
        )


def join(stations: Sequence[Station], deadline: Deadline) -> list[str]:
    """Wait for the stations' threads; returns the names of those that did not end."""
    return [station.worker.name for station in stations if station.begun and not station.worker.join(deadline)]
