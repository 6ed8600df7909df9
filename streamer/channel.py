"""A bounded hand-off between two threads that either end can close.

queue.Queue leaves a producer blocked for ever when its consumer has died; Python 3.13's Queue.shutdown() is the same
idea as close() here. When full, put() blocks: that is the back-pressure, and after the inbox nothing is dropped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """put() after close(): nobody will read this."""


class Channel(Generic[T]):
    """At most `capacity` items between producers and one consumer."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._open = True
        lock = threading.Lock()
        self._room = threading.Condition(lock)
        self._filled = threading.Condition(lock)

    def put(self, item: T) -> None:
        """Hand over one item; block while full. Raises ChannelClosed, also when closed while waiting."""
        with self._room:
            while self._open and len(self._items) >= self._capacity:
                self._room.wait()
            if not self._open:
                raise ChannelClosed
            self._items.append(item)
            self._filled.notify()

    def __iter__(self) -> Iterator[T]:
        """Yield until the channel is closed and empty."""
        while True:
            with self._filled:
                while self._open and not self._items:
                    self._filled.wait()
                if not self._items:
                    return
                item = self._items.popleft()
                self._room.notify()
            yield item

    def __len__(self) -> int:
        return len(self._items)

    def close(self) -> None:
        """No more puts; what is inside can still be read."""
        with self._room:
            self._open = False
            self._room.notify_all()
            self._filled.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whoever leaves, at either end, closes the door behind them."""
        self.close()
