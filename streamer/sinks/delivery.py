"""Delivery: the sink of the service. Alert changes become durable, then couriers carry them; frames go live.

    publish ─▶ outbox (committed) ─▶ courier ─▶ Redis stream of alerts
       │                         ├─▶ courier ─▶ webhook …
       │                         └─▶ courier ─▶ JSON lines
       └─▶ live feed (bounded, let go) ─▶ Redis stream of detections, hash of cameras

publish() costs a hand-over where a frame brings no change, and one commit where it does. No receiver can hold it up.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.errors import SinkUnavailable
from streamer.sinks.backoff import Backoff
from streamer.sinks.courier import Courier, Delivered, ReceiverStats
from streamer.sinks.live_feed import CameraStates, FeedStats, LiveFeed
from streamer.sinks.outbox import Outbox
from streamer.sinks.receivers import Receiver
from streamer.types import AlertChange, FrameResult, Handling
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.delivery")

_PRUNE_EVERY_S = 30.0
_CLOSE_WITHIN_S = 2.0
_OUTBOX_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """One reading of all books: changes stored in this run, those that were there before, each receiver, the feed."""

    stored: int
    repeated: int
    receivers: tuple[ReceiverStats, ...]
    feed: FeedStats | None
    outbox_trouble: str | None


class Delivery:
    """Implements stages.Sink over an outbox, its receivers and a live feed; owns them all, closes them all.

    on_delivered(receiver, rows): called on that receiver's thread for what it has taken. on_failure(): a thread died
    of a bug; `workers` holds the error. Where the outbox cannot be written (full disk), publish() waits and tries
    again for `patience_s`, which holds the cameras up, then raises SinkUnavailable: it never returns without a commit.
    """

    def __init__(
        self,
        outbox: Outbox,
        receivers: Sequence[Receiver],
        live_feed: LiveFeed | None,
        clock: Clock,
        *,
        on_failure: Callable[[], None] = lambda: None,
        on_delivered: Delivered | None = None,
        patience_s: float = _OUTBOX_PATIENCE_S,
    ) -> None:
        self.outbox, self._feed = outbox, live_feed
        self._on_failure, self._patience_s = on_failure, patience_s
        outbox.unregister_others([receiver.name for receiver in receivers])
        self._couriers = tuple(
            Courier(receiver, outbox, clock, on_failure=on_failure, on_delivered=on_delivered) for receiver in receivers
        )
        self._closing = threading.Event()
        self._pruner = Worker("outbox:prune", self._prune, on_failure)
        self._count_lock = threading.Lock()
        self._stored = 0
        self._outbox_trouble: str | None = None
        self._started = False

    def start(self) -> Delivery:
        """Start the threads; once. Before it changes are stored and wait."""
        self._started = True
        for courier in self._couriers:
            courier.start()
        if self._feed is not None:
            self._feed.start(self._on_failure)
        self._pruner.start()
        return self

    @property
    def is_stuck(self) -> bool:
        """Whether alert changes cannot be stored at this moment."""
        return self._outbox_trouble is not None

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Every thread, for those who report a dead one."""
        feed = (self._feed.worker,) if self._feed is not None and self._feed.worker is not None else ()
        return (*(courier.worker for courier in self._couriers), *feed, self._pruner)

    def publish(self, result: FrameResult) -> None:
        """Take a frame's result; its alert changes are durable on return. Raises SinkUnavailable, see above."""
        if result.changes:
            self._store(result.changes)
        if self._feed is not None:
            self._feed.offer(result)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Take changes that belong to no frame; durable on return. Raises SinkUnavailable."""
        if changes:
            self._store(changes)

    def handled(self, handling: Handling) -> None:
        """Take what a person did about an alert; durable on return. From any thread. Raises SinkUnavailable."""
        self._store([handling])

    def update_cameras(self, states: CameraStates) -> None:
        """How all cameras are now, for the hash of cameras; returns at once."""
        if self._feed is not None:
            self._feed.update_cameras(states)

    def stats(self) -> DeliveryStats:
        """A reading; raises SinkUnavailable where the outbox cannot be read."""
        return DeliveryStats(
            self._stored,
            self.outbox.repeated,
            tuple(courier.stats() for courier in self._couriers),
            None if self._feed is None else self._feed.stats(),
            self._outbox_trouble,
        )

    def close(self, within_s: float = _CLOSE_WITHIN_S) -> None:
        """Deliver what goes out at once, keep the rest in the outbox, release everything."""
        if self._closing.is_set():
            return
        self._closing.set()
        deadline = Deadline(within_s)
        if self._started:
            for courier in self._couriers:
                courier.stop()
            if self._feed is not None:
                self._feed.stop()
                if not self._feed.join(deadline):
                    _log.warning("the broker held the live feed until the end; its last frames are let go")
            for courier in self._couriers:
                if not courier.join(deadline):
                    _log.warning("%s held its courier until the end; the rest waits in the outbox", courier.worker.name)
            self._pruner.join(deadline)
        self.outbox.close()

    def _store(self, changes: Sequence[AlertChange | Handling]) -> None:
        backoff, patience = Backoff(), Deadline(self._patience_s)
        while True:
            try:
                new = self.outbox.append(changes)
                break
            except SinkUnavailable as error:
                if self._outbox_trouble is None:
                    _log.error("alert changes cannot be stored, the cameras wait: %s", error)
                self._outbox_trouble = str(error)
                if not patience.remaining() or self._closing.wait(min(backoff.next(), patience.remaining())):
                    raise
        self._outbox_trouble = None
        with self._count_lock:
            self._stored += new
        if new:
            for courier in self._couriers:
                courier.wake()

    def _prune(self) -> None:
        while not self._closing.wait(_PRUNE_EVERY_S):
            try:
                while self.outbox.prune() and not self._closing.is_set():
                    pass
            except SinkUnavailable as error:
                _log.warning("the outbox could not be pruned: %s", error)
