"""The subscriber for ordinary, blocking programs.

    for received in subscribe("redis://localhost:6379", group="pager"):
        page(received.change)          # asking for the next one acknowledges this one

A change is acknowledged when the loop asks for the next: a handler that raises ends the loop, and the change comes
again at the next start. A broker that goes away is waited for; one that comes back empty is joined anew.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Any, TypeVar

import redis

from streamer import broker
from streamer.client.messages import Lag, Received, Start, start_id
from streamer.client.patience import Patience
from streamer.client.protocol import GroupReader, LookOn, Reader, Steps, Wanted
from streamer.errors import SinkUnavailable
from streamer.types import AlertChange
from streamer.wire import Keys

_log = logging.getLogger("streamer.client")
T = TypeVar("T")

_BLOCK_S = 1.0


def reader(
    group: str | None,
    consumer: str | None,
    *,
    kinds: Collection[str] | None,
    cameras: Collection[str] | None,
    start: Start,
    keys: Keys | None,
    prefetch: int,
    claim_idle_s: float,
    max_attempts: int,
    verify_key: str | None = None,
) -> Reader:
    """The protocol for these wishes: a group's, or one that only looks on."""
    start_id(start, "0-0")  # refuse nonsense now, not at the first message
    wanted, keys = Wanted(kinds, cameras, verify_key), keys or Keys()
    if group is None:
        return LookOn(keys, start, wanted, prefetch=prefetch, block_s=_BLOCK_S)
    return GroupReader(
        keys,
        group,
        consumer or socket.gethostname(),
        start,
        wanted,
        prefetch=prefetch,
        block_s=_BLOCK_S,
        claim_idle_s=claim_idle_s,
        max_attempts=max_attempts,
    )


def subscribe(
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
) -> Subscription:
    """Alert changes, one after the other, as an iterator that never ends.

    group         who shares the work: each change goes to one consumer of a group, and every group sees all. None: look
                  on without a group; nothing is acknowledged
    consumer      this one's name in the group, the same after a restart so that it takes up what it left; the host's
                  name if not given: name them yourself where several run on one host
    start         where a group that does not exist yet begins: 'new', 'all', an entry id (what follows it), or a time
    claim_idle_s  what another consumer has held longer is taken over; longer than the slowest handler takes
    max_attempts  deliveries without acknowledgement after which a change goes to the dead-letter stream
    verify_key    redis.signing_key of the service: what is not signed with it is no alert. A group puts it with the
                  dead letters, who looks on passes it over
    patience_s    how long a broker that is away is waited for before SinkUnavailable is raised; None is for ever

    Raises ConfigError for an address that is none, ValueError for a start that is none.
    """
    return Subscription(
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


class Subscription:
    """An iterator of Received; for one thread, except close(), which any thread may call."""

    def __init__(self, url: str, reader: Reader, *, patience_s: float | None = None) -> None:
        self._url, self._reader = url, reader
        self._client = broker.connect(url)
        self._patience = Patience(patience_s)
        self._closed = threading.Event()
        self._current: Received | None = None

    def __iter__(self) -> Iterator[Received]:
        return self

    def __next__(self) -> Received:
        """The next change; acknowledges the one before it. Ends after close()."""
        while True:
            received = self.receive()
            if received is not None:
                return received
            if self._closed.is_set():
                raise StopIteration

    def receive(self) -> Received | None:
        """The next change, or None where none came in about a second; acknowledges the one before it."""
        if self._closed.is_set():
            return None
        try:
            self.acknowledge()
            self._current = self._drive(self._reader.next())
        except SinkUnavailable as error:
            self._closed.wait(self._patience.wait_s(error))
            return None
        self._patience.answered()
        return self._current

    def acknowledge(self) -> None:
        """The current change was handled: do not wait with saying so until the next is asked for."""
        if self._current is not None:
            current, self._current = self._current, None
            self._drive(self._reader.acknowledge(current))

    def set_aside(self, why: str) -> None:
        """The current change cannot be handled: to the dead-letter stream with it."""
        if self._current is not None:
            current, self._current = self._current, None
            self._drive(self._reader.set_aside(current, why))

    def hold(self) -> None:
        """The current change takes long: keep others from taking it over."""
        if self._current is not None:
            self._drive(self._reader.hold(self._current))

    def pause(self, seconds: float) -> bool:
        """Wait while keeping hold of the current change; true where the subscription was closed meanwhile."""
        try:
            self.hold()
        except SinkUnavailable as error:
            _log.warning("could not keep hold of a change: %s", error)
        return self._closed.wait(seconds)

    def lag(self) -> Lag:
        """How far behind this group is. Raises SinkUnavailable."""
        return self._drive(self._reader.lag())

    def close(self) -> None:
        """End the iteration within about a second. What was not acknowledged comes again."""
        self._closed.set()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        self._client.close()

    def _drive(self, steps: Steps[T]) -> T:
        try:
            call = next(steps)
            while True:
                try:
                    answer: Any = getattr(self._client, call.method)(*call.args, **call.kwargs)
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


def run(
    subscription: Subscription,
    handler: Callable[[AlertChange], None],
    *,
    attempts: int = 3,
    wait_s: float = 0.5,
) -> None:
    """Give every change to the handler until the subscription is closed.

    A handler that raises is tried again with the same change, `attempts` times in all with growing waits, so that the
    order of an alert's changes stays; then the change goes to the dead-letter stream and the next one comes.
    """
    for received in subscription:
        for attempt in range(1, attempts + 1):
            try:
                handler(received.change)
                break
            except Exception as error:  # noqa: BLE001 - the handler is somebody else's code, and may raise anything
                _log.warning("handler failed on alert %s (%d of %d): %r", received.change.id, attempt, attempts, error)
                if attempt == attempts:
                    _leave(subscription, f"handler failed {attempts} times: {error!r}")
                elif subscription.pause(wait_s * 2 ** (attempt - 1)):
                    return


def _leave(subscription: Subscription, why: str) -> None:
    try:
        subscription.set_aside(why)
    except SinkUnavailable as error:
        _log.warning("a change that cannot be handled could not be set aside, it will come again: %s", error)
