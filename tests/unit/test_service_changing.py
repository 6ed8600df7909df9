"""Cameras come and go while the service runs: what they sent is accounted for, and nobody else loses anything."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from streamer.camera_unit import CameraUnit
from streamer.clock import SystemClock
from streamer.errors import ServiceOver
from streamer.inbox import BatchPolicy, FrameInbox
from streamer.ledger import CameraState, FrameLedger
from streamer.service import Service, ServiceReport
from streamer.telemetry.metrics import Metrics
from streamer.types import AlertChange, Frame
from tests.crew import eventually
from tests.fakes import MemorySink, SquareDetector, SquareWorld
from tests.unit.test_service import a_pipeline, a_unit

WAITS_S = 30.0


class Endless(SquareWorld):
    """A live camera whose square stands there for ever; a test may hold it up, and counts what it sent."""

    def __init__(self, camera: str, ledger: FrameLedger, session: str = "live", every_s: float = 0.01) -> None:
        super().__init__(camera, ledger, seconds=1e9, demand_paced=False)
        self._session, self._every_s = session, every_s
        self.sent = 0
        self.ignores_close = False
        self.released = threading.Event()

    def frames(self) -> Generator[Frame, None, None]:
        for frame in super().frames():
            self.sent += 1
            yield replace(frame, session=self._session, received_s=time.monotonic())
            self._stop.wait(self._every_s)
        if self.ignores_close:
            self.released.wait(WAITS_S)


class StrictLink:
    """Dies where it is asked after its end."""

    def __init__(self) -> None:
        self.ended = ""

    def tick(self, state: CameraState, now_s: float, now: float) -> list[AlertChange]:
        assert not self.ended
        return []

    def finish(self, why: str) -> list[AlertChange]:
        self.ended = why
        return []


def endless(camera: str, session: str = "live", **world: object) -> CameraUnit:
    unit = a_unit(camera)
    return replace(unit, source=Endless(camera, unit.ledger, session, **world), link=StrictLink())


def a_service(units: Sequence[CameraUnit], sink: MemorySink, detector: SquareDetector | None = None) -> Service:
    """One that a busy machine does not make late."""
    clock = SystemClock()
    inbox = FrameInbox(
        {unit.camera: unit.ledger for unit in units},
        BatchPolicy(max_age_s=600, depth=1_000_000),
        clock,
        demand_paced=frozenset(unit.camera for unit in units if unit.source.demand_paced),
        lanes=2,
    )
    return Service(units, inbox, detector or SquareDetector(), sink, Metrics(clock.monotonic), clock, lanes=2)


@contextmanager
def running(service: Service) -> Iterator[list[ServiceReport]]:
    """The service on a thread of its own; the report is there afterwards."""
    reports: list[ServiceReport] = []
    thread = threading.Thread(target=lambda: reports.append(service.run()))
    thread.start()
    eventually(lambda: service.live().ok or reports)
    try:
        yield reports
    finally:
        service.stop()
        thread.join(WAITS_S)
        assert not thread.is_alive()


class Seen(MemorySink):
    """Lets tests wait for what comes."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def publish(self, result: object) -> None:
        with self._changed:
            super().publish(result)
            self._changed.notify_all()

    def announce(self, changes: object) -> None:
        with self._changed:
            super().announce(changes)
            self._changed.notify_all()

    def of(self, camera: str, session: str | None = None) -> list[int]:
        return [
            result.frame.index
            for result in list(self.results)
            if result.frame.camera == camera and session in (None, result.frame.session)
        ]

    def wait_for(self, claim: object) -> None:
        with self._changed:
            assert self._changed.wait_for(claim, WAITS_S)


def balanced(unit: CameraUnit) -> bool:
    counts = unit.ledger.counts()
    assert counts.waiting == 0
    return counts.received == counts.analysed + sum(counts.dropped.values()) + sum(counts.skipped.values())


def test_a_camera_that_comes_is_analysed_and_one_that_goes_is_closed_with_the_reason():
    stays, goes = endless("stays"), endless("goes")
    sink = Seen()
    service = a_service([stays, goes], sink)
    with running(service):
        sink.wait_for(lambda: any(change.camera == "goes" for change in sink.changes))
        service.remove("goes", "the camera was removed")
        closed = [change for change in sink.changes if change.camera == "goes"][-1]
        assert (closed.type, closed.reason["closed_because"]) == ("closed", "the camera was removed")
        assert goes.link.ended == "the camera was removed"
        assert balanced(goes)
        assert goes.ledger.counts().analysed == len(sink.of("goes"))
        assert set(service.ready().details["cameras"]) == {"stays"}
        comes = endless("comes")
        service.add(comes)
        assert set(service.ready().details["cameras"]) == {"stays", "comes"}
        sink.wait_for(lambda: len(sink.of("comes")) > 3)
        assert not stays.link.ended
    assert balanced(stays)
    assert balanced(comes)
    assert sink.of("stays") == sorted(sink.of("stays"))


def test_a_camera_may_come_back_under_its_name_with_new_books():
    sink = Seen()
    service = a_service([endless("gate", "first")], sink)
    with running(service):
        sink.wait_for(lambda: len(sink.of("gate", "first")) > 3)
        service.remove("gate", "its configuration was changed")
        known = len(sink.results)
        service.add(again := endless("gate", "second"))
        sink.wait_for(lambda: len(sink.of("gate", "second")) > 3)
        assert {result.frame.session for result in sink.results[known:]} == {"second"}
        assert [unit.ledger for unit in service.cameras] == [again.ledger]


def test_two_cameras_of_one_name_are_refused_and_so_is_the_removal_of_one_that_is_not_there():
    service = a_service([endless("gate")], Seen())
    with running(service):
        with pytest.raises(ValueError, match="'gate' is there already"):
            service.add(endless("gate"))
        with pytest.raises(LookupError, match="no camera 'door'"):
            service.remove("door", "why not")


def test_a_source_that_does_not_end_is_left_behind_and_its_name_can_be_used_again():
    stuck = endless("gate", "first")
    stuck.source.ignores_close = True
    sink = Seen()
    service = a_service([stuck], sink)
    with running(service):
        sink.wait_for(lambda: len(sink.of("gate")) > 3)
        service.remove("gate", "the camera was removed", within_s=0.1)
        assert balanced(stuck)
        service.add(again := endless("gate", "second"))
        sink.wait_for(lambda: len(sink.of("gate", "second")) > 3)
        stuck.source.released.set()
    assert balanced(stuck)
    assert balanced(again)


def test_a_camera_that_failed_can_be_replaced_and_is_no_longer_told_of():
    sink = Seen()
    broken = a_unit("gate", fail_at=7)
    service = a_service([broken, endless("yard")], sink)
    with running(service) as reports:
        sink.wait_for(lambda: len(sink.of("gate")) == 7)
        service.remove("gate", "its configuration was changed")
        assert balanced(broken)
        service.add(endless("gate", "second"))
        sink.wait_for(lambda: len(sink.of("gate", "second")) > 3)
    assert reports[0].cameras == {}


def test_a_service_whose_last_camera_was_removed_waits_for_another():
    sink = Seen()
    service = a_service([endless("gate")], sink)
    with running(service) as reports:
        service.remove("gate", "the camera was removed")
        assert service.cameras == ()
        assert service.ready().ok
        service.add(endless("door"))
        sink.wait_for(lambda: len(sink.of("door")) > 3)
        assert not reports
    assert reports[0].clean


def test_recordings_that_have_all_ended_end_the_service_and_one_that_is_removed_does_not():
    sink = Seen()
    service = a_service([a_unit("file"), endless("gate")], sink)
    with running(service) as reports:
        service.remove("gate", "the camera was removed")
        sink.wait_for(lambda: len(sink.of("file")) == 140)
    assert reports[0].clean  # whichever of the two was the last, it ended

    service = a_service([a_unit("file")], sink := Seen())
    report = service.run()
    assert report.clean
    with pytest.raises(ServiceOver):
        service.add(endless("late"))


def test_while_cameras_are_still_to_come_the_end_of_all_recordings_is_not_the_end():
    sink = Seen()
    service = a_service([a_unit("file")], sink)
    held = contextlib.ExitStack()
    held.enter_context(service.held_open())
    with running(service) as reports:
        sink.wait_for(lambda: len(sink.of("file")) == 140)
        service.add(a_unit("second"))
        held.close()
        sink.wait_for(lambda: len(sink.of("second")) == 140)
    assert reports[0].clean
    assert len(sink.of("file")) == len(sink.of("second")) == 140


def test_other_rules_take_over_between_two_frames_and_who_is_followed_stays_followed():
    unit = endless("gate")
    sink = Seen()
    service = a_service([unit], sink)
    with running(service):
        sink.wait_for(lambda: any(change.type == "opened" for change in sink.changes))
        other = a_pipeline("gate")
        service.judge_anew("gate", other._rules, other._book, StrictLink(), "its configuration was changed")
        closed = sink.changes[-1]
        assert (closed.type, closed.reason["closed_because"]) == ("closed", "its configuration was changed")
        assert unit.link.ended == "its configuration was changed"
        sink.wait_for(lambda: sum(change.type == "opened" for change in sink.changes) == 2)
    opened = [change for change in sink.changes if change.type == "opened"]
    assert opened[0].track_ids == opened[1].track_ids
    assert opened[0].session == opened[1].session
    assert opened[0].id != opened[1].id
    assert balanced(unit)
    indices = sink.of("gate")
    assert indices == sorted(indices)


def test_a_removal_that_meets_the_end_of_the_service_returns():
    units = [endless(f"c{n}") for n in range(8)]
    service = a_service(units, Seen())
    removers = [
        threading.Thread(target=lambda n=n: service.remove(f"c{n}", "the camera was removed")) for n in range(4)
    ]
    with running(service):
        for thread in removers:
            thread.start()
    for thread in removers:
        thread.join(WAITS_S)
        assert not thread.is_alive()
    assert all(balanced(unit) for unit in units)


def test_a_dead_stage_does_not_hold_up_who_removes_a_camera():
    unit = endless("gate")
    service = a_service([unit], MemorySink(), SquareDetector(fail_at=5))
    with running(service) as reports:
        service._ending.wait(WAITS_S)
        try:
            service.remove("gate", "the camera was removed")
        except LookupError:
            pytest.fail("a camera of a dying service is still one")
    assert {name.partition(":")[0] for name in reports[0].failed} == {"infer"}
    assert unit.ledger.counts().waiting == 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_and_goes_in_whatever_order_every_frame_is_accounted_for(seed):
    rng = random.Random(seed)
    everybody = [endless("stays", every_s=0.02)]
    there: dict[str, CameraUnit] = {}
    sink = Seen()
    service = a_service(everybody[:], sink)
    threads = threading.active_count()
    with running(service):
        for step in range(40):
            name = f"c{rng.randrange(5)}"
            match rng.choice(["add", "add", "remove", "judge", "change"]):
                case "remove" if name in there:
                    service.remove(name, "the camera was removed")
                    assert balanced(gone := there.pop(name))
                    assert gone.ledger.counts().dropped == {}
                case "judge" if name in there:
                    other = a_pipeline(name)
                    service.judge_anew(name, other._rules, other._book, StrictLink(), "changed")
                case "change" | "add":
                    if name in there:
                        service.remove(name, "its configuration was changed")
                        assert balanced(there[name])
                    recording = rng.random() < 0.3
                    there[name] = a_unit(name) if recording else endless(name, f"s{step}", every_s=0.01)
                    everybody.append(there[name])
                    service.add(there[name])
            if rng.random() < 0.5:
                seen = len(sink.of("stays"))
                sink.wait_for(lambda seen=seen: len(sink.of("stays")) > seen)
    assert threading.active_count() <= threads
    assert all(balanced(unit) for unit in everybody)
    assert everybody[0].ledger.counts().dropped.keys() <= {"shutdown"}
    assert sum(unit.ledger.counts().analysed for unit in everybody) == len(sink.results)
    stays = sink.of("stays")
    assert stays == list(range(len(stays)))
