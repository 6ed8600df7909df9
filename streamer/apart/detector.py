"""The detector of a node that has no model: asks those that have one, and says so where nobody answered in time."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf

from streamer.apart.answer import Answer, Found, Late, Refused
from streamer.apart.door import Door, DoorGone, Doors, DoorSilent
from streamer.apart.question import Question, question_of
from streamer.clock import Clock
from streamer.errors import Unanswered
from streamer.fit import InputFit
from streamer.ledger import Drop
from streamer.stages import nothing
from streamer.types import Detections, Frame

PATIENCE_S = 20.0
"""How long recordings that wait for their consumer wait for an inference node, each time that they ask."""
_AVOIDED_S = 1.0
"""A node that did not answer in time is asked last for so long; one that refused is asked again after it."""
_AGAIN_AFTER_S = 0.25
_LEARNS = 0.1

_log = logging.getLogger("streamer.apart")


@dataclass(slots=True)
class _Seen:
    """What is known of one door. way_s: there and back, without what the node itself took."""

    under_way: int = 0
    way_s: float = 0.0
    silent_until_s: float = -inf
    refused_until_s: float = -inf
    refused_because: str | None = None


@dataclass(slots=True)
class AskingBooks:
    """What has been counted so far: questions by outcome (answered, late, full, refused, gone, silent: the last four
    may have been asked again elsewhere), and the bytes of pictures that went there and of arrays that came back."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bytes_there: int = 0
    bytes_back: int = 0


class ApartDetector:
    """stages.Detector. detect() from any thread, as many at a time as should be under way.

    asked_by: this node's name. due_s(frame): by which monotonic time its result is worth something; inf: whenever.
    on_answer(seconds, way_s): after every answer, how long it took, and how much of that was not the node's own.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        input_fit: InputFit,
        model_hash: str,
        doors: Doors,
        clock: Clock,
        *,
        asked_by: str,
        due_s: Callable[[Frame], float],
        on_answer: Callable[[float, float], None] = lambda _, __: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.labels, self.input_fit, self.model_hash = labels, input_fit, model_hash
        self._doors, self._clock, self._asked_by = doors, clock, asked_by
        self._due_s, self._patience_s = due_s, patience_s
        self.on_answer = on_answer
        self.wants_features: Callable[[], bool] = lambda: True
        self._seen: dict[str, _Seen] = {}
        self._books = AskingBooks()
        self._in_trouble = False
        self._lock = threading.Lock()

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels; before_run: called when the pictures are on their way.

        Raises Unanswered where the frame that has the least time left cannot have an answer in time: all or nothing.
        """
        if not frames:
            return []
        due_s = min(map(self._due_s, frames))
        question = question_of(frames, self._asked_by, self.model_hash, inf, self.wants_features())
        before_run()
        try:
            found = self._asked(question, due_s)
        except Unanswered as error:
            self._tell(error)
            raise
        self._tell(None)
        try:
            return found.detections(self.labels, self.input_fit, [frame.source_wh for frame in frames])
        except ValueError as error:
            raise Unanswered(f"an inference node's answer cannot be read: {error}", Drop.UNANSWERED) from error

    def trouble(self) -> str | None:
        """Why nobody could be asked now, in a sentence; None where somebody can."""
        doors, now_s = self._doors.open(), self._clock.monotonic()
        if not doors:
            return self._doors.why_none
        with self._lock:
            seen = [self._seen.get(door.name, _Seen()) for door in doors]
        refused = [each.refused_because for each in seen if each.refused_until_s > now_s]
        if len(refused) == len(seen):
            return f"no inference node can be asked: {refused[0]}"
        if all(max(each.silent_until_s, each.refused_until_s) > now_s for each in seen):
            return f"no answer comes in time from {', '.join(sorted(door.name for door in doors))}"
        return None

    def books(self) -> AskingBooks:
        """A consistent reading."""
        with self._lock:
            return AskingBooks(Counter(self._books.outcomes), self._books.bytes_there, self._books.bytes_back)

    def _asked(self, question: Question, due_s: float) -> Found:
        """The first answer of whoever can be asked in time. Raises Unanswered."""
        patient_until_s = self._clock.monotonic() + self._patience_s if due_s == inf else -inf
        tried: set[str] = set()
        deaths = 0
        lost: Unanswered | None = None
        while True:
            now_s = self._clock.monotonic()
            if due_s <= now_s:
                raise lost or Unanswered("the time was over before anybody could be asked", Drop.OVERLOAD)
            known = self._doors.open()
            door = self._choose(known, tried, now_s)
            if door is None:
                # Who is in a hurry does not wait: the next frame is worth more than this one.
                if now_s >= patient_until_s or self._doors.closed:
                    raise lost or Unanswered(f"nobody can be asked: {self.trouble()}", Drop.UNANSWERED)
                self._doors.wait_for_change(known, min(_AGAIN_AFTER_S, patient_until_s - now_s))
                tried.clear()
                continue
            tried.add(door.name)
            try:
                answer = self._ask(door, question, due_s - now_s)
            except DoorGone as error:
                lost = Unanswered(f"{door.name}: {error}", Drop.UNANSWERED)
                deaths += 1
                if deaths > 1 and due_s < inf:  # what two nodes died of should not reach the third
                    raise lost from error
                continue
            except DoorSilent as error:
                lost = Unanswered(f"{door.name}: {error}", Drop.UNANSWERED)
                if due_s < inf:
                    raise lost from error
                continue
            match answer:
                case Found():
                    return answer
                case Late(full=False):
                    raise Unanswered(f"{door.name} had no time for it", Drop.OVERLOAD)
                case Late():
                    lost = Unanswered(f"at {door.name} too many pictures wait", Drop.OVERLOAD)
                case Refused(why):
                    lost = Unanswered(f"{door.name}: {why}", Drop.UNANSWERED)

    def _tell(self, error: Unanswered | None) -> None:
        """In the log, when it begins and when it is over; frames that come too late are counted and not told."""
        lost = error is not None and error.reason == Drop.UNANSWERED
        if error is not None and not lost:
            return
        with self._lock:
            changed, self._in_trouble = lost != self._in_trouble, lost
        if changed and lost:
            _log.warning("pictures stay unanswered: %s", error, extra={"event": "unanswered"})
        elif changed:
            _log.info("pictures are answered again", extra={"event": "answered"})

    def _choose(self, doors: Sequence[Door], tried: set[str], now_s: float) -> Door | None:
        """The least busy one that answers; one that was silent where there is no other."""
        with self._lock:
            fit = [
                (seen.silent_until_s > now_s, seen.under_way, seen.way_s, door.name, door)
                for door in doors
                if door.name not in tried and (seen := self._of(door)).refused_until_s <= now_s
            ]
            return min(fit, key=lambda each: each[:4])[4] if fit else None

    def _ask(self, door: Door, question: Question, left_s: float) -> Answer:
        began_s = self._clock.monotonic()
        with self._under_way(door) as seen:
            # Of what is left, the way there and back is not the node's; one slow answer is no reason to give it none.
            worth_s = left_s - min(seen.way_s, left_s / 2) if left_s < inf else inf
            try:
                answer = door.ask(replace(question, left_s=worth_s), min(left_s, self._patience_s))
            except DoorSilent:
                self._note(seen, "silent", silent_until_s=self._clock.monotonic() + _AVOIDED_S)
                raise
            except DoorGone:
                self._note(seen, "gone", silent_until_s=self._clock.monotonic() + _AVOIDED_S)
                raise
            took_s = self._clock.monotonic() - began_s
            match answer:
                case Found():
                    self._answered(seen, question, answer, took_s)
                case Late(full):
                    self._note(seen, "full" if full else "late")
                case Refused(why):
                    until_s = self._clock.monotonic() + _AVOIDED_S
                    self._note(seen, "refused", refused_until_s=until_s, refused_because=why)
            return answer

    def _answered(self, seen: _Seen, question: Question, answer: Found, took_s: float) -> None:
        way_s = max(0.0, took_s - answer.took_s)
        with self._lock:
            seen.way_s = way_s if not seen.way_s else seen.way_s + _LEARNS * (way_s - seen.way_s)
            seen.silent_until_s = -inf
            self._books.outcomes["answered"] += 1
            self._books.bytes_there += question.pixels.nbytes
            self._books.bytes_back += answer.nbytes
        self.on_answer(took_s, way_s)

    def _note(self, seen: _Seen, outcome: str, **changes: float | str) -> None:
        with self._lock:
            self._books.outcomes[outcome] += 1
            if outcome in ("late", "full"):  # that is an answer too
                seen.silent_until_s = -inf
            for name, value in changes.items():
                setattr(seen, name, value)

    @contextmanager
    def _under_way(self, door: Door) -> Iterator[_Seen]:
        with self._lock:
            seen = self._of(door)
            seen.under_way += 1
        try:
            yield seen
        finally:
            with self._lock:
                seen.under_way -= 1

    def _of(self, door: Door) -> _Seen:
        return self._seen.setdefault(door.name, _Seen())
