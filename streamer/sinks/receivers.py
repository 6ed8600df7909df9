"""What a receiver of alert changes promises to the courier that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.errors import SinkUnavailable
from streamer.sinks.outbox import StoredChange


@dataclass(frozen=True, slots=True)
class Memory:
    """What a receiver remembers of one line: the last row that it took, and that row's `id:seq`; row 0 is nothing."""

    row: int
    name: str = ""


class ReceiverForgot(SinkUnavailable):
    """The receiver remembers less than it had confirmed (a broker that crashed): ask it, and go on from there."""


class Receiver(Protocol):
    """Takes alert changes in order; called from one courier's thread only."""

    @property
    def name(self) -> str:
        """Unique among receivers and stable over restarts: its mark in the outbox goes by it."""
        ...

    @property
    def longest_wait_s(self) -> float:
        """What the wait between two tries grows to while the receiver is away."""
        ...

    def remembers(self, line: str) -> Memory | None:
        """How far it was told on this line, by its own books; None where it keeps none and the outbox's mark counts.

        Raises SinkUnavailable.
        """
        ...

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        """Take rows in order; how many from the front it has taken (at least one), durably by its own standards.

        after_row: what it is believed to have taken before. Rows that it has already are skipped, not doubled.
        Raises SinkUnavailable (try again: everything), ReceiverForgot (ask remembers() again), or SinkRejected (the
        first of the rows will never be taken).
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
