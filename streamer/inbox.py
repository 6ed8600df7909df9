"""Where frames wait for the model: the only place of the house where a frame is dropped after it was decoded.

Depth covers bursts, age makes the promise. RTSP cameras deliver in bursts (a pause of 0.4 s around key frames is
normal), so a shallow queue loses frames with capacity to spare, while under overload only an age limit keeps latency
bounded (docs/architecture.md has the measurements). Recordings that wait for their consumer lose nothing: their
offer blocks, and as nobody waits for them they come after live frames.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.ledger import Drop, FrameLedger
from streamer.types import Frame


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How frames are gathered into batches.

    max_batch   frames in one model call
    max_wait_s  how long the oldest waiting frame may wait for company; never restarts with a newcomer
    max_age_s   the latency promise: a frame that waited longer is dropped as stale
    depth       frames of one camera that may wait; one more drops that camera's oldest as full
    """

    max_batch: int = 8
    max_wait_s: float = 0.010
    max_age_s: float = 0.5
    depth: int = 16

    def wait_for(self, waiting: int, cameras: int, oldest_age_s: float) -> float:
        """Seconds to keep waiting for a fuller batch; 0 means take it now.

        waiting: cameras that have a frame; cameras: those that could have one.
        """
        if waiting >= min(self.max_batch, cameras):
            return 0.0
        return max(0.0, self.max_wait_s - oldest_age_s)


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames for one model call, at most one of each camera; then the cameras that have just ended for good."""

    frames: tuple[Frame, ...]
    ended: tuple[str, ...] = ()


class InboxClosed(Exception):
    """take() on a closed and empty inbox: no more batches will come."""


class FrameInbox:
    """Frames of all cameras, waiting for one consumer. Every method may be called from any thread."""

    def __init__(
        self,
        ledgers: Mapping[str, FrameLedger],
        policy: BatchPolicy,
        clock: Clock,
        *,
        demand_paced: frozenset[str] = frozenset(),
    ) -> None:
        self._ledgers, self._policy, self._clock = dict(ledgers), policy, clock
        self._demand_paced = demand_paced
        self._queues: dict[str, deque[Frame]] = {camera: deque() for camera in ledgers}
        self._ending: set[str] = set()
        self._live = set(ledgers)
        self._closed = False
        lock = threading.Lock()
        self._offered = threading.Condition(lock)
        self._room = threading.Condition(lock)

    def offer(self, frame: Frame) -> bool:
        """Leave a frame; false where the inbox is closed (the frame is then counted as dropped at shutdown).

        A live camera's offer never blocks. A demand-paced one blocks until there is room.
        """
        camera, ledger = frame.camera, self._ledgers[frame.camera]
        with self._offered:
            queue = self._queues[camera]
            if camera in self._demand_paced:
                while len(queue) >= self._policy.depth and not self._closed:
                    self._room.wait()
            if self._closed:
                ledger.dropped(Drop.SHUTDOWN)
                return False
            if len(queue) >= self._policy.depth:
                queue.popleft()
                ledger.dropped(Drop.FULL)
            queue.append(frame)
            # The consumer sleeps until its oldest frame has waited long enough or the batch is full; anything in
            # between would wake it for nothing.
            waiting = sum(map(bool, self._queues.values()))
            if waiting == 1 or waiting >= min(self._policy.max_batch, len(self._live)):
                self._offered.notify()
            return True

    def end(self, camera: str) -> None:
        """This camera offers nothing more; its end is handed out behind its last frame."""
        with self._offered:
            self._ending.add(camera)
            self._offered.notify()

    def take(self) -> Batch:
        """Wait for the next batch: oldest deadline first, the order within a camera kept.

        Raises InboxClosed once closed and empty.
        """
        with self._offered:
            while True:
                now_s = self._clock.monotonic()
                self._drop_stale(now_s)
                heads = [queue[0] for queue in self._queues.values() if queue]
                if heads:
                    oldest_age_s = now_s - min(frame.received_s for frame in heads)
                    pause_s: float | None = self._policy.wait_for(len(heads), len(self._live), oldest_age_s)
                    if pause_s == 0.0 or self._closed:
                        return self._pop(heads)
                elif ended := self._newly_ended():
                    return Batch((), ended)
                elif self._closed:
                    raise InboxClosed
                else:
                    pause_s = None
                self._offered.wait(pause_s)

    def close(self, *, drain: bool) -> None:
        """No more offers. drain: what waits is still handed out; otherwise it is dropped and counted."""
        with self._offered:
            self._closed = True
            if not drain:
                for camera, queue in self._queues.items():
                    self._ledgers[camera].dropped(Drop.SHUTDOWN, len(queue))
                    queue.clear()
            self._offered.notify_all()
            self._room.notify_all()

    def waiting(self) -> int:
        """Frames that wait now."""
        with self._offered:
            return sum(len(queue) for queue in self._queues.values())

    def _pop(self, heads: list[Frame]) -> Batch:
        heads.sort(key=lambda frame: (frame.camera in self._demand_paced, frame.received_s))
        frames = tuple(self._queues[frame.camera].popleft() for frame in heads[: self._policy.max_batch])
        self._room.notify_all()
        return Batch(frames, self._newly_ended())

    def _newly_ended(self) -> tuple[str, ...]:
        ended = tuple(sorted(camera for camera in self._ending if not self._queues[camera]))
        self._ending.difference_update(ended)
        self._live.difference_update(ended)
        return ended

    def _drop_stale(self, now_s: float) -> None:
        for camera, queue in self._queues.items():
            if camera in self._demand_paced:
                continue
            stale = 0
            while queue and now_s - queue[0].received_s > self._policy.max_age_s:
                queue.popleft()
                stale += 1
            if stale:
                self._ledgers[camera].dropped(Drop.STALE, stale)
