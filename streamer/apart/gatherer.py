"""Where questions of several nodes wait for one model, and become runs of it that pay.

Inside it is the inbox of a service once more (inbox.py), with nodes in the place of cameras: pictures with the oldest
deadline first, several nodes' in one run, company waited for only where that saves something, what cannot be in time
answered before it costs anything, and fairly (scheduling/triage.py). Two things differ. A question is answered as a
whole, so it is given up as a whole. And the time that is left of a promise came with the question: it is counted from
its arrival here, because the clock of the machine that sent it says nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from streamer.apart.answer import Answer, Late, found_of
from streamer.apart.question import Question
from streamer.clock import Clock
from streamer.scheduling.costs import CostModel
from streamer.scheduling.shares import FairShares
from streamer.scheduling.triage import Waiting, given_up
from streamer.types import Detections

_SURE = 0.8
"""Of the model's time, what is planned with; see inbox.py."""


@dataclass(frozen=True, slots=True)
class GatherPolicy:
    """max_batch: pictures in one run; max_wait_s: how long the oldest may wait for company; most_waiting: pictures that
    may wait, of all nodes together: each may have its even share of that, and more while others leave it free."""

    max_batch: int = 8
    max_wait_s: float = 0.010
    most_waiting: int = 256


class Asked:
    """One question on its way through, and its answer once there is one. wait(): from any thread."""

    def __init__(self, question: Question, arrived_s: float) -> None:
        self.question, self.arrived_s, self.due_s = question, arrived_s, arrived_s + question.left_s
        self.images, self.pictures = question.pictures(), len(question.sizes)
        self.next = 0  # the first picture that no run has taken
        self.found: list[Detections | None] = [None] * self.pictures
        self._answer: Answer | None = None
        self._answered = threading.Event()

    @property
    def waiting(self) -> int:
        """Its pictures that no run has taken."""
        return self.pictures - self.next

    def wait(self, within_s: float | None) -> Answer | None:
        """The answer; None where it took longer, or there will be none because the desk has closed."""
        self._answered.wait(within_s)
        return self._answer

    def become(self, answer: Answer | None) -> None:
        """Wake whoever waits; the first one counts."""
        if not self._answered.is_set():
            self._answer = answer
            self._answered.set()


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Pictures for one call of the model: of which question, and which of its pictures."""

    pictures: tuple[tuple[Asked, int], ...]

    @property
    def nodes(self) -> frozenset[str]:
        """Whose they are."""
        return frozenset(asked.question.asked_by for asked, _ in self.pictures)


@dataclass(slots=True)
class GathererBooks:
    """What has been counted so far: questions by how they were answered, runs, their pictures, and how many runs had
    pictures of more than one node. waiting: pictures, now."""

    outcomes: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    pictures: int = 0
    shared_runs: int = 0
    busy_s: float = 0.0
    waiting: int = 0


class GathererClosed(Exception):
    """take() on a closed gatherer."""


class Gatherer:
    """Questions of all nodes, for as many threads as there are lanes. Every method from any thread."""

    def __init__(self, policy: GatherPolicy, costs: CostModel, clock: Clock, *, lanes: int = 1) -> None:
        self._policy, self._costs, self._clock, self._lanes = policy, costs, clock, lanes
        self._shares = FairShares()
        self._waiting: list[Asked] = []  # that have a picture which no run has taken, as they came
        self._out: dict[int, tuple[Run, float]] = {}  # runs that lanes have, and when they should be done
        self._idle = 0
        self._books = GathererBooks()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, question: Question) -> Asked:
        """Leave a question; what can be said at once is said at once: too late, or too many wait already."""
        with self._changed:
            asked = Asked(question, self._clock.monotonic())
            if self._closed:
                asked.become(None)
            elif not asked.pictures:
                self._answer(asked, found_of((), features=False, took_s=0.0))
            elif not self._has_room_for(asked):
                self._answer(asked, Late(full=True))
            else:
                self._waiting.append(asked)
                self._give_up_late(asked.arrived_s)
                self._changed.notify()
            return asked

    def take(self) -> Run:
        """Wait for the next run. Raises GathererClosed."""
        with self._changed:
            while not isinstance(found := self._run_or_pause_s(), Run):
                self._idle += 1
                try:
                    self._changed.wait(found)
                finally:
                    self._idle -= 1
            return found

    def done(self, run: Run, detections: Sequence[Detections], seconds: float) -> None:
        """The model is through with a run; questions that are complete are answered."""
        with self._changed:
            self._out.pop(id(run), None)
            self._costs.took(len(run.pictures), seconds)
            books = self._books
            books.runs += 1
            books.pictures += len(run.pictures)
            books.shared_runs += len(run.nodes) > 1
            books.busy_s += seconds
            now_s = self._clock.monotonic()
            for (asked, nth), found in zip(run.pictures, detections, strict=True):
                asked.found[nth] = found
                whole = [each for each in asked.found if each is not None]
                if len(whole) == asked.pictures:
                    took_s = now_s - asked.arrived_s
                    self._answer(asked, found_of(whole, features=asked.question.features, took_s=took_s))

    def close(self) -> None:
        """No more: who waits is told that there will be no answer."""
        with self._changed:
            self._closed = True
            left = [asked for run, _ in self._out.values() for asked, _ in run.pictures]
            for asked in (*self._waiting, *left):
                asked.become(None)
            self._waiting.clear()
            self._changed.notify_all()

    def books(self) -> GathererBooks:
        """A consistent reading."""
        with self._changed:
            books = self._books
            waiting = self._pictures()
            return GathererBooks(
                Counter(books.outcomes), books.runs, books.pictures, books.shared_runs, books.busy_s, waiting
            )

    @property
    def closed(self) -> bool:
        """Whether nobody is answered any more."""
        return self._closed

    @property
    def slowness(self) -> float:
        """How much longer the model takes now than when it was measured."""
        return self._costs.slowness

    def _pictures(self) -> int:
        return sum(asked.waiting for asked in self._waiting)

    def _has_room_for(self, asked: Asked) -> bool:
        """Where there is none, a node with less than its even share gets it from the one that has most."""
        over = self._pictures() + asked.pictures - self._policy.most_waiting
        if over <= 0 or not self._waiting:  # one that is larger than all there is has it for itself
            return True
        mine = asked.question.asked_by
        of_nodes = Counter({mine: asked.pictures})
        for each in self._waiting:
            of_nodes[each.question.asked_by] += each.waiting
        if of_nodes[mine] > self._policy.most_waiting / len(of_nodes):
            return False
        most = max(of_nodes, key=lambda node: of_nodes[node])
        for each in [each for each in reversed(self._waiting) if each.question.asked_by == most]:
            if over <= 0:
                break
            over -= each.waiting
            self._let_go(each, Late(full=True))
        return True

    def _run_or_pause_s(self) -> Run | float | None:
        """What is to be run now, or seconds to wait before the next look; None: until somebody tells."""
        if self._closed:
            raise GathererClosed
        now_s = self._clock.monotonic()
        self._give_up_late(now_s)
        if not self._waiting:
            return None
        best, waiting = self._costs.best_size(self._policy.max_batch), self._pictures()
        if self._costs.worth_waiting(waiting, best):
            pause_s = self._policy.max_wait_s - (now_s - min(asked.arrived_s for asked in self._waiting))
            if pause_s > 0:
                return pause_s
        # Lanes that have nothing to do take their part of it.
        return self._popped(min(best, -(-waiting // (1 + self._idle))), now_s)

    def _popped(self, most: int, now_s: float) -> Run:
        pictures: list[tuple[Asked, int]] = []
        self._shares.waiting({asked.question.asked_by for asked in self._waiting})
        for asked in sorted(self._waiting, key=lambda asked: asked.due_s):
            for _ in range(min(asked.waiting, most - len(pictures))):
                pictures.append((asked, asked.next))
                asked.next += 1
                self._shares.served(asked.question.asked_by)
        self._waiting = [asked for asked in self._waiting if asked.waiting]
        run = Run(tuple(pictures))
        self._out[id(run)] = run, now_s + self._costs.seconds(len(pictures))
        if self._waiting and self._idle:
            self._changed.notify()
        return run

    def _give_up_late(self, now_s: float) -> None:
        """What would be late, by what pictures cost now, is told so at once: for those that then are not."""
        for asked in [asked for asked in self._waiting if asked.due_s < now_s]:
            self._let_go(asked, Late())
        seconds_per_picture = self._costs.per_frame(self._policy.max_batch) / (self._lanes * _SURE)
        in_haste = [asked for asked in self._waiting if asked.due_s < inf]
        waiting = [Waiting(asked.due_s, asked.question.asked_by) for asked in in_haste for _ in range(asked.waiting)]
        free_s = now_s + self._all_busy_s(now_s)
        if not waiting or free_s + len(waiting) * seconds_per_picture <= min(waiting).due_s:
            return
        self._shares.waiting({each.camera for each in waiting})
        gone = given_up(waiting, free_s, seconds_per_picture, self._shares)
        # A question of which one picture would be late is late as a whole. The last one of all is kept: whoever answers
        # none never learns that the model has become faster.
        for asked in sorted(in_haste, key=lambda asked: asked.due_s):
            if gone[node := asked.question.asked_by] > 0 and len(self._waiting) > 1:
                gone[node] -= asked.waiting
                self._let_go(asked, Late())

    def _all_busy_s(self, now_s: float) -> float:
        """For how long no lane will be free."""
        if len(self._out) < self._lanes:
            return 0.0
        return max(0.0, min(until_s for _, until_s in self._out.values()) - now_s)

    def _let_go(self, asked: Asked, answer: Answer) -> None:
        self._waiting.remove(asked)
        self._answer(asked, answer)

    def _answer(self, asked: Asked, answer: Answer) -> None:
        outcome = ("full" if answer.full else "late") if isinstance(answer, Late) else "answered"
        self._books.outcomes[outcome] += 1
        asked.become(answer)
