"""What a subscriber receives, and what it remembers so that nothing is handled twice or missing unnoticed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from streamer.signature import FIELD, refuse_unsigned
from streamer.types import AlertChange
from streamer.wire import HANDLING_SCHEMA, decode_alert

Start = Literal["new", "all"] | str | datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Something is missing before this message.

    why 'seq'       changes first_seq to last_seq of this alert never came by here
        'trimmed'   the stream was trimmed before this group had read it: whole alerts may be missing
    """

    why: Literal["seq", "trimmed"]
    first_seq: int | None = None
    last_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One alert change. deliveries: how often this entry was handed out in the group, this time included."""

    change: AlertChange
    entry_id: str
    deliveries: int = 1
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind: entries that nobody was given yet, entries given and not acknowledged, seconds between
    the newest entry and the last one given out (0 where none waits)."""

    waiting: int
    pending: int
    behind_s: float


class Seen:
    """The bounded memory of one subscriber: which changes it has handled, and how far every alert has come."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._handled: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._last_seq: OrderedDict[str, int] = OrderedDict()

    def was_handled(self, change: AlertChange) -> bool:
        """Whether this change went through here already."""
        return (change.id, change.seq) in self._handled

    def handled(self, change: AlertChange) -> None:
        """It went through."""
        self._handled[change.id, change.seq] = None
        if len(self._handled) > self._most:
            self._handled.popitem(last=False)

    def arrives(self, change: AlertChange) -> Gap | None:
        """Note how far the alert has come; the gap before this change, if changes that should precede it never came.

        An alert that is met for the first time has no gap: it may have begun before this subscriber did.
        """
        last = self._last_seq.get(change.id)
        self._last_seq[change.id] = max(change.seq, last or 0)
        self._last_seq.move_to_end(change.id)
        if len(self._last_seq) > self._most:
            self._last_seq.popitem(last=False)
        if last is None or change.seq <= last + 1:
            return None
        return Gap("seq", last + 1, change.seq - 1)


def text(value: bytes | str) -> str:
    """Redis answers in bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def is_about_handling(fields: Mapping[bytes, bytes]) -> bool:
    """Whether an entry says what a person did about an alert: it is passed over, nothing is wrong with it."""
    return text(fields.get(b"schema", b"")) == HANDLING_SCHEMA


def read_fields(fields: Mapping[bytes, bytes], verify_key: str | None = None) -> AlertChange:
    """The change in a stream entry; with verify_key, of one that was signed by it. Raises ValueError."""
    data = fields.get(b"data")
    if data is None:
        raise ValueError("not an alert message: the entry has no field 'data'")
    if verify_key is not None:
        refuse_unsigned(verify_key, data, fields.get(FIELD.encode()))
    return decode_alert(data)


def start_id(start: Start, newest: str) -> str:
    """The entry id after which reading begins; newest: the last id that the stream has given out.

    'new' reads what comes from now on, 'all' the whole stream, an id what follows it, a datetime what came at that time
    or later (a naive one is local time). Raises ValueError for anything else.
    """
    if isinstance(start, datetime):
        millisecond = int(start.astimezone(UTC).timestamp() * 1000)
        return f"{millisecond - 1}-{2**64 - 1}" if millisecond > 0 else "0-0"
    if start == "new":
        return newest
    if start == "all":
        return "0-0"
    head, _, tail = start.partition("-")
    if head.isdigit() and (tail.isdigit() or not tail):
        return f"{head}-{tail or 0}"
    raise ValueError(
        f"{start!r} is no place in a stream; expected 'new', 'all', an entry id like 1700000000000-0 or a time"
    )


def order_of(entry_id: str) -> tuple[int, int]:
    """An entry id as numbers that compare."""
    head, _, tail = entry_id.partition("-")
    return int(head), int(tail or 0)
