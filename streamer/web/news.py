"""What happens, told to everybody who has a console open: from any thread to any number of event streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

MOST_WAITING = 1000
"""A reader that is further behind has missed something: it is told so, and asks for the list again."""

Item = tuple[str, str]
"""The name of an event, and its JSON."""


class Subscriber:
    """One open event stream. Made and read on its event loop; others only put."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[Item] = deque()
        self._missed = False
        self._flagged = False
        self._news = asyncio.Event()

    def put(self, item: Item) -> None:
        """From any thread; never waits."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.clear()
                self._missed = True
            self._waiting.append(item)
            if self._flagged:  # waking the loop costs more than most news do
                return
            self._flagged = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(self._news.set)

    async def take(self, within_s: float) -> list[Item]:
        """What came; empty where nothing came in time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_s)
        self._news.clear()
        with self._lock:
            items, self._flagged = list(self._waiting), False
            self._waiting.clear()
            missed, self._missed = self._missed, False
        return [("missed", "{}"), *items] if missed else items


class News:
    """Tells all subscribers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: set[Subscriber] = set()
        self.closed = False

    def tell(self, event: str, body: Mapping[str, Any]) -> None:
        """To everybody who listens now; JSON is only made where somebody does."""
        with self._lock:
            subscribers = tuple(self._subscribers)
        if subscribers:
            item = event, json.dumps(body, separators=(",", ":"))
            for subscriber in subscribers:
                subscriber.put(item)

    def join(self) -> Subscriber:
        """A new listener, on the running event loop."""
        subscriber = Subscriber()
        with self._lock:
            self._subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """It listens no longer."""
        with self._lock:
            self._subscribers.discard(subscriber)

    def close(self) -> None:
        """Streams should end."""
        self.closed = True
        with self._lock:
            subscribers = tuple(self._subscribers)
        for subscriber in subscribers:
            subscriber.put(("bye", "{}"))
