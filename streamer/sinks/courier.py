"""The courier of one receiver: a thread that carries alert changes from the outbox to it, in order, until it has them.

It asks the receiver what it remembers when it starts, after every trouble, and about once a second while there is
nothing to do: so a broker that came back having forgotten is told again without waiting for the next alert.
Nothing a receiver does slows another one or the cameras down.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.errors import SinkRejected, SinkUnavailable
from streamer.sinks.backoff import Backoff
from streamer.sinks.fencing import FENCED, Referee
from streamer.sinks.outbox import Outbox, StoredChange
from streamer.sinks.receivers import Receiver
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.delivery")

Delivered = Callable[[str, Sequence[StoredChange]], None]


@dataclass(frozen=True, slots=True)
class ReceiverStats:
    """One reading of a receiver's books. `trouble` is the sentence why nothing goes through now, None while it does."""

    name: str
    delivered: int
    failed: int
    rejected: int
    told_again: int
    depth: int
    oldest_pending_age_s: float
    trouble: str | None
    fenced: int = 0


class Courier:
    """Serves one receiver from the outbox.

    on_delivered is called on this thread with the receiver's name and the rows that it has taken; on_failure once, if
    the thread dies of a bug. probe_s: how often an idle receiver is asked what it remembers.
    """

    def __init__(
        self,
        receiver: Receiver,
        outbox: Outbox,
        clock: Clock,
        *,
        on_failure: Callable[[], None],
        on_delivered: Delivered | None = None,
        batch: int = 200,
        probe_s: float = 1.0,
    ) -> None:
        self._receiver, self._outbox, self._clock = receiver, outbox, clock
        self._on_delivered, self._batch, self._probe_s = on_delivered, batch, probe_s
        self._backoff = Backoff(cap_s=receiver.longest_wait_s)
        self._changed = threading.Condition()
        self._news = self._stopping = False
        self._line, self._confirmed, self._agreed = "", 0, False
        self._said = (0, 0)  # the last loss of memory that was logged: an idle receiver is asked every second
        self._delivered = self._failed = self._rejected = self._told_again = self._fenced = 0
        self._trouble: str | None = None
        self.worker = Worker(f"deliver:{receiver.name}", self._carry, on_failure)
        outbox.register(receiver.name)

    def start(self) -> None:
        """Begin; once."""
        self.worker.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Carry what is pending while all goes well, then end; end at once where the receiver is away."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end; false where a receiver holds the thread longer. The rest stays in the outbox either way."""
        return self.worker.join(deadline)

    def stats(self) -> ReceiverStats:
        """A reading; raises SinkUnavailable where the outbox cannot be read."""
        name = self._receiver.name
        oldest_at = self._outbox.oldest_pending_at(name)
        return ReceiverStats(
            name,
            self._delivered,
            self._failed,
            self._rejected,
            self._told_again,
            self._outbox.depth(name),
            0.0 if oldest_at is None else max(0.0, self._clock.now() - oldest_at),
            self._trouble,
            self._fenced,
        )

    # --- on the courier's thread --------------------------------------------------------------------------------------

    def _carry(self) -> None:
        try:
            while True:
                last_look = self._stopping  # read first: what was appended before stop() is still carried
                try:
                    moved = self._deliver_some()
                except SinkUnavailable as error:
                    self._note(error)
                    if self._pause(self._backoff.next()):
                        return
                else:
                    self._note(None)
                    if not moved:
                        if last_look:
                            return
                        self._idle()
        finally:
            self._receiver.close()

    def _deliver_some(self) -> bool:
        """One batch; false where there was none."""
        name = self._receiver.name
        if not self._agreed:
            self._agree()
        rows = self._outbox.pending(name, self._batch)
        if not rows:
            return False
        try:
            taken = rows[: self._receiver.deliver(self._line, self._confirmed, rows)]
        except SinkRejected:
            taken = self._deliver_one(rows[0])
        if taken:
            self._confirmed = taken[-1].row
            fenced = self._note_fenced()
            self._outbox.delivered(name, self._confirmed)
            told = [row for row in taken if row.row not in fenced] if fenced else taken
            self._delivered += len(told)
            if self._on_delivered and told:
                self._on_delivered(name, told)
        return True

    def _note_fenced(self) -> frozenset[int]:
        """Set aside what the receiver has taken and told to nobody; before the mark moves, or a crash would hide it."""
        if not isinstance(self._receiver, Referee) or not (rows := self._receiver.fenced()):
            return frozenset()
        for camera, n in Counter(row.camera for row in self._outbox.fenced(rows, FENCED)).items():
            self._fenced += n
            _log.warning(
                "%d alert changes of camera %r are told to nobody: it moved to another node, which speaks for it now; "
                "they are kept in the outbox as fenced",
                *(n, camera),
                extra={"camera": camera, "event": "fenced"},
            )
        return frozenset(rows)

    def _deliver_one(self, row: StoredChange) -> list[StoredChange]:
        """One of the rows was refused for good: the first alone, so that no other suffers for it."""
        try:
            self._receiver.deliver(self._line, self._confirmed, [row])
        except SinkRejected as error:
            self._outbox.set_aside(self._receiver.name, row, str(error))
            self._rejected += 1
            _log.error("alert %s was refused by %s and set aside: %s", row.name, self._receiver.name, error)
            return []
        return [row]

    def _agree(self) -> None:
        """Settle with the receiver how far it has come. Its own memory wins over the mark in the outbox."""
        name = self._receiver.name
        self._line = self._outbox.line(name)
        memory = self._receiver.remembers(self._line)
        self._note_fenced()
        if memory is not None and memory.row and self._outbox.holds(memory.row, memory.name) is False:
            _log.error(
                "%s remembers row %d of the outbox as %s, which this file does not hold: it is older than what was "
                "delivered from it (a restored backup?); beginning a new line",
                *(name, memory.row, memory.name),
            )
            self._line = self._outbox.new_line(name)
            memory = self._receiver.remembers(self._line)
        if memory is None:
            self._confirmed = self._outbox.mark(name)
        else:
            self._go_back_or_on(name, memory.row)
        self._agreed = True

    def _go_back_or_on(self, name: str, remembered: int) -> None:
        believed = self._outbox.mark(name)
        self._confirmed = remembered
        rewound = self._outbox.rewind(name, remembered)
        if not rewound.again:
            self._outbox.delivered(name, remembered)
        if remembered < believed and (remembered, believed) != self._said:
            self._said = (remembered, believed)
            self._told_again += rewound.again
            _log.warning(
                "%s knows nothing after row %d and had confirmed %d: %d changes are sent again, %d are no longer kept",
                *(name, remembered, believed, rewound.again, rewound.no_longer_kept),
            )

    def _note(self, error: SinkUnavailable | None) -> None:
        if error is None:
            if self._trouble is not None:
                _log.info("%s takes alerts again", self._receiver.name)
                self._trouble = None
                self._backoff.reset()
            return
        self._agreed = False
        self._failed += 1
        if self._trouble != str(error):
            _log.warning("alerts wait for %s: %s", self._receiver.name, error)
        self._trouble = str(error)

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try, whatever is new in the outbox; true where it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)
            return self._stopping

    def _idle(self) -> None:
        """Wait for news, the next probe, or the end."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._news or self._stopping, self._probe_s):
                self._agreed = False
            self._news = False
