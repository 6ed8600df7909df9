"""A service whose model is elsewhere, while doors die, hang, refuse and come back: every frame is accounted for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.apart.answer import Answer, Late, Refused
from streamer.apart.desk import AnsweringDesk
from streamer.apart.detector import ApartDetector
from streamer.apart.door import DoorGone, Doors, DoorSilent
from streamer.apart.question import Question
from streamer.clock import SystemClock
from streamer.inbox import BatchPolicy, FrameInbox
from streamer.service import Service
from streamer.telemetry.metrics import Metrics
from streamer.types import FrameResult
from tests.apart import MODEL_HASH, a_desk
from tests.fakes import LABELS, MemorySink, SquareDetector
from tests.unit.test_service import a_unit, replayed

FATES = ("answer", "answer", "answer", "late", "full", "gone", "silent", "refuse", "garbled")


class FatefulDoor:
    """Does what fate says, question by question; after the last of it, it answers."""

    def __init__(self, name: str, desk: AnsweringDesk, fates: Sequence[str]) -> None:
        self.name, self._desk = name, desk
        self._fates = list(fates)
        self._lock = threading.Lock()

    def ask(self, question: Question, within_s: float) -> Answer:
        with self._lock:
            fate = self._fates.pop(0) if self._fates else "answer"
        match fate:
            case "late" if question.left_s < inf:
                return Late()
            case "full":
                return Late(full=True)
            case "gone":
                raise DoorGone("fate")
            case "silent":
                raise DoorSilent("fate")
            case "refuse":
                return Refused("fate")
            case "garbled" if question.left_s < inf:
                return self._desk.answer(question.without_pixels())
        return self._desk.answer(question)


def run(fates: Sequence[Sequence[str]], demand_paced: Sequence[bool], lanes: int) -> tuple[MemorySink, list[object]]:
    clock, sink = SystemClock(), MemorySink()
    units = [a_unit(f"c{n}", seconds=4, demand_paced=paced) for n, paced in enumerate(demand_paced)]
    policy = BatchPolicy(max_wait_s=0.0, max_age_s=inf, depth=1000)
    inbox = FrameInbox(
        {unit.camera: unit.ledger for unit in units}, policy, clock, lanes=lanes,
        demand_paced=frozenset(unit.camera for unit in units if unit.source.demand_paced),
    )  # fmt: skip
    desk = a_desk(SquareDetector())
    doors = Doors([FatefulDoor(f"m{n}", desk, each) for n, each in enumerate(fates)])
    patient = {unit.camera for unit in units if unit.source.demand_paced}
    detector = ApartDetector(
        LABELS, SquareDetector.input_fit, MODEL_HASH, doors, clock, asked_by="north",
        due_s=lambda frame: inf if frame.camera in patient else clock.monotonic() + 30.0,
    )  # fmt: skip
    service = Service(units, inbox, detector, sink, Metrics(clock.monotonic), clock, lanes=lanes, shutdown_s=30.0)
    report = service.run()
    desk.close()
    assert report.clean, report
    return sink, list(units)


@settings(max_examples=25, deadline=None)
@given(
    fates=st.lists(st.lists(st.sampled_from(FATES), max_size=40), min_size=1, max_size=3),
    cameras=st.integers(1, 3),
    lanes=st.integers(1, 3),
)
def test_every_frame_of_a_camera_is_analysed_or_dropped_with_a_reason(
    fates: list[list[str]], cameras: int, lanes: int
) -> None:
    sink, units = run(fates, [False] * cameras, lanes)
    for unit in units:
        counts = unit.ledger.counts()  # type: ignore[attr-defined]
        assert counts.waiting == 0, counts
        assert counts.received == 40
        assert set(counts.dropped) <= {"unanswered", "overload"}
        mine: list[FrameResult] = [r for r in sink.results if r.frame.camera == unit.camera]  # type: ignore[attr-defined]
        assert len(mine) == counts.analysed
        indices = [result.frame.index for result in mine]
        assert indices == sorted(indices)
        for result in mine:  # what was analysed was looked at, by whoever answered
            assert len(result.detections) == 1


@settings(max_examples=10, deadline=None)
@given(
    fates=st.lists(st.lists(st.sampled_from(("answer", "full", "gone", "late")), max_size=6), min_size=1, max_size=2)
)
def test_of_a_recording_that_waits_for_its_consumer_nothing_is_lost_beside_a_camera(fates: list[list[str]]) -> None:
    sink, units = run(fates, [True, False], 1)
    recording, camera = (unit.ledger.counts() for unit in units)  # type: ignore[attr-defined]
    assert (recording.received, recording.analysed, recording.waiting) == (40, 40, 0)
    assert camera.waiting == 0
    assert len([r for r in sink.results if r.frame.camera == "c0"]) == 40


def test_recordings_give_the_alerts_that_they_give_with_the_model_beside_them() -> None:
    clock, sink = SystemClock(), MemorySink()
    units = [a_unit(camera) for camera in ("a", "b", "c")]
    names = frozenset(unit.camera for unit in units)
    ledgers = {unit.camera: unit.ledger for unit in units}
    inbox = FrameInbox(ledgers, BatchPolicy(), clock, demand_paced=names, lanes=3)
    desks = [a_desk(SquareDetector(), lanes=2) for _ in range(2)]
    doors = Doors([FatefulDoor(f"m{n}", desk, ["answer"] * 20 + ["gone"]) for n, desk in enumerate(desks)])
    detector = ApartDetector(
        LABELS, SquareDetector.input_fit, MODEL_HASH, doors, clock, asked_by="north", due_s=lambda _: inf
    )
    service = Service(units, inbox, detector, sink, Metrics(clock.monotonic), clock, lanes=3, shutdown_s=30.0)
    assert service.run().clean
    for unit in units:
        assert [change for change in sink.changes if change.camera == unit.camera] == replayed(unit.camera).changes
        assert unit.ledger.counts().analysed == 140
    for desk in desks:
        desk.close()
