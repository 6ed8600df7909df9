"""A node without a model asks those that have one: right answers, another door where one dies, never made-up ones."""

from __future__ import annotations

import threading
from math import inf

import pytest

from streamer.apart.answer import Found
from streamer.apart.detector import ApartDetector
from streamer.apart.door import Doors
from streamer.apart.gatherer import GatherPolicy
from streamer.clock import Clock, SystemClock
from streamer.errors import InferenceError, Unanswered
from streamer.ledger import Drop, FrameLedger
from streamer.pipeline import replay
from tests.apart import FIT, MODEL_HASH, HeldDetector, HereDoor, ValueDetector, a_desk, marked, value_of
from tests.fakes import LABELS, FakeClock, MemorySink, SquareDetector, SquareWorld
from tests.unit.test_service import a_pipeline

LONG_S = 30.0


def asking(*doors: HereDoor, left_s: float = LONG_S, clock: Clock | None = None, patience_s: float = LONG_S):  # type: ignore[no-untyped-def]
    clock = clock or SystemClock()
    return ApartDetector(
        LABELS, FIT, MODEL_HASH, Doors(doors), clock, asked_by="north", due_s=lambda _: clock.monotonic() + left_s,
        patience_s=patience_s,
    )  # fmt: skip


def reason(lost: pytest.ExceptionInfo[Unanswered]) -> str:
    return Drop(lost.value.reason).value


def test_it_answers_as_the_model_itself_would_have() -> None:
    detector = asking(HereDoor("m", a_desk(ValueDetector(features=True))))
    frames = [marked(value) for value in (3, 57, 120)]
    here, there = ValueDetector(features=True).detect(frames), detector.detect(frames)
    for one, other in zip(here, there, strict=True):
        assert (one.boxes_xyxy == other.boxes_xyxy).all()
        assert (one.scores == other.scores).all()
        assert (one.class_ids == other.class_ids).all()
        assert one.features is not None
        assert other.features is not None
        assert (one.features.feature_map == other.features.feature_map).all()
        assert one.features.fit == other.features.fit
    assert detector.detect([]) == []


def test_pictures_are_on_their_way_before_others_are_woken() -> None:
    called = []
    asking(HereDoor("m", a_desk())).detect([marked(1)], lambda: called.append(True))
    assert called == [True]


def test_where_nobody_is_there_that_is_said_at_once_and_is_no_empty_picture() -> None:
    detector = asking()
    with pytest.raises(Unanswered, match="no inference node") as lost:
        detector.detect([marked(1)])
    assert reason(lost) == "unanswered"
    assert isinstance(lost.value, InferenceError)
    assert "no inference node" in str(detector.trouble())


def test_where_one_dies_while_it_is_asked_another_answers() -> None:
    held = HeldDetector()
    dying, other = HereDoor("a", a_desk(held)), HereDoor("b", a_desk())
    detector = asking(dying, other)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(map(value_of, detector.detect([marked(42)]))))
    thread.start()
    assert held.entered.acquire(timeout=LONG_S)
    threading.Thread(target=dying.die).start()
    thread.join(LONG_S)
    held.go_on.release()
    assert found == [42]
    assert detector.books().outcomes == {"gone": 1, "answered": 1}


def test_what_two_nodes_died_of_is_not_shown_to_the_third() -> None:
    doors = [HereDoor(name, a_desk()) for name in "abc"]
    for door in doors[:2]:
        door.die()
    detector = asking(*doors)
    with pytest.raises(Unanswered) as lost:
        detector.detect([marked(1)])
    assert reason(lost) == "unanswered"
    assert doors[2].asked == []
    assert value_of(detector.detect([marked(9)])[0]) == 9  # those two are avoided now


def test_a_silent_node_is_asked_last_until_it_has_answered() -> None:
    silent, other = HereDoor("a", a_desk()), HereDoor("b", a_desk())
    clock = FakeClock()
    detector = asking(silent, other, clock=clock)
    silent.hangs = True
    with pytest.raises(Unanswered) as lost:
        detector.detect([marked(1)])
    assert reason(lost) == "unanswered"
    for _ in range(5):
        detector.detect([marked(2)])
    assert len(silent.asked) == 1
    assert detector.trouble() is None
    other.hangs = True
    with pytest.raises(Unanswered):
        detector.detect([marked(3)])
    assert detector.trouble() == "no answer comes in time from a, b"
    silent.hangs = other.hangs = False
    detector.detect([marked(4)])
    assert detector.trouble() is None


def test_another_model_refuses_and_readiness_says_which() -> None:
    detector = asking(HereDoor("m", a_desk(model_hash="cd" * 32)))
    with pytest.raises(Unanswered, match="the same model folder must lie on all nodes") as lost:
        detector.detect([marked(1)])
    assert reason(lost) == "unanswered"
    assert "cdcdcdcdcdcd" in str(detector.trouble())


def test_who_has_no_time_says_so_and_it_counts_as_overload() -> None:
    held = HeldDetector()
    desk = a_desk(held, seconds={1: 10.0})
    door = HereDoor("m", desk)
    first = threading.Thread(target=lambda: asking(door).detect([marked(1)]))
    first.start()
    assert held.entered.acquire(timeout=LONG_S)
    slow = asking(door, left_s=5.0)  # the run under way takes ten seconds, by what is known
    second = threading.Thread(target=lambda: asking(door).detect([marked(2)]))
    second.start()
    while desk.books().waiting < 1:
        threading.Event().wait(0.01)
    with pytest.raises(Unanswered) as lost:
        slow.detect([marked(3)])
    assert reason(lost) == "overload"
    held.go_on.release(2)
    first.join(LONG_S)
    second.join(LONG_S)


def test_where_one_is_full_another_is_asked() -> None:
    held = HeldDetector()
    full, other = (
        HereDoor("a", a_desk(held, policy=GatherPolicy(max_wait_s=0, most_waiting=1))),
        HereDoor("b", a_desk()),
    )
    blockers = [threading.Thread(target=lambda: asking(full).detect([marked(1)])) for _ in range(2)]
    blockers[0].start()
    assert held.entered.acquire(timeout=LONG_S)
    blockers[1].start()
    while full.desk.books().waiting < 1:
        threading.Event().wait(0.01)
    detector = asking(full, other)
    assert value_of(detector.detect([marked(7)])[0]) == 7
    assert detector.books().outcomes == {"full": 1, "answered": 1}
    held.go_on.release(2)
    for each in blockers:
        each.join(LONG_S)


def test_what_is_due_already_is_not_sent() -> None:
    door = HereDoor("m", a_desk())
    with pytest.raises(Unanswered) as lost:
        asking(door, left_s=0.0).detect([marked(1)])
    assert reason(lost) == "overload"
    assert door.asked == []


def test_the_time_that_is_left_is_sent_less_the_way_and_never_a_clock() -> None:
    door = HereDoor("m", a_desk())
    detector = asking(door, left_s=0.4)
    for n in range(3):
        detector.detect([marked(n)])
    assert all(0.0 < question.left_s <= 0.4 for question in door.asked)


def test_a_recording_waits_until_there_is_somebody() -> None:
    doors = Doors()
    detector = ApartDetector(
        LABELS, FIT, MODEL_HASH, doors, SystemClock(), asked_by="north", due_s=lambda _: inf, patience_s=LONG_S
    )
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(map(value_of, detector.detect([marked(5)]))))
    thread.start()
    doors.become([HereDoor("m", a_desk())])
    thread.join(LONG_S)
    assert found == [5]
    doors.become([])
    closing = threading.Timer(0.05, doors.close)
    closing.start()
    with pytest.raises(Unanswered, match="ending"):
        detector.detect([marked(5)])
    closing.join(LONG_S)


def test_the_least_busy_one_is_asked() -> None:
    held = HeldDetector()
    busy, idle = HereDoor("a", a_desk(held)), HereDoor("b", a_desk())
    detector = asking(busy, idle)
    first = threading.Thread(target=lambda: detector.detect([marked(1)]))
    first.start()
    assert held.entered.acquire(timeout=LONG_S)
    for n in range(4):
        assert value_of(detector.detect([marked(n)])[0]) == n
    assert (len(busy.asked), len(idle.asked)) == (1, 4)
    held.go_on.release()
    first.join(LONG_S)


def test_an_answer_that_makes_no_sense_is_no_answer() -> None:
    class Liar(HereDoor):
        def ask(self, question, within_s):  # type: ignore[no-untyped-def]
            answer = super().ask(question, within_s)
            assert isinstance(answer, Found)
            return Found((*answer.rows, 1), answer.boxes_xyxy, answer.scores, answer.class_ids)

    with pytest.raises(Unanswered, match="cannot be read"):
        asking(Liar("m", a_desk())).detect([marked(1)])


def test_replay_is_not_the_place_to_lose_frames() -> None:
    with pytest.raises(Unanswered):
        replay(SquareWorld("gate", FrameLedger("gate")), asking(), a_pipeline("gate"), MemorySink())


def test_a_model_that_fails_is_told_once_and_nobody_waits_for_it() -> None:
    failed = threading.Event()
    from streamer.apart.desk import AnsweringDesk

    desk = AnsweringDesk(SquareDetector(fail_at=1), MODEL_HASH, GatherPolicy(), SystemClock(), on_failure=failed.set)
    desk.start()
    with pytest.raises(Unanswered) as lost:
        asking(HereDoor("m", desk)).detect([marked(1)])
    assert failed.is_set()
    assert reason(lost) == "unanswered"
    assert [str(error) for error in desk.errors] == ["boom"]
