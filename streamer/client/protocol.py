"""How a subscriber talks to Redis, without the talking: generators that yield calls and are sent the answers.

The sync and the async subscription drive the same generators, so that there is one protocol to get right. A call is a
method of redis-py's client with its arguments; an error of the call is thrown into the generator.

GroupReader reads as one consumer of a group. The order in which it looks: what this consumer was given before and never
acknowledged (it crashed, or an answer was lost), then what a dead consumer holds, then what is new. Entries that are
read again are read one by one: Redis counts every delivery, and an entry must not be taken for poison because it was
fetched, untouched, together with one that is.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from streamer.client.messages import (
    Gap,
    Lag,
    Received,
    Seen,
    Start,
    is_about_handling,
    order_of,
    read_fields,
    start_id,
    text,
)
from streamer.types import AlertChange
from streamer.wire import CANARY_KIND, Keys

T = TypeVar("T")
_TRIM_CHECK_EVERY_S = 5.0
_DEAD_LETTERS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Redis client."""

    method: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


Steps = Generator[Call, Any, T]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscriber wants to see; None is everything but the canary, which is asked for by its kind.

    verify_key: only what was signed with it; else is unreadable.
    """

    kinds: Collection[str] | None = None
    cameras: Collection[str] | None = None
    verify_key: str | None = None

    def __contains__(self, change: AlertChange) -> bool:
        kinds = self.kinds
        return (change.kind != CANARY_KIND if kinds is None else change.kind in kinds) and (
            self.cameras is None or change.camera in self.cameras
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    id: str
    fields: dict[bytes, bytes]
    deliveries: int


class LookOn:
    """Reads the stream without a group: nothing is acknowledged, nobody else notices."""

    def __init__(self, keys: Keys, start: Start, wanted: Wanted, *, prefetch: int, block_s: float) -> None:
        self._stream, self._start, self._wanted = keys.alerts, start, wanted
        self._prefetch, self._block_ms = prefetch, int(block_s * 1000)
        self._buffer: deque[_Entry] = deque()
        self._seen = Seen()
        self._at: str | None = None
        self._settled = False

    def disconnected(self) -> None:
        """The connection was lost: the server behind it may be another, or an emptied one."""
        self._settled = False

    def next(self) -> Steps[Received | None]:
        """The next change, or None where none came in a while."""
        while True:
            if not self._settled:
                newest = yield from _newest(self._stream)
                if self._at is None:
                    self._at = start_id(self._start, newest)
                elif order_of(newest) < order_of(self._at):
                    self._at = "0-0"
                self._settled = True
            if not self._buffer:
                assert self._at is not None
                answer = yield Call(
                    "xread", ({self._stream: self._at},), {"count": self._prefetch, "block": self._block_ms}
                )
                self._buffer.extend(_entries(answer))
                if not self._buffer:
                    return None
            entry = self._buffer.popleft()
            self._at = entry.id
            try:
                change = read_fields(entry.fields, self._wanted.verify_key)
            except ValueError:
                continue  # somebody else's entry: whoever looks on leaves it alone
            if change in self._wanted and not self._seen.was_handled(change):
                self._seen.handled(change)
                return Received(change, entry.id, 1, self._seen.arrives(change))

    def acknowledge(self, received: Received) -> Steps[None]:  # noqa: ARG002 - no group, no books
        """Nothing to do."""
        yield from ()

    def set_aside(self, received: Received, why: str) -> Steps[None]:  # noqa: ARG002
        """Nothing to do."""
        yield from ()

    def hold(self, received: Received) -> Steps[None]:  # noqa: ARG002
        """Nothing to do."""
        yield from ()

    def lag(self) -> Steps[Lag]:
        """How far behind the newest entry this reader is."""
        newest = yield from _newest(self._stream)
        at = self._at or start_id(self._start, newest)
        waiting = yield from _count_after(self._stream, at)
        return Lag(waiting, 0, _behind_s(newest, at) if waiting else 0.0)


class GroupReader:
    """One consumer of a group.

    claim_idle_s    what another consumer has held longer than this without acknowledging is taken over: must be longer
                    than the slowest handler
    max_attempts    deliveries after which an entry goes to the dead-letter stream instead
    """

    def __init__(
        self,
        keys: Keys,
        group: str,
        consumer: str,
        start: Start,
        wanted: Wanted,
        *,
        prefetch: int,
        block_s: float,
        claim_idle_s: float,
        max_attempts: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._dead, self._group, self._consumer = keys.alerts, keys.dead_letters(group), group, consumer
        self._start, self._wanted = start, wanted
        self._prefetch, self._block_ms = prefetch, int(block_s * 1000)
        self._claim_idle_s, self._max_attempts, self._monotonic = claim_idle_s, max_attempts, monotonic
        self._seen = Seen()
        self._buffer: deque[_Entry] = deque()
        self._buffered_at_s = 0.0
        self._history_at: str | None = "0"  # None: nothing of our own is left to be read again
        self._claim_next_s = self._trim_next_s = 0.0
        self._last_id: str | None = None  # where we are in the stream, should the group vanish
        self._joined = self._trimmed = False
        self.duplicates = 0
        self.dead_letters = 0

    def disconnected(self) -> None:
        """The connection was lost: look again whether the group is there, and what an answer that was lost gave us."""
        self._joined = False
        self._read_history_again()

    def next(self) -> Steps[Received | None]:
        """The next change to handle, or None where none came in a while."""
        while True:
            if not self._joined:
                yield from self._join()
            if self._buffer and self._monotonic() - self._buffered_at_s > self._claim_idle_s / 2:
                self._read_history_again()  # the handler is slow: others may soon take what lies here; renew our hold
            if not self._buffer:
                try:
                    yield from self._fill()
                except ResponseError as error:
                    if not str(error).startswith("NOGROUP"):
                        raise
                    self.disconnected()
                    continue
                if not self._buffer:
                    return None
            received = yield from self._judge(self._buffer.popleft())
            if received is not None:
                return received

    def acknowledge(self, received: Received) -> Steps[None]:
        """It was handled: it never comes again."""
        self._seen.handled(received.change)
        yield from self._ack(received.entry_id)

    def hold(self, received: Received) -> Steps[None]:
        """It is still being worked on: nobody should take it over."""
        yield Call("xclaim", (self._stream, self._group, self._consumer, 0, [received.entry_id]), {"justid": True})

    def set_aside(self, received: Received, why: str) -> Steps[None]:
        """It cannot be handled: to the dead-letter stream, with the reason."""
        found = yield Call("xrange", (self._stream, received.entry_id, received.entry_id))
        fields = dict(found[0][1]) if found else {}
        yield from self._bury(_Entry(received.entry_id, fields, received.deliveries), why)
        self._seen.handled(received.change)

    def lag(self) -> Steps[Lag]:
        """How far the group is behind."""
        newest = yield from _newest(self._stream)
        for info in (yield from _groups(self._stream)):
            if text(info["name"]) == self._group:
                last = text(info["last-delivered-id"])
                waiting = info.get("lag")  # Redis ≥ 7, and None where it cannot tell
                if waiting is None:
                    waiting = yield from _count_after(self._stream, last)
                return Lag(int(waiting), int(info["pending"]), _behind_s(newest, last) if waiting else 0.0)
        return Lag(0, 0, 0.0)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _join(self) -> Steps[None]:
        newest = yield from _newest(self._stream)
        known = {text(info["name"]) for info in (yield from _groups(self._stream))}
        if self._group not in known:
            if self._last_id is None:
                begin = start_id(self._start, newest)
            else:
                # The group is gone: Redis came back empty or older. Entries after our place are new to us; where the
                # whole stream is behind our place, all of it is, and what we have handled is dropped as it comes.
                begin = self._last_id if order_of(newest) >= order_of(self._last_id) else "0-0"
            try:
                yield Call("xgroup_create", (self._stream, self._group), {"id": begin, "mkstream": True})
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
            if self._last_id is None:
                self._last_id = begin
        elif self._last_id is None:
            self._last_id = "0-0"
        self._joined = True

    def _fill(self) -> Steps[None]:
        self._buffered_at_s = self._monotonic()
        if self._history_at is not None:
            yield from self._fill_from_history(self._history_at)
            if self._buffer:
                return
        if self._monotonic() >= self._claim_next_s:
            yield from self._claim_from_the_dead()
            if self._buffer:
                return
            self._claim_next_s = self._monotonic() + self._claim_idle_s / 2
        if self._monotonic() >= self._trim_next_s:
            yield from self._look_for_trimming()
            self._trim_next_s = self._monotonic() + _TRIM_CHECK_EVERY_S
        answer = yield Call(
            "xreadgroup",
            (self._group, self._consumer, {self._stream: ">"}),
            {"count": self._prefetch, "block": self._block_ms},
        )
        self._buffered_at_s = self._monotonic()
        self._buffer.extend(_entries(answer))
        if self._buffer:
            self._last_id = self._buffer[-1].id

    def _fill_from_history(self, after: str) -> Steps[None]:
        answer = yield Call("xreadgroup", (self._group, self._consumer, {self._stream: after}), {"count": 1})
        again = _entries(answer)
        self._history_at = again[0].id if again else None
        yield from self._buffer_again(again)

    def _claim_from_the_dead(self) -> Steps[None]:
        answer = yield Call(
            "xautoclaim",
            (self._stream, self._group, self._consumer, int(self._claim_idle_s * 1000)),
            {"start_id": "0-0", "count": 1},
        )
        yield from self._buffer_again([_entry(*pair) for pair in answer[1] if pair and pair[0] is not None])

    def _buffer_again(self, entries: list[_Entry]) -> Steps[None]:
        for entry in entries:
            pending = yield Call(
                "xpending_range", (self._stream, self._group), {"min": entry.id, "max": entry.id, "count": 1}
            )
            deliveries = int(pending[0]["times_delivered"]) if pending else 1
            self._buffer.append(_Entry(entry.id, entry.fields, deliveries))

    def _look_for_trimming(self) -> Steps[None]:
        info = yield from _stream_info(self._stream)
        deleted = info.get("max-deleted-entry-id") if info else None  # Redis ≥ 7
        if deleted is None:
            return
        for group in (yield from _groups(self._stream)):
            if text(group["name"]) == self._group:
                self._trimmed |= order_of(text(deleted)) > order_of(text(group["last-delivered-id"]))

    def _judge(self, entry: _Entry) -> Steps[Received | None]:
        """What to hand out of an entry; None where there is nothing to handle, and the entry is done with."""
        if not entry.fields:  # trimmed away while it was ours and not acknowledged
            self._trimmed = True
            yield from self._ack(entry.id)
            return None
        if is_about_handling(entry.fields):
            yield from self._ack(entry.id)
            return None
        try:
            change = read_fields(entry.fields, self._wanted.verify_key)
        except ValueError as error:
            yield from self._bury(entry, str(error))
            return None
        if self._seen.was_handled(change):
            self.duplicates += 1
            yield from self._ack(entry.id)
            return None
        if change not in self._wanted:
            yield from self._ack(entry.id)
            return None
        gap = self._seen.arrives(change)
        if entry.deliveries > self._max_attempts:
            yield from self._bury(entry, f"not acknowledged after {entry.deliveries - 1} deliveries")
            self._seen.handled(change)
            return None
        if self._trimmed:
            gap, self._trimmed = gap or Gap("trimmed"), False
        return Received(change, entry.id, entry.deliveries, gap)

    def _ack(self, entry_id: str) -> Steps[None]:
        yield Call("xack", (self._stream, self._group, entry_id))

    def _bury(self, entry: _Entry, why: str) -> Steps[None]:
        # First the copy, then the acknowledgement: a crash between them leaves two letters, never none.
        letter: dict[Any, Any] = {**entry.fields, "entry": entry.id, "why": why, "deliveries": entry.deliveries}
        yield Call("xadd", (self._dead, letter), {"maxlen": _DEAD_LETTERS_KEPT, "approximate": True})
        yield from self._ack(entry.id)
        self.dead_letters += 1

    def _read_history_again(self) -> None:
        self._buffer.clear()
        self._history_at = "0"


Reader = LookOn | GroupReader


def _entry(entry_id: bytes | str, fields: dict[bytes, bytes] | None) -> _Entry:
    return _Entry(text(entry_id), fields or {}, 1)


def _entries(answer: Any) -> list[_Entry]:
    return [_entry(*pair) for _, pairs in (answer or ()) for pair in pairs]


def _stream_info(stream: str) -> Steps[dict[str, Any] | None]:
    try:
        info = yield Call("xinfo_stream", (stream,))
    except ResponseError as error:
        if "no such key" in str(error):
            return None
        raise
    return dict(info)


def _newest(stream: str) -> Steps[str]:
    info = yield from _stream_info(stream)
    return "0-0" if info is None else text(info["last-generated-id"])


def _groups(stream: str) -> Steps[list[dict[str, Any]]]:
    try:
        groups = yield Call("xinfo_groups", (stream,))
    except ResponseError as error:
        if "no such key" in str(error):
            return []
        raise
    return list(groups)


def _count_after(stream: str, entry_id: str) -> Steps[int]:
    count = 0
    while True:
        page = yield Call("xrange", (stream,), {"min": f"({entry_id}", "max": "+", "count": 1000})
        count += len(page)
        if len(page) < 1000:
            return count
        entry_id = text(page[-1][0])


def _behind_s(newest: str, at: str) -> float:
    return max(0, order_of(newest)[0] - order_of(at)[0]) / 1000
