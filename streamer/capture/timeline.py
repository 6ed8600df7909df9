"""When each decoded frame happened on the stream's own timeline: repaired, or refused, never passed on wrong.

What real streams do, and what happens to it here:

| seen | answer |
| --- | --- |
| the first frame over RTSP has no pts | wait for the next ones, count back by the measured interval |
| no pts in mid-stream (the parser begins anew after a pause) | wait for the next, count back from it |
| no pts ever | count on by the interval |
| B-frames stamped in decoding order (pts go 0 2 3 1, dts rise) | take the dts, the first ones evened out |
| the same time twice, or one step back | take the dts' distance where it rises, else drop the frame |
| a step back that stays (up to jump_s) | drop one frame, then go on from there: time keeps rising |
| a gap forward up to jump_s | is a gap: frames were lost |
| a jump of more than jump_s, either way | SourceCorrupt: the session is over |
| many frames in a row without a time that rises | SourceCorrupt |
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_low
from typing import Generic, TypeVar

from streamer.errors import SourceCorrupt

T = TypeVar("T")

DEFAULT_INTERVAL_S = 0.04
SMALLEST_STEP_S = 1e-6


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """One item and its time: media_s since the session's first frame, stream_s on the container's own timeline.

    media_s is None where no time could be found: the frame is to be dropped.
    """

    item: T
    media_s: float | None
    stream_s: float


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    item: T
    pts_s: float | None
    dts_s: float | None


class Timeline(Generic[T]):
    """The times of one session. Give it frames in the order in which the decoder shows them.

    reorders        the stream has B-frames: look at the first frames together before trusting its pts
    nominal_s       the frame interval that the container declares; used only until one is measured
    jump_s          steps larger than this end the session
    """

    OPENING_FRAMES = 3
    OPENING_FRAMES_REORDERED = 8
    MOST_WAITING = 3
    MOST_DROPPED_IN_A_ROW = 50

    def __init__(self, camera: str, *, reorders: bool, nominal_s: float | None = None, jump_s: float = 10.0) -> None:
        self._camera, self._reorders, self._jump_s = camera, reorders, jump_s
        self._nominal_s = nominal_s if nominal_s and nominal_s > 0 else None
        self._waiting: list[_Waiting[T]] = []
        self._opened = False
        self._timed = False  # some frame had a time
        self._by_dts = False
        self._origin_s = 0.0  # container time of media time 0
        self._last_s: float | None = None  # media time of the last placed frame
        self._last_dts_s: float | None = None
        self._stepped_back_to_s: float | None = None
        self._dropped_in_a_row = 0
        self._distances_s: deque[float] = deque(maxlen=15)

    @property
    def by_dts(self) -> bool:
        """True where showing times proved to be wrong, and decoding times are taken."""
        return self._by_dts

    @property
    def interval_s(self) -> float:
        """The usual distance of two frames: measured, else declared, else 25 a second."""
        if self._distances_s:
            return median_low(self._distances_s)
        return self._nominal_s or DEFAULT_INTERVAL_S

    def add(self, item: T, pts_s: float | None, dts_s: float | None) -> list[Placed[T]]:
        """Place one more frame; returns those whose time is now known, in order.

        Raises SourceCorrupt where times cannot be trusted any more. This timeline is then over, and with it this
        frame and all that it had not yet returned.
        """
        if not self._waiting and self._opened and self._timed and (raw_s := self._raw(pts_s, dts_s)) is not None:
            media_s, last_s = _microseconds(raw_s - self._origin_s), self._last_s
            if last_s is not None and 0 < media_s - last_s <= self._jump_s:
                return [self._rises(item, media_s, last_s, dts_s)]  # nearly every frame of every camera
        self._waiting.append(_Waiting(item, pts_s, dts_s))
        if not self._opened:
            return self._open(at_end=False) if self._ready_to_open() else []
        return self._settle(at_end=not self._timed or len(self._waiting) >= self.MOST_WAITING)

    def flush(self) -> list[Placed[T]]:
        """Everything that still waits, placed as well as can be: no more frames will come."""
        if not self._opened:
            return self._open(at_end=True) if self._waiting else []
        return self._settle(at_end=True)

    # -- the opening ------------------------------------------------------------------------------------------------

    def _ready_to_open(self) -> bool:
        if self._reorders:
            return len(self._waiting) >= self.OPENING_FRAMES_REORDERED
        return self._waiting[0].pts_s is not None or len(self._waiting) >= self.OPENING_FRAMES

    def _open(self, *, at_end: bool) -> list[Placed[T]]:
        pts = [w.pts_s for w in self._waiting if w.pts_s is not None]
        dts = [w.dts_s for w in self._waiting if w.dts_s is not None]
        self._by_dts = _steps_back(dts) < _steps_back(pts) or (not pts and bool(dts))
        raw = [self._raw(w.pts_s, w.dts_s) for w in self._waiting]
        known = [(i, t) for i, t in enumerate(raw) if t is not None]
        distances = [(t2 - t1) / (i2 - i1) for (i1, t1), (i2, t2) in pairwise(known) if 0 < t2 - t1 <= self._jump_s]
        interval_s = median_low(distances) if distances else self.interval_s
        if self._by_dts and known:
            known = self._even_out(known[-1], interval_s)
        self._origin_s = known[0][1] - known[0][0] * interval_s if known else 0.0
        self._nominal_s = interval_s
        self._timed = bool(known)
        self._opened = True
        return self._settle(at_end=at_end or not known)

    def _even_out(self, last: tuple[int, float], interval_s: float) -> list[tuple[int, float]]:
        """Count the opening back from its last frame.

        A server that does not know the true times of B-frames has to stretch its first stamps so that they rise
        (0 2 3 5 6 7 …): the holes between them are not lost frames.
        """
        last_i, last_s = last
        evened = [(i, last_s - (last_i - i) * interval_s) for i in range(last_i + 1)]
        for i, t in evened:
            w = self._waiting[i]
            self._waiting[i] = _Waiting(w.item, w.pts_s, t)
        return evened

    # -- frame by frame ---------------------------------------------------------------------------------------------

    def _raw(self, pts_s: float | None, dts_s: float | None) -> float | None:
        return dts_s if self._by_dts else pts_s

    def _settle(self, *, at_end: bool) -> list[Placed[T]]:
        """Place waiting frames up to the last one whose time is known; at the end, the others by counting on."""
        placed: list[Placed[T]] = []
        while self._waiting:
            unknown = 0
            while unknown < len(self._waiting) and self._raw_of(unknown) is None:
                unknown += 1
            if unknown == len(self._waiting):
                if at_end:
                    placed += [self._accept(w, self._next_s()) for w in self._waiting]
                    self._waiting.clear()
                break
            target_s = self._media_s(unknown)
            for i in range(unknown):
                placed.append(self._accept(self._waiting[i], self._counted_back(target_s, unknown - i)))
            placed.append(self._place(self._waiting[unknown], target_s))
            del self._waiting[: unknown + 1]
        return placed

    def _media_s(self, i: int) -> float:
        """Media time of a waiting frame whose container time is known. Raises SourceCorrupt for a jump."""
        raw_s = self._raw_of(i)
        assert raw_s is not None
        if not self._timed:  # counted until now: the first time that is seen continues the count
            self._timed = True
            self._origin_s = raw_s - self._next_s() - i * self.interval_s
        media_s = _microseconds(raw_s - self._origin_s)
        if self._last_s is not None and abs(media_s - self._last_s) > self._jump_s:
            step_s = media_s - self._last_s
            way = "back" if step_s < 0 else "ahead"
            raise SourceCorrupt(f"camera {self._camera!r}: timestamps jumped {way} {abs(step_s):.1f} s")
        return media_s

    def _raw_of(self, i: int) -> float | None:
        return self._raw(self._waiting[i].pts_s, self._waiting[i].dts_s)

    def _next_s(self) -> float:
        return 0.0 if self._last_s is None else self._last_s + self.interval_s

    def _counted_back(self, target_s: float, frames_before: int) -> float:
        """The time of a frame without one, so many frames before one that has."""
        counted_s = target_s - frames_before * self.interval_s
        if self._last_s is None:
            return max(0.0, counted_s)
        if counted_s > self._last_s:
            return counted_s
        if target_s > self._last_s:  # squeezed between two known times
            return self._last_s + (target_s - self._last_s) / (frames_before + 1)
        return self._next_s()

    def _place(self, waiting: _Waiting[T], media_s: float) -> Placed[T]:
        if self._last_s is None or media_s > self._last_s:
            if self._last_s is not None:
                self._distances_s.append(media_s - self._last_s)
            self._stepped_back_to_s = None
            return self._accept(waiting, media_s)
        dts_step_s = (
            waiting.dts_s - self._last_dts_s if waiting.dts_s is not None and self._last_dts_s is not None else 0.0
        )
        if 0 < dts_step_s <= self._jump_s and not self._by_dts:
            return self._accept(waiting, self._last_s + dts_step_s)
        if self._stepped_back_to_s is not None and media_s > self._stepped_back_to_s:
            # Two in a row behind the last, rising among themselves: the camera set its clock back.
            self._stepped_back_to_s = None
            shifted_s = self._next_s()
            self._origin_s += media_s - shifted_s
            return self._accept(waiting, shifted_s)
        self._stepped_back_to_s = media_s
        self._dropped_in_a_row += 1
        if self._dropped_in_a_row > self.MOST_DROPPED_IN_A_ROW:
            raise SourceCorrupt(
                f"camera {self._camera!r}: {self._dropped_in_a_row} frames in a row have timestamps that do not rise"
            )
        return Placed(waiting.item, None, media_s + self._origin_s)

    def _rises(self, item: T, media_s: float, last_s: float, dts_s: float | None) -> Placed[T]:
        """As _place() does for a frame whose time rises from the last one's."""
        self._distances_s.append(media_s - last_s)
        self._stepped_back_to_s = None
        self._dropped_in_a_row = 0
        self._last_s = media_s
        if dts_s is not None:
            self._last_dts_s = dts_s
        return Placed(item, media_s, media_s + self._origin_s)

    def _accept(self, waiting: _Waiting[T], media_s: float) -> Placed[T]:
        self._dropped_in_a_row = 0
        media_s = _microseconds(media_s)
        if self._last_s is not None:
            media_s = max(media_s, _microseconds(self._last_s + SMALLEST_STEP_S))
        self._last_s = media_s
        if waiting.dts_s is not None:
            self._last_dts_s = waiting.dts_s
        return Placed(waiting.item, media_s, media_s + self._origin_s)


def _steps_back(times_s: list[float]) -> int:
    return sum(later <= earlier for earlier, later in pairwise(times_s))


def _microseconds(time_s: float) -> float:
    # Containers count in 1/90000 or 1/10240 of a second: rounding makes the same moment the same number in both.
    return round(time_s, 6)
