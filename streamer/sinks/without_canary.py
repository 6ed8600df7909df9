"""A receiver that is for people: the canary's probes are taken from the outbox and told to nobody."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.sinks.outbox import StoredChange
from streamer.sinks.receivers import Memory, Receiver
from streamer.wire import CANARY_KIND


class WithoutCanary:
    """The receiver itself, which never sees a probe."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._passed: tuple[str, int, Memory] | None = None

    @property
    def name(self) -> str:
        """Of the receiver."""
        return self._receiver.name

    @property
    def longest_wait_s(self) -> float:
        """Of the receiver."""
        return self._receiver.longest_wait_s

    def remembers(self, line: str) -> Memory | None:
        """Of the receiver, and the probes behind that: else it would seem to have forgotten them."""
        memory = self._receiver.remembers(line)
        if memory is not None and self._passed is not None and self._passed[:2] == (line, memory.row):
            return self._passed[2]
        return memory

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        """What is left without probes; those between are taken with it."""
        told = [row for row in rows if row.kind != CANARY_KIND]
        if not told:
            self._pass_over(line, after_row, rows[-1])
            return len(rows)
        if told[0] is not rows[0]:  # first those in front: should the rest be refused, it stands first (receivers.py)
            front = rows.index(told[0])
            self._pass_over(line, after_row, rows[front - 1])
            return front
        rows = rows[: rows.index(told[-1]) + 1]  # probes behind the last come next, alone
        taken = self._receiver.deliver(line, after_row, told)
        return len(rows) if taken == len(told) else rows.index(told[taken])

    def _pass_over(self, line: str, after_row: int, last: StoredChange) -> None:
        known = self._passed[1] if self._passed and self._passed[2].row == after_row else after_row
        self._passed = (line, known, Memory(last.row, last.name))

    def close(self) -> None:
        """Of the receiver."""
        self._receiver.close()
