"""The subscriber for asyncio programs: the same as subscription.py, awaited.

async for received in asubscribe("redis://localhost:6379", group="pager"):
    await page(received.change)    # asking for the next one acknowledges this one
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from types import TracebackType
from typing import Any, TypeVar

import redis

from streamer import broker
from streamer.client.messages import Lag, Received, Start
from streamer.client.patience import Patience
from streamer.client.protocol import Reader, Steps
from streamer.client.subscription import reader
from streamer.errors import SinkUnavailable
from streamer.wire import Keys

T = TypeVar("T")


def asubscribe(
    url: str,
    group: str | None,
    consumer: str | None = None,
    *,
    kinds: Collection[str] | None = None,
    cameras: Collection[str] | None = None,
    start: Start = "new",
    keys: Keys | None = None,
    prefetch: int = 32,
    claim_idle_s: float = 60.0,
    max_attempts: int = 5,
    patience_s: float | None = None,
    verify_key: str | None = None,
) -> AsyncSubscription:
    """Alert changes as an asynchronous iterator; every argument as in subscribe()."""
    return AsyncSubscription(
        url,
        reader(
            group,
            consumer,
            kinds=kinds,
            cameras=cameras,
            start=start,
            keys=keys or broker.keys_for(url),
            prefetch=prefetch,
            claim_idle_s=claim_idle_s,
            max_attempts=max_attempts,
            verify_key=verify_key,
        ),
        patience_s=patience_s,
    )


class AsyncSubscription:
    """An asynchronous iterator of Received; for one task."""

    def __init__(self, url: str, reader: Reader, *, patience_s: float | None = None) -> None:
        self._url, self._reader = url, reader
        self._client = broker.connect_async(url)
        self._patience = Patience(patience_s)
        self._closed = asyncio.Event()
        self._current: Received | None = None

    def __aiter__(self) -> AsyncIterator[Received]:
        return self

    async def __anext__(self) -> Received:
        """The next change; acknowledges the one before it. Ends after close()."""
        while True:
            received = await self.receive()
            if received is not None:
                return received
            if self._closed.is_set():
                raise StopAsyncIteration

    async def receive(self) -> Received | None:
        """The next change, or None where none came in about a second; acknowledges the one before it."""
        if self._closed.is_set():
            return None
        try:
            await self.acknowledge()
            self._current = await self._drive(self._reader.next())
        except SinkUnavailable as error:
            await self._wait(self._patience.wait_s(error))
            return None
        self._patience.answered()
        return self._current

    async def acknowledge(self) -> None:
        """The current change was handled."""
        if self._current is not None:
            current, self._current = self._current, None
            await self._drive(self._reader.acknowledge(current))

    async def set_aside(self, why: str) -> None:
        """The current change cannot be handled: to the dead-letter stream with it."""
        if self._current is not None:
            current, self._current = self._current, None
            await self._drive(self._reader.set_aside(current, why))

    async def hold(self) -> None:
        """The current change takes long: keep others from taking it over."""
        if self._current is not None:
            await self._drive(self._reader.hold(self._current))

    async def lag(self) -> Lag:
        """How far behind this group is. Raises SinkUnavailable."""
        return await self._drive(self._reader.lag())

    def close(self) -> None:
        """End the iteration within about a second. What was not acknowledged comes again."""
        self._closed.set()

    async def __aenter__(self) -> AsyncSubscription:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()
        await self._client.aclose()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)

    async def _drive(self, steps: Steps[T]) -> T:
        try:
            call = next(steps)
            while True:
                try:
                    answer: Any = await getattr(self._client, call.method)(*call.args, **call.kwargs)
                except (redis.RedisError, OSError) as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        except (redis.RedisError, OSError) as error:
            self._reader.disconnected()
            raise broker.translate(error, self._url) from error
