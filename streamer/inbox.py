"""Where frames wait for the model: the only place of the house where a frame is dropped after it was decoded.

Depth covers bursts, age makes the promise. RTSP cameras deliver in bursts (a pause of 0.4 s around key frames is
normal), so a shallow queue loses frames with capacity to spare, while under overload only an age limit keeps latency
bounded (docs/architecture.md has the measurements). What cannot be in time any more, by what the model is known to
cost, is let go before it costs anything, and fairness says whose (`scheduling/`). Recordings that wait for their
consumer lose nothing: their offer blocks, and as nobody waits for them they come after live frames.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.ledger import Drop, FrameLedger
from streamer.scheduling.costs import CostModel
from streamer.scheduling.shares import FairShares
from streamer.scheduling.triage import Waiting, given_up
from streamer.types import Frame

_LATE_MAY = 2.0
"""What led up to a wake comes all at once, often of several cameras, and is the beginning of what is to be seen: it may
wait so many times as long, and live frames go before it."""
_SURE = 0.8
"""Of the model's time, what is planned with: the rest is for analysis, publishing, and predictions that fail."""

Act = Callable[[], None]


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

    def due_s(self, frame: Frame) -> float:
        """By which monotonic time its result should be published."""
        return frame.received_s + self.max_age_s * (_LATE_MAY if frame.late else 1.0)

    def wait_for(self, waiting: int, cameras: int, oldest_age_s: float) -> float:
        """Seconds to keep waiting for a fuller batch; 0 means take it now.

        waiting: cameras that have a frame; cameras: those that could have one.
        """
        if waiting >= min(self.max_batch, cameras):
            return 0.0
        return max(0.0, self.max_wait_s - oldest_age_s)


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames for one model call, at most one of each camera; then the cameras that have just ended for good.

    number: 0, 1, 2 … in the order in which batches were taken, which is the order in which they are to be analysed.
    then: what analysis is to do behind all this.
    """

    number: int
    frames: tuple[Frame, ...]
    ended: tuple[str, ...] = ()
    then: tuple[Act, ...] = ()


class InboxClosed(Exception):
    """take() on a closed and empty inbox: no more batches will come."""


class FrameInbox:
    """Frames of all cameras, waiting for as many consumers as there are lanes. Every method from any thread.

    costs: what a batch takes, learned from done(). weights: of cameras whose share is not 1. one_by_one: cameras of
    which no frame is handed out before the one before is done; of others several lanes may hold one each.
    """

    def __init__(
        self,
        ledgers: Mapping[str, FrameLedger],
        policy: BatchPolicy,
        clock: Clock,
        *,
        demand_paced: frozenset[str] = frozenset(),
        lanes: int = 1,
        costs: CostModel | None = None,
        weights: Mapping[str, float] | None = None,
        one_by_one: frozenset[str] = frozenset(),
    ) -> None:
        self._ledgers, self._policy, self._clock = dict(ledgers), policy, clock
        self._demand_paced = set(demand_paced)
        self._lanes, self._costs, self._shares = lanes, costs or CostModel(), FairShares(weights)
        self._queues: dict[str, deque[Frame]] = {camera: deque() for camera in ledgers}
        self._waiting: dict[str, deque[Frame]] = {}  # the queues that are not empty
        self._one_by_one = set(one_by_one)
        self._out: set[str] = set()  # of these, whose frame a lane has
        self._idle = 0  # lanes that wait in take()
        self._taken = 0
        self._ending: set[str] = set()
        self._live = set(ledgers)
        self._leaving: dict[str, Act] = {}  # what is to be done behind the last frame of each
        self._soon: list[Act] = []
        self._closed = False
        lock = threading.Lock()
        self._offered = threading.Condition(lock)
        self._room = threading.Condition(lock)

    def add(
        self, ledger: FrameLedger, *, demand_paced: bool = False, one_by_one: bool = False, weight: float = 1.0
    ) -> None:
        """One camera more. Raises ValueError where there is one of this name."""
        camera = ledger.camera
        with self._offered:
            if camera in self._ledgers:
                raise ValueError(f"camera '{camera}' is in the inbox already")
            self._ledgers[camera], self._queues[camera] = ledger, deque()
            self._live.add(camera)
            if demand_paced:
                self._demand_paced.add(camera)
            if one_by_one:
                self._one_by_one.add(camera)
            self._shares.weigh(camera, weight)

    def remove(self, camera: str, then: Act) -> None:
        """Take no more of this camera; `then` is handed out behind its last frame, and the camera is forgotten."""
        with self._offered:
            self._leaving[camera] = then
            if camera not in self._waiting:  # what lanes have of it is in batches of lower numbers
                self._soon.append(self._forget(camera))
            self._offered.notify()
            self._room.notify_all()

    def weigh(self, camera: str, weight: float) -> None:
        """Another share for this camera."""
        with self._offered:
            self._shares.weigh(camera, weight)

    def soon(self, then: Act) -> None:
        """Hand this out between two batches, whether or not there are frames."""
        with self._offered:
            self._soon.append(then)
            self._offered.notify()

    def offer(self, frame: Frame) -> bool:
        """Leave a frame; false where the inbox is closed, or its camera leaves (the frame is then counted as dropped).

        A live camera's offer never blocks. A demand-paced one blocks until there is room.
        """
        camera = frame.camera
        with self._offered:
            while camera in self._demand_paced and self._takes(camera) and self._is_full(camera):
                self._room.wait()
            if not self._takes(camera):
                if camera in self._ledgers:
                    self._ledgers[camera].dropped(Drop.SHUTDOWN)
                return False
            ledger, queue = self._ledgers[camera], self._queues[camera]
            if len(queue) >= self._policy.depth:
                queue.popleft()
                ledger.dropped(Drop.FULL)
            queue.append(frame)
            self._waiting[camera] = queue
            # The consumer sleeps until its oldest frame has waited long enough or the batch is full; anything in
            # between would wake it for nothing.
            waiting = len(self._waiting)
            if waiting == 1 or waiting >= min(self._costs.best_size(self._policy.max_batch), len(self._live)):
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
            while not isinstance(found := self._batch_or_pause_s(), Batch):
                self._idle += 1
                try:
                    self._offered.wait(found)
                finally:
                    self._idle -= 1
            return found

    def take_ready(self) -> Batch | None:
        """The next batch where it need not be waited for. Raises InboxClosed as take()."""
        with self._offered:
            found = self._batch_or_pause_s()
            return found if isinstance(found, Batch) else None

    def done(self, batch: Batch, seconds: float) -> None:
        """The model is through with a batch, which kept it busy for so long."""
        with self._offered:
            self._costs.took(len(batch.frames), seconds)
            if self._out:
                self._out.difference_update(frame.camera for frame in batch.frames)
                self._offered.notify_all()

    def close(self, *, drain: bool) -> None:
        """No more offers. drain: what waits is still handed out; otherwise it is dropped and counted."""
        with self._offered:
            self._closed = True
            if not drain:
                for camera, queue in self._waiting.items():
                    self._ledgers[camera].dropped(Drop.SHUTDOWN, len(queue))
                    queue.clear()
                self._waiting.clear()
            self._offered.notify_all()
            self._room.notify_all()

    def waiting(self) -> int:
        """Frames that wait now."""
        with self._offered:
            return sum(map(len, self._waiting.values()))

    @property
    def slowness(self) -> float:
        """How much longer the model takes now than when it was warmed up."""
        return self._costs.slowness

    def _batch_or_pause_s(self) -> Batch | float | None:
        """What is to be handed out now, or seconds to wait before the next look; None: until somebody tells."""
        now_s = self._clock.monotonic()
        self._drop_stale(now_s)
        self._give_up_late(now_s)
        if heads := self._heads():
            pause_s = self._pause_s(heads, now_s)
            return self._pop(heads) if pause_s == 0.0 or self._closed else pause_s
        if self._waiting:
            return None
        if (behind := self._behind()) != ((), ()):
            return self._batch((), *behind)
        if self._closed:
            raise InboxClosed
        return None

    def _heads(self) -> list[Frame]:
        """The oldest frame of each camera that may have one handed out."""
        return [queue[0] for camera, queue in self._waiting.items() if camera not in self._out]

    def _pause_s(self, heads: Sequence[Frame], now_s: float) -> float | None:
        waiting = len(heads)
        if not self._costs.worth_waiting(waiting, min(self._costs.best_size(self._policy.max_batch), len(self._live))):
            return 0.0
        oldest_age_s = now_s - min(frame.received_s for frame in heads)
        return self._policy.wait_for(waiting, len(self._live), oldest_age_s)

    def _pop(self, heads: list[Frame]) -> Batch:
        heads.sort(key=lambda frame: (frame.camera in self._demand_paced, self._policy.due_s(frame)))
        # Lanes that have nothing to do take their part of it.
        size = min(self._costs.best_size(self._policy.max_batch), -(-len(heads) // (1 + self._idle)))
        self._shares.waiting(self._waiting)
        frames = tuple(self._popped(frame.camera) for frame in heads[:size])
        if self._waiting and self._idle:
            self._offered.notify()
        self._room.notify_all()
        return self._batch(frames, *self._behind())

    def _popped(self, camera: str) -> Frame:
        self._shares.served(camera)
        if camera in self._one_by_one:
            self._out.add(camera)
        return self._without_oldest(camera)

    def _without_oldest(self, camera: str) -> Frame:
        queue = self._waiting[camera]
        frame = queue.popleft()
        if not queue:
            del self._waiting[camera]
        return frame

    def _batch(self, frames: tuple[Frame, ...], ended: tuple[str, ...], then: tuple[Act, ...]) -> Batch:
        number = self._taken
        self._taken += 1
        return Batch(number, frames, ended, then)

    def _behind(self) -> tuple[tuple[str, ...], tuple[Act, ...]]:
        """Cameras that have newly ended, and what is to be done by now."""
        ended = tuple(sorted(camera for camera in self._ending if camera not in self._waiting))
        self._ending.difference_update(ended)
        self._live.difference_update(ended)
        soon, self._soon = self._soon, []
        left = [camera for camera in self._leaving if camera not in self._waiting]
        return ended, (*soon, *(self._forget(camera) for camera in left))

    def _forget(self, camera: str) -> Act:
        """Its last frame is on its way; returns what is to be done behind it."""
        for books in (self._ledgers, self._queues):
            books.pop(camera, None)
        for cameras in (self._live, self._demand_paced, self._one_by_one, self._out):
            cameras.discard(camera)
        self._shares.forget(camera)
        return self._leaving.pop(camera)

    def _takes(self, camera: str) -> bool:
        return not self._closed and camera in self._ledgers and camera not in self._leaving

    def _is_full(self, camera: str) -> bool:
        return len(self._queues[camera]) >= self._policy.depth

    def _drop_stale(self, now_s: float) -> None:
        for camera in tuple(self._waiting):
            if camera in self._demand_paced:
                continue
            stale = 0
            while camera in self._waiting and now_s > self._policy.due_s(self._waiting[camera][0]):
                self._without_oldest(camera)
                stale += 1
            if stale:
                self._ledgers[camera].dropped(Drop.STALE, stale)

    def _give_up_late(self, now_s: float) -> None:
        """What would be late, by what frames cost now, goes at once: for those that then are not."""
        seconds_per_frame = self._costs.per_frame(self._policy.max_batch) / (self._lanes * _SURE)
        waiting = [
            Waiting(self._policy.due_s(frame), camera)
            for camera, queue in self._waiting.items()
            if camera not in self._demand_paced
            for frame in queue
        ]
        if not waiting or now_s + len(waiting) * seconds_per_frame <= min(waiting).due_s:
            return
        self._shares.waiting(self._waiting)
        for camera, frames in given_up(waiting, now_s, seconds_per_frame, self._shares).items():
            for _ in range(frames):
                self._without_oldest(camera)
            self._ledgers[camera].dropped(Drop.OVERLOAD, frames)
