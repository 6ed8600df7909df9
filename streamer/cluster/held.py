"""The leases that this node holds: taken for cameras that come, renewed by one thread, missed when they are lost.

    placement says so ─▶ take() ─▶ analyse ─▶ … ─▶ leave() ─▶ the next node
                            └─ lease:renew, four times in the life of a lease; lost ─▶ on_lost(cameras)

A broker that is away loses nothing: the epochs stay what they are, and what is found waits in the outbox under them. It
is told when the broker is back, unless another node has taken the camera meanwhile; then on_lost says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.cluster.leases import LeaseStore, Refusal, Taken
from streamer.errors import SinkUnavailable
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.cluster")
_NEVER_HELD = -1
_CLOSE_WITHIN_S = 2.0
Reading = tuple[str, tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class HeldStats:
    """One reading: leases held, those that ran out because Redis could not be asked, those lost so far, the trouble."""

    held: int
    overdue: int
    lost: int
    trouble: str | None


class HeldLeases:
    """Every method may be called from any thread. take(), checkpoint() and leave() raise SinkUnavailable.

    on_lost(cameras): other nodes have taken these; to be stopped here. Called on the renewing thread, must not block.
    """

    def __init__(self, store: LeaseStore, clock: Clock, on_lost: Callable[[frozenset[str]], None]) -> None:
        self._store, self._clock, self._on_lost = store, clock, on_lost
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self._last: dict[str, int] = {}  # also of those that are lost: what is left of theirs is told under it
        self._good_until_s: dict[str, float] = {}
        self._lost = 0
        self._trouble: str | None = None
        self._stopping = threading.Event()
        self._worker: Worker | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to renew; once. on_failure: the thread died of a bug; `workers` holds the error."""
        self._worker = Worker("lease:renew", self._run, on_failure)
        self._worker.start()

    def close(self, within_s: float = _CLOSE_WITHIN_S) -> None:
        """Renew no more. What is still held runs out: leave() first where it should be free at once."""
        self._stopping.set()
        if self._worker is not None and not self._worker.join(Deadline(within_s)):
            _log.warning("the broker held %s until the end", self._worker.name)
        self._store.close()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its thread, for those who report a dead one."""
        return () if self._worker is None else (self._worker,)

    @property
    def cameras(self) -> frozenset[str]:
        """Those that are held now."""
        with self._lock:
            return frozenset(self._held)

    def epoch_of(self, camera: str) -> int:
        """fencing.EpochOf: the epoch of a camera that is held, or was last."""
        with self._lock:
            return self._last.get(camera, _NEVER_HELD)

    def take(self, cameras: Iterable[str], *, by_force: bool = False) -> dict[str, Taken | Refusal]:
        """Take leases, and hold them from now on; see LeaseStore.take."""
        asked_s = self._clock.monotonic()
        answers = self._store.take(cameras, by_force=by_force)
        with self._lock:
            for camera, answer in answers.items():
                if isinstance(answer, Taken):
                    self._held[camera] = self._last[camera] = answer.epoch
                    self._good_until_s[camera] = asked_s + self._store.ttl_s
        return answers

    def checkpoint(self, handovers: Mapping[str, str]) -> None:
        """Leave behind what the next owner would need if this node died now; of cameras that are held."""
        held = self._chosen(handovers)
        self._miss(self._store.write(held, handovers, give_back=False))

    def leave(self, handovers: Mapping[str, str]) -> frozenset[str]:
        """Give cameras back with what their next owner needs to know, in one step each; which were lost already.

        Nothing of theirs may wait in the outbox any more: what is published after this is refused.
        """
        held = self._chosen(handovers)
        lost = self._store.write(held, handovers, give_back=True)
        with self._lock:
            for camera in held:
                self._held.pop(camera, None)
                self._good_until_s.pop(camera, None)
            self._lost += len(lost)
        return lost

    def stats(self) -> HeldStats:
        """A reading."""
        now_s = self._clock.monotonic()
        with self._lock:
            overdue = sum(until_s < now_s for until_s in self._good_until_s.values())
            return HeldStats(len(self._held), overdue, self._lost, self._trouble)

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        stats = self.stats()
        yield "streamer_leases", ("held",), float(stats.held)
        yield "streamer_leases", ("overdue",), float(stats.overdue)
        yield "streamer_leases_lost_total", (), float(stats.lost)

    def renew(self) -> None:
        """Renew all, once, as the thread does."""
        with self._lock:
            held = dict(self._held)
        asked_s = self._clock.monotonic()
        try:
            lost = self._store.renew(held) if held else frozenset()
        except SinkUnavailable as error:
            if self._trouble is None:
                _log.warning("leases cannot be renewed, the cameras are watched as before: %s", error)
            self._trouble = str(error)
            return
        if self._trouble is not None:
            _log.info("leases are renewed again")
            self._trouble = None
        with self._lock:
            for camera in held.keys() - lost:
                if camera in self._held:
                    self._good_until_s[camera] = asked_s + self._store.ttl_s
        # A camera that was taken anew between asking and answering is not lost.
        self._miss(frozenset(camera for camera in lost if self._held.get(camera) == held[camera]))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.wait(self._store.ttl_s / 4):
            self.renew()

    def _chosen(self, handovers: Mapping[str, str]) -> dict[str, int]:
        with self._lock:
            return {camera: self._held[camera] for camera in handovers if camera in self._held}

    def _miss(self, lost: frozenset[str]) -> None:
        if not lost:
            return
        with self._lock:
            for camera in lost:
                self._held.pop(camera, None)
                self._good_until_s.pop(camera, None)
            self._lost += len(lost)
        for camera in sorted(lost):
            _log.warning(
                "camera %r was taken by another node while this one could not be heard; it is stopped here",
                camera,
                extra={"camera": camera, "event": "lease_lost"},
            )
        self._on_lost(lost)
