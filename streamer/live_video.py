"""What one camera shows at this moment, as video for people: filled by whoever has its packets, taken by any number of
viewers, made only while there are any.

Video comes in stretches: a head, without which nothing can be decoded, and fragments (ISO/IEC 14496-12, movie
fragments) on one timeline, its *video time*. A stretch ends with the connection, with a change of the stream's
parameters, or with a hole in it; viewers of a stretch end with it, and come again for the next one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

MOST_WAITING_BYTES = 12_000_000
MOST_WAITING_S = 5.0
"""A viewer that has left something lying for so long is let go: it had better begin anew at the last key frame."""

Why = Literal["ended", "slow", "closed"]


@dataclass(frozen=True, slots=True)
class VideoHead:
    """How a stretch begins. codec: as browsers name it (RFC 6381); init: its initialization segment, ftyp and moov."""

    codec: str
    size_wh: tuple[int, int]
    init: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """moof and mdat of one picture or more.

    is_key      whoever has the head can begin here
    end_s       video time at which its last picture ends
    zero_at     epoch seconds of video time 0, as far as is known by now; None: not yet
    """

    content: bytes = field(repr=False)
    is_key: bool
    end_s: float
    zero_at: float | None


class VideoOutlet(Protocol):
    """Where video of one camera goes; called by one thread, which it never holds up.

    turn: 0 while nobody watches; another number whenever somebody does again after nobody did: whoever fills it begins
    anew then, at the last key frame that is held.
    """

    @property
    def turn(self) -> int:
        """See above."""
        ...

    def begin(self, head: VideoHead, group: Sequence[Fragment]) -> None:
        """A stretch begins, with what there is of it since its last key frame. It ends the one before."""
        ...

    def add(self, fragment: Fragment) -> None:
        """It goes on."""
        ...

    def end(self) -> None:
        """It is over; once more is harmless."""
        ...

    def refuse(self, why: str | None) -> None:
        """What the camera sends cannot be shown, and why; None: it can."""
        ...


class Viewing:
    """One viewer's queue. wake() is called whenever there is something to take, from any thread; it must not block."""

    def __init__(self, wake: Callable[[], None], now_s: Callable[[], float]) -> None:
        self._wake, self._now_s = wake, now_s
        self._lock = threading.Lock()
        self._waiting: deque[VideoHead | Fragment] = deque()
        self._bytes = 0
        self._since_s = 0.0  # how long the first of them has been waiting
        self.has_begun = False
        self.over: Why | None = None

    def put(self, *items: VideoHead | Fragment) -> bool:
        """More to see; false where the viewer is so far behind that it is let go."""
        with self._lock:
            if self.over:
                return False
            now_s = self._now_s()
            if self._waiting and (self._bytes > MOST_WAITING_BYTES or now_s - self._since_s > MOST_WAITING_S):
                self._end("slow")
            else:
                if not self._waiting:
                    self._since_s = now_s
                self._waiting.extend(items)
                self._bytes += sum(len(each.content) for each in items if isinstance(each, Fragment))
                self.has_begun = True
            let_go = self.over is not None
        self._wake()
        return not let_go

    def take(self) -> list[VideoHead | Fragment]:
        """What has come since, never waiting; whoever is over gets nothing more."""
        with self._lock:
            items = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return items

    def finish(self, why: Why) -> None:
        """Nothing more will come."""
        with self._lock:
            if self.over is None:
                self._end(why)
        self._wake()

    def _end(self, why: Why) -> None:
        self.over = why
        if why != "ended":  # the last pictures of a stretch are worth seeing
            self._waiting.clear()
            self._bytes = 0


class LiveVideo:
    """A VideoOutlet for any number of viewers, from any thread; what it holds is one group of pictures, while watched.

    A viewer begins with the last key frame. One that is too slow ends, and no other notices.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._viewers: list[Viewing] = []
        self._turns = 0
        self._head: VideoHead | None = None
        self._group: list[Fragment] = []
        self.cannot: str | None = None
        self.let_go = 0

    @property
    def turn(self) -> int:
        """See VideoOutlet."""
        return self._turns if self._viewers else 0

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers)

    def join(self, wake: Callable[[], None]) -> Viewing:
        """One viewer more. What there is since the last key frame is waiting for it already."""
        viewing = Viewing(wake, self._now_s)
        with self._lock:
            if not self._viewers:
                self._turns += 1
                self._head, self._group = None, []
            if self._head is not None and self._group:
                viewing.put(self._head, *self._group)
            self._viewers.append(viewing)
        return viewing

    def leave(self, viewing: Viewing) -> None:
        """It looks no longer; once more is harmless."""
        with self._lock:
            if viewing in self._viewers:
                self._viewers.remove(viewing)
            if not self._viewers:
                self._head, self._group = None, []

    def close(self) -> None:
        """The service ends: nobody should wait for pictures."""
        self._finish_all("closed")

    # --- VideoOutlet --------------------------------------------------------------------------------------------------

    def begin(self, head: VideoHead, group: Sequence[Fragment]) -> None:
        """A stretch begins."""
        self.end()
        with self._lock:
            self.cannot = None
            self._head, self._group = head, list(group)
            if group:
                self._tell(head, *group)

    def add(self, fragment: Fragment) -> None:
        """It goes on. What comes before its first key frame is of no use to anybody."""
        with self._lock:
            if self._head is None or not (self._group or fragment.is_key):
                return
            if fragment.is_key:
                self._group = []
            self._group.append(fragment)
            self._tell(fragment)

    def end(self) -> None:
        """It is over. Those who have seen nothing of it yet go on waiting."""
        with self._lock:
            self._head, self._group = None, []
            seen = [viewing for viewing in self._viewers if viewing.has_begun]
            self._viewers = [viewing for viewing in self._viewers if not viewing.has_begun]
        for viewing in seen:
            viewing.finish("ended")

    def refuse(self, why: str | None) -> None:
        """It cannot be shown, or can."""
        self.cannot = why
        if why is not None:
            self._finish_all("ended")

    def _tell(self, *items: VideoHead | Fragment) -> None:
        """With the lock. A viewer that has seen nothing of this stretch yet is given all there is of it."""
        whole: tuple[VideoHead | Fragment, ...] = items if self._head is None else (self._head, *self._group)
        stay = []
        for viewing in self._viewers:
            if viewing.put(*(items if viewing.has_begun else whole)):
                stay.append(viewing)
            elif viewing.over == "slow":
                self.let_go += 1
        self._viewers = stay

    def _finish_all(self, why: Why) -> None:
        with self._lock:
            viewers, self._viewers = self._viewers, []
            self._head, self._group = None, []
        for viewing in viewers:
            viewing.finish(why)
