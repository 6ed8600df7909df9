"""What is new in the books of a camera, on its way from a member of the crew to the house.

Differences, so that a member that begins anew takes nothing away from what is in the books already. Times are
monotonic seconds, which mean the same in every process of a machine.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from streamer.ledger import CameraState, Drop, FrameCounts, Link, Skip
from streamer.sleep_book import SleepBook, SleepReading
from streamer.surroundings import Surroundings

SIGN_EVERY_S = 1.0
"""So often the time of the last frame is told where nothing else is new."""

News = dict[str, Any]
_MOST_COUNTED = 2**53
_MOST_SESSIONS = 10_000


class NewsOf:
    """A member's side: what has changed in the books of one camera since it was last asked. One thread at a time."""

    def __init__(self, around: Surroundings, waited_s: list[float], now_s: float) -> None:
        """waited_s: where the camera's SleepBook puts what it observes."""
        self._around, self._waited_s = around, waited_s
        self._counts = FrameCounts()
        self._state = around.status.state()
        self._sleep = around.sleep.reading(now_s)
        self._told_frame_s = float("-inf")

    def since(self, now_s: float, *, all_signs: bool = False) -> News:
        """Empty where nothing is worth a line; all_signs: tell the time of the last frame in any case."""
        news: News = {}
        counts = self._around.ledger.counts()
        if counts != self._counts:
            before, self._counts = self._counts, counts
            news["frames"] = [
                counts.received - before.received,
                _more(before.skipped, counts.skipped),
                _more(before.dropped, counts.dropped),
            ]
        self._tell_link(news, all_signs)
        self._tell_sleep(news, now_s)
        return news

    def _tell_link(self, news: News, all_signs: bool) -> None:
        state, before = self._around.status.state(), self._state
        frame_s = state.last_frame_s
        if frame_s is not None and (all_signs or frame_s - self._told_frame_s >= SIGN_EVERY_S):
            news["sign"] = [frame_s, state.skew_s]
            self._told_frame_s = frame_s
        if _lasting(state) != _lasting(before):
            news["link"] = [
                state.sessions - before.sessions,
                state.link.value,
                state.since_s,
                state.trouble,
                state.source_wh,
                state.codec,
                state.decoder,
            ]
        self._state = state

    def _tell_sleep(self, news: News, now_s: float) -> None:
        now, before = self._around.sleep.reading(now_s), self._sleep
        if (now.asleep, now.wakes, now.decode_s, now.ring_bytes, now.why_not) != (
            before.asleep, before.wakes, before.decode_s, before.ring_bytes, before.why_not,
        ):  # fmt: skip
            self._sleep = now
            more = SleepReading(
                now.asleep,
                now.asleep_s - before.asleep_s,
                _more(before.wakes, now.wakes),
                now.decode_s - before.decode_s,
                now.ring_bytes,
                now.why_not,
            )
            news["sleep"] = [
                now_s,
                more.asleep,
                more.asleep_s,
                more.wakes,
                more.decode_s,
                more.ring_bytes,
                more.why_not,
            ]
        if self._waited_s:
            waited_s = self._waited_s[:]
            del self._waited_s[: len(waited_s)]
            news["waited"] = waited_s


class BooksOf:
    """The house's side: the books of one camera, into which its member's news are written, until they are sealed."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._sealed = False
        self._held = 0  # frames that the member told of, and that are neither decided about nor here

    def write(self, news: News, *, frames_here: int = 0) -> None:
        """frames_here: so many came with the news. Raises ValueError, TypeError, KeyError for what is no news."""
        with self._lock:
            if self._sealed:
                return
            try:
                self._write(news, frames_here)
            except (AttributeError, IndexError, OverflowError) as error:
                raise ValueError(f"no news: {error}") from error

    def _write(self, news: News, frames_here: int) -> None:
        if "frames" in news:
            self._write_frames(*news["frames"])
        self._held -= frames_here
        if "link" in news:
            self._write_link(*news["link"])
        if "sign" in news:
            frame_s, skew_s = news["sign"]
            self._around.status.frame(_seconds(frame_s), None if skew_s is None else _seconds(skew_s))
        if "sleep" in news:
            now_s, *reading = news["sleep"]
            self._around.sleep.add(_reading(*reading), _seconds(now_s))
        for seconds in news.get("waited", ()):
            self._around.sleep.first_offered(_seconds(seconds))

    def lose(self, now_s: float, why: str) -> None:
        """The member is gone, and with it what it held of this camera."""
        with self._lock:
            if self._sealed:
                return
            self._around.ledger.dropped(Drop.CRASHED, self._held)
            self._held = 0
            self._around.status.offline(now_s, why)
            self._around.sleep.woke(now_s)
            self._around.sleep.holds(0)

    def seal(self) -> None:
        """From now on what members tell is no longer written: these books are being closed."""
        with self._lock:
            self._sealed = True

    def _write_frames(self, received: int, skipped: Mapping[str, int], dropped: Mapping[str, int]) -> None:
        ledger = self._around.ledger
        skips = {Skip(skip): _count(n) for skip, n in skipped.items()}
        drops = {Drop(drop): _count(n) for drop, n in dropped.items()}
        ledger.received(_count(received))
        for skip, n in skips.items():
            ledger.skipped(skip, n)
        for drop, n in drops.items():
            ledger.dropped(drop, n)
        self._held += received - sum(skipped.values()) - sum(dropped.values())

    def _write_link(
        self,
        sessions: int,
        link: str,
        since_s: float,
        trouble: str | None,
        source_wh: list[int] | None,
        codec: str | None,
        decoder: str | None,
    ) -> None:
        status, since_s = self._around.status, _seconds(since_s)
        if sessions and source_wh is not None:
            wh = _count(source_wh[0]), _count(source_wh[1])
            for _ in range(_count(sessions, _MOST_SESSIONS)):
                status.online(since_s, wh, codec or "", decoder)
        match Link(link):
            case Link.OFFLINE:
                status.offline(since_s, trouble or "")
            case Link.ENDED:
                status.ended(since_s)
            case _:
                pass


def _count(said: object, most: int = _MOST_COUNTED) -> int:
    """A whole number that a member may say; a process that takes apart what cameras send may say anything."""
    if not isinstance(said, int) or not 0 <= said <= most:
        raise ValueError(f"{str(said)[:60]} is no count")
    return said


def _seconds(said: object) -> float:
    if not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError(f"{str(said)[:60]} is no time")
    return float(said)


def _reading(
    asleep: bool, asleep_s: float, wakes: Mapping[str, int], decode_s: float, ring_bytes: int, why_not: str | None
) -> SleepReading:
    counted = {str(why): _count(n) for why, n in wakes.items()}
    return SleepReading(bool(asleep), _seconds(asleep_s), counted, _seconds(decode_s), _count(ring_bytes), why_not)


def heard_by(waited_s: list[float], camera: str) -> SleepBook:
    """A member's sleep book: what it observes is put into the list, for the next news."""
    return SleepBook(camera, waited_s.append)


def _more(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in now.items() if n != before.get(name, 0)}


def _lasting(state: CameraState) -> tuple[object, ...]:
    return state.sessions, state.link, state.since_s, state.trouble, state.source_wh, state.codec, state.decoder
