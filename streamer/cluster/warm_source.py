"""A camera that is about to come: read here while its last owner still speaks for it, so that nothing is missed.

    begin() ─▶ a thread of its own reads, the last seconds are held ─▶ adopt(last seen) ─▶ frames(): what is held and
    was not seen yet, faster than it happened, then the camera itself, on the thread that iterates

Nothing is offered to anybody before it is adopted: whoever has the lease speaks (ADR 13), this only listens. What is
held and never asked for is counted as skipped{warming}: its owner analysed it, or somebody who came before us.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from itertools import pairwise
from statistics import median_low

from streamer.clock import Clock
from streamer.cluster.handover import LastSeen
from streamer.ledger import Drop, FrameLedger, Skip
from streamer.stages import FrameSource
from streamer.types import Frame
from streamer.workers import Deadline, Worker

HOLD_S = 6.0
"""Longer than letting go, handing over and taking take together, on a busy machine."""
HOLD_BYTES = 64_000_000
"""Of pictures, at the size of the camera: fifteen of full HD, three seconds at five a second."""
WARM_AFTER_S = 1.0
"""So long its frames have been dated by the same estimate: then a frame is known by its date (capture/wallclock.py)."""
UNDATED_WARM_AFTER_S = 4.0
"""Where the camera has not sent its own time: it may still, cameras do so every few seconds; and the longer its frames
come, the better is known how long they are on their way."""
_SAME_ESTIMATE_S = 0.005
_SAME_AT_LEAST_S, _SAME_WITHIN_S = 0.02, 0.1
_ELSEWHEN_S = 2.0
_FASTER = 4.0
_FRESH_S = 0.1
_LEAVES_WITHIN_S = 2.0

_log = logging.getLogger("streamer.cluster")


class WarmSource:
    """stages.FrameSource around another one, which nobody else iterates.

    skew_s: by how many seconds the camera's clock is ahead of this machine's, where `captured_at` is of the camera's.
    begin(), adopt() and close() from any thread.
    """

    demand_paced = False

    def __init__(
        self,
        inner: FrameSource,
        ledger: FrameLedger,
        skew_s: Callable[[], float | None],
        clock: Clock,
        *,
        hold_s: float = HOLD_S,
        hold_bytes: int = HOLD_BYTES,
    ) -> None:
        self._inner, self._ledger, self._skew_s, self._clock = inner, ledger, skew_s, clock
        self._hold_s, self._hold_bytes = hold_s, hold_bytes
        self._reading: Iterator[Frame] = inner.frames()
        self._held: deque[Frame] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._session = ""
        self._zero_at = 0.0  # when media time 0 of that session was, as its newest frame has it
        self._steady_s: float | None = None  # since when that has been so
        self._first_s: float | None = None  # when the first frame came
        self._adopted = self._closed = self._enough = self._read_on = False
        self._began = False  # a frame that is ours has come: so are all behind it
        self._seen_until: float | None = None  # adopted: what was captured until then is not ours
        self._error: Exception | None = None
        self._worker = Worker(f"warm:{inner.camera}", self._read, lambda: None)

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self._inner.camera

    @property
    def is_warm(self) -> bool:
        """Whether it could go on for its owner now."""
        if self._steady_s is None or self._first_s is None:
            return False
        now_s = self._clock.monotonic()
        is_dated = self._skew_s() is not None or now_s - self._first_s >= UNDATED_WARM_AFTER_S
        return is_dated and now_s - self._steady_s >= WARM_AFTER_S

    @property
    def has_ended(self) -> bool:
        """Whether its thread has come to an end before anybody wanted the camera."""
        return self._read_on and not self._adopted

    def begin(self) -> None:
        """Connect and read; once."""
        self._worker.start()

    def adopt(self, seen: LastSeen | None) -> None:
        """It is ours: frames() begins behind the last frame that its owner has seen; None: with the next one."""
        with self._changed:
            if self._adopted:
                return
            self._adopted = True
            if seen is None:
                self._let_go(len(self._held))
            else:
                self._seen_until = self._boundary(seen)
                self._let_go(sum(not self._is_ours(frame) for frame in self._held))
            self._changed.notify_all()

    def frames(self) -> Generator[Frame, None, None]:
        """What is held and ours, then the camera; see stages.FrameSource."""
        self.adopt(None)
        try:
            yield from self._backlog()
            if self._error is not None:
                raise self._error
            for frame in self._reading:
                if self._is_ours(frame):
                    yield frame
                else:
                    self._ledger.skipped(Skip.WARMING)
        finally:
            self._leave()

    def close(self) -> None:
        """Read no more. Of one that was never adopted nothing is wanted any more."""
        self._inner.close()
        with self._changed:
            self._closed = True
            if not self._adopted:
                self._let_go(len(self._held))
            self._changed.notify_all()

    def join(self, within_s: float) -> bool:
        """Wait for its thread to end, behind close() or adopt(); false where it takes longer."""
        return self._worker.join(Deadline(within_s))

    # --- on its own thread ----------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            for frame in self._reading:
                with self._changed:
                    self._keep(frame)
                    self._changed.notify_all()
                    if self._enough:
                        return
        except Exception as error:  # noqa: BLE001 - told by whoever iterates frames(), as the source itself would
            self._error = error
        finally:
            with self._changed:
                self._read_on = True
                self._changed.notify_all()

    def _keep(self, frame: Frame) -> None:
        if (self._closed and not self._adopted) or not self._is_ours(frame):
            self._ledger.skipped(Skip.WARMING)
            return
        if self._first_s is None:
            self._first_s = self._clock.monotonic()
        zero_at = frame.captured_at - frame.media_s
        if frame.session != self._session or abs(zero_at - self._zero_at) > _SAME_ESTIMATE_S:
            self._steady_s = self._clock.monotonic()
        self._session, self._zero_at = frame.session, zero_at
        self._held.append(frame)
        self._bytes += _size(frame)
        while len(self._held) > 1 and (
            self._bytes > self._hold_bytes or frame.captured_at - self._held[0].captured_at > self._hold_s
        ):
            if self._began:  # its owner does not have it any more: it is lost
                self._ledger.dropped(Drop.FULL)
                self._bytes -= _size(self._held.popleft())
            else:
                self._let_go(1)

    def _let_go(self, frames: int) -> None:
        """The oldest that are held: they are its owner's."""
        for _ in range(frames):
            self._bytes -= _size(self._held.popleft())
        if frames:
            self._ledger.skipped(Skip.WARMING, frames)

    # --- on the thread that iterates frames() ----------------------------------------------------------------------

    def _backlog(self) -> Iterator[Frame]:
        """Until nothing is held and the other thread has left the camera to this one."""
        before: Frame | None = None
        while True:
            with self._changed:
                self._enough = self._enough or not self._held
                while not self._held and not self._read_on:
                    self._changed.wait()
                if not self._held:
                    return
                frame = self._held.popleft()
                self._bytes -= _size(frame)
            now_s = self._clock.monotonic()
            is_late = now_s - frame.received_s > _FRESH_S
            if is_late and before is not None:
                self._pause((frame.captured_at - before.captured_at) / _FASTER)
                now_s = self._clock.monotonic()
            before = frame
            yield replace(frame, received_s=now_s, late=True) if is_late else frame

    def _pause(self, seconds: float) -> None:
        """Not all at once: others share the model. The camera is read on meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, min(max(seconds, 0.0), 1.0))

    def _leave(self) -> None:
        """Whoever iterates has left, or there is nothing more."""
        if not self._read_on:
            self._inner.close()
            self._enough = True
            if not self.join(_LEAVES_WITHIN_S):
                _log.warning("%s did not end in time and was left behind", self._worker.name)
                return
        with self._changed:
            self._ledger.dropped(Drop.SHUTDOWN, len(self._held))
            self._held.clear()
        if isinstance(self._reading, Generator):
            self._reading.close()

    # --- when ---------------------------------------------------------------------------------------------------------

    def _is_ours(self, frame: Frame) -> bool:
        if self._adopted and not self._began:
            self._began = self._seen_until is None or self._dated(frame) > self._seen_until
            return self._began
        return True

    def _dated(self, frame: Frame) -> float:
        """When a frame was captured, by what is known now: the first ones of a connection are dated by what comes in,
        until the camera has sent its own time."""
        return self._zero_at + frame.media_s if frame.session == self._session else frame.captured_at

    def _boundary(self, seen: LastSeen) -> float:
        """By this connection's own captured_at: what is not later was seen."""
        at, mine = seen.captured_at, self._skew_s()
        if (seen.skew_s is None) != (mine is None):  # only one of the two has heard the camera's own time
            at += (mine or 0.0) - (seen.skew_s or 0.0)
        now = self._clock.now() + (mine or 0.0)
        if at > now + _ELSEWHEN_S:
            _log.warning(
                "camera %r: its last owner saw a frame %.1f s from now: their clocks differ (NTP?), and what was held "
                "meanwhile is passed over",
                self.camera,
                at - now,
                extra={"camera": self.camera},
            )
            return now
        _log.info(
            "camera %r goes on behind %.3f (the camera's own time: %s there, %s here)",
            self.camera,
            at,
            *("unknown" if skew_s is None else f"{skew_s:+.3f} s" for skew_s in (seen.skew_s, mine)),
            extra={"camera": self.camera, "event": "goes_on"},
        )
        return at + self._half_a_frame()

    def _half_a_frame(self) -> float:
        """What two connections may differ by about the same frame."""
        times = [frame.captured_at for frame in self._held]
        steps = [later - earlier for earlier, later in pairwise(times)]
        return min(median_low(steps) / 2, _SAME_WITHIN_S) if steps else _SAME_AT_LEAST_S


def _size(frame: Frame) -> int:
    """Bytes, with the full-size picture that it can be asked for (4:2:0)."""
    width, height = frame.source_wh
    return frame.image.nbytes + width * height * 3 // 2
