"""Ways to inference nodes: what one promises, and those that are open, which change while questions are asked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from streamer.apart.answer import Answer
from streamer.apart.question import Question
from streamer.errors import StreamerError


class DoorGone(StreamerError):
    """Nobody is behind it any more: another one may be asked the same."""


class DoorSilent(StreamerError):
    """No answer came in time; nobody knows whether there is anybody."""


class Door(Protocol):
    """The way to one inference node."""

    @property
    def name(self) -> str:
        """The node's; no two doors that are open have the same."""
        ...

    def ask(self, question: Question, within_s: float) -> Answer:
        """Wait for the answer, at most so long. From any thread, several at a time. Raises DoorGone, DoorSilent."""
        ...


class Doors:
    """Those that are open now. Every method from any thread.

    why_none: what to tell people while there is none.
    """

    def __init__(self, doors: Sequence[Door] = (), why_none: str = "no inference node has been found yet") -> None:
        self._doors, self._why_none = tuple(doors), why_none
        self._changed = threading.Condition()
        self._closed = False

    def open(self) -> tuple[Door, ...]:
        """All of them."""
        return self._doors

    @property
    def why_none(self) -> str:
        """A sentence."""
        return self._why_none

    def become(self, doors: Sequence[Door], why_none: str = "no inference node answers") -> None:
        """From now on it is these."""
        with self._changed:
            self._doors, self._why_none = tuple(doors), why_none
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether there will be none any more."""
        return self._closed

    def wait_for_change(self, known: Sequence[Door], within_s: float) -> None:
        """Until others are open than those known, at most so long."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._doors != tuple(known), within_s)

    def close(self) -> None:
        """Nobody needs them any more; who waits is woken."""
        with self._changed:
            self._doors, self._closed, self._why_none = (), True, "the service is ending"
            self._changed.notify_all()
