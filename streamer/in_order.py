"""A bounded hand-off from several threads to one, who gets everything in the order of its numbers.

Calls of the model run beside each other and end in any order; analysis must see a camera's frames as they happened.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from streamer.channel import ChannelClosed

T = TypeVar("T")


class HeldBack(Generic[T]):
    """One producer's newest item, held back while there is more to do that should not be disturbed.

    Who is woken takes the interpreter's lock as soon as it is let go of, even for a moment, and keeps it for all of its
    own work. So items are handed over where this thread lets go of it for long anyway: when it waits, or while the net
    runs. What is held at the end is handed over too.
    """

    def __init__(self, to: InOrder[T]) -> None:
        self._to = to
        self._held: list[tuple[int, T]] = []

    def hold(self, number: int, item: T) -> None:
        """Take one item; the one before it has been handed over."""
        self._held.append((number, item))

    def hand_over(self) -> None:
        """Put what is held, as InOrder.put() does."""
        while self._held:
            self._to.put(*self._held.pop())

    def __len__(self) -> int:
        return len(self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand over, whatever happened since, unless nobody takes it any more."""
        with contextlib.suppress(ChannelClosed):
            self.hand_over()


class InOrder(Generic[T]):
    """Numbers 0, 1, 2 …, each put once by one of so many producers.

    At most `capacity` items beyond the one that is next wait; whoever has a later one waits outside.
    """

    def __init__(self, capacity: int, producers: int) -> None:
        self._items: dict[int, T] = {}
        self._next = 0
        self._capacity, self._producers = capacity, producers
        self._open = True
        self._changed = threading.Condition()

    def put(self, number: int, item: T) -> None:
        """Hand over one item; block while it is too far ahead. Raises ChannelClosed, also when closed while waiting."""
        with self._changed:
            while self._open and number >= self._next + self._capacity:
                self._changed.wait()
            if not self._open:
                raise ChannelClosed
            self._items[number] = item
            if number == self._next:
                self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Yield until closed, and what comes next was never put."""
        while True:
            with self._changed:
                while self._open and self._next not in self._items:
                    self._changed.wait()
                if self._next not in self._items:
                    return
                item = self._items.pop(self._next)
                self._next += 1
                self._changed.notify_all()
            yield item

    def leave(self) -> None:
        """One of the producers will put nothing more; the last one closes."""
        with self._changed:
            self._producers -= 1
            if self._producers <= 0:
                self.close()

    def close(self) -> None:
        """No more puts; what is inside and complete can still be read."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whoever fails closes the door behind them: a number of theirs will be missing."""
        if kind is None:
            self.leave()
        else:
            self.close()
