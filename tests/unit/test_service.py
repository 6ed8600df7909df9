"""The threaded service does what the pipeline does, and when a part of it dies, it says so and ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from streamer.alerts.book import CameraAlertBook
from streamer.alerts.policy import AlertPolicy
from streamer.camera_unit import CameraUnit
from streamer.clock import SystemClock
from streamer.coverage import Coverage
from streamer.inbox import BatchPolicy, FrameInbox
from streamer.ledger import CameraState, CameraStatus, FrameLedger
from streamer.pipeline import CameraPipeline, replay
from streamer.presence import Presence
from streamer.rules.geometry import Zone
from streamer.rules.loitering import LoiteringRule
from streamer.service import Service
from streamer.sleep_book import SleepBook
from streamer.stages import BehaviourModel
from streamer.surroundings import Surroundings
from streamer.telemetry.metrics import Metrics
from streamer.track import KalmanTracker
from streamer.track.stitch import StitchingTracker
from streamer.types import AlertChange, BehaviourScores, Detections, Frame, FrameResult, Tracks
from tests.fakes import LABELS, MemorySink, SquareDetector, SquareWorld

WHOLE = Zone("all", [(0, 0), (1, 0), (1, 1), (0, 1)])


def a_pipeline(camera: str, tracker: object = None) -> CameraPipeline:
    tracker = tracker or StitchingTracker(KalmanTracker(LABELS))
    rule = LoiteringRule(name="stays", zone=WHOLE, dwell_s=3.0)
    book = CameraAlertBook(camera, {"stays": AlertPolicy()}, model_hash="m", config_hash="c")
    return CameraPipeline(tracker, [rule], book)


class QuietLink:
    """A link watch that says one thing when it ends."""

    def tick(self, state: CameraState, now_s: float, now: float) -> list[AlertChange]:
        return []

    def finish(self, why: str) -> list[AlertChange]:
        return []


def a_unit(camera: str, pipeline: CameraPipeline | None = None, **world: object) -> CameraUnit:
    ledger = FrameLedger(camera)
    return CameraUnit(
        SquareWorld(camera, ledger, **world),
        pipeline or a_pipeline(camera),
        QuietLink(),
        around(ledger),
        Coverage(0.0, 1.0),
    )


def around(ledger: FrameLedger) -> Surroundings:
    return Surroundings(ledger, CameraStatus(ledger.camera, 0.0), SleepBook(ledger.camera), presence=Presence())


def a_service(
    units: Sequence[CameraUnit],
    sink: MemorySink,
    detector: SquareDetector | None = None,
    shutdown_s: float = 5.0,
    behaviour: BehaviourModel | None = None,
) -> Service:
    clock = SystemClock()
    demand_paced = frozenset(u.camera for u in units if u.source.demand_paced)
    inbox = FrameInbox({u.camera: u.ledger for u in units}, BatchPolicy(), clock, demand_paced=demand_paced)
    return Service(
        units,
        inbox,
        detector or SquareDetector(),
        sink,
        Metrics(clock.monotonic),
        clock,
        behaviour=behaviour,
        shutdown_s=shutdown_s,
    )


class CountsFrames:
    """A temporal model that says of every track how many frames of its camera it has been shown."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def score(self, seen: Sequence[tuple[Frame, Detections, Tracks]]) -> list[BehaviourScores]:
        assert len({frame.camera for frame, _, _ in seen}) == len(seen)
        return [self._one(frame.camera, len(tracks)) for frame, _, tracks in seen]

    def _one(self, camera: str, m: int) -> BehaviourScores:
        self._seen[camera] = n = self._seen.get(camera, 0) + 1
        return BehaviourScores(
            labels=("seen",),
            probs=np.full((m, 1), n, np.float32),
            anomaly=np.zeros(m, np.float32),
            attention=np.zeros((m, 0), np.float32),
            step_s=0.2,
            unusual=((),) * m,
        )


def replayed(camera: str, behaviour: BehaviourModel | None = None) -> MemorySink:
    sink = MemorySink()
    replay(SquareWorld(camera, FrameLedger(camera)), SquareDetector(), a_pipeline(camera), sink, behaviour)
    return sink


def test_tracks_carry_what_a_temporal_model_says_with_and_without_threads():
    alone, sink = replayed("a", CountsFrames()), MemorySink()
    a_service([a_unit("a"), a_unit("b")], sink, behaviour=CountsFrames()).run()
    for results in (alone.results, [result for result in sink.results if result.frame.camera == "a"]):
        said = [result.tracks.behaviour.probs[:, 0].tolist() for result in results]
        assert said == [[n + 1.0] * len(result.tracks) for n, result in enumerate(results)]
        assert any(said)


def test_frame_to_alert():
    changes = replayed("gate").changes
    assert [change.type for change in changes if change.type != "updated"] == ["opened", "closed"]
    assert changes[0].at - changes[0].started_at < 0.2
    assert 3.0 <= changes[0].media_s <= 3.5


def test_replay_twice_is_the_same():
    assert replayed("gate").changes == replayed("gate").changes


def test_threads_change_nothing():
    units = [a_unit(camera) for camera in ("a", "b", "c")]
    sink = MemorySink()
    report = a_service(units, sink).run()
    assert report.clean
    assert sink.closed
    for unit in units:
        counts = unit.ledger.counts()
        assert (counts.received, counts.analysed, counts.waiting) == (140, 140, 0)
        assert [c for c in sink.changes if c.camera == unit.camera] == replayed(unit.camera).changes
        frames = [r.frame.index for r in sink.results if r.frame.camera == unit.camera]
        assert frames == list(range(140))


def test_a_source_is_closed_by_the_thread_that_opened_it():
    unit = a_unit("gate")
    a_service([unit], MemorySink()).run()
    assert unit.source.closed_on == "capture:gate"


def test_a_camera_that_fails_leaves_its_neighbours_alone():
    broken, sound = a_unit("broken", fail_at=7), a_unit("sound")
    sink = MemorySink()
    report = a_service([broken, sound], sink).run()
    assert report.clean
    assert "the decoder fell over" in report.cameras["broken"]
    assert [c for c in sink.changes if c.camera == "sound"] == replayed("sound").changes
    assert broken.ledger.counts().analysed == 7


def test_a_dead_stage_stops_the_house_and_says_why():
    sink = MemorySink()
    unit = a_unit("gate")
    service = a_service([unit], sink, SquareDetector(fail_at=5))
    report = service.run()
    assert list(report.failed) == ["infer"]
    assert "boom" in str(report.failed["infer"])
    assert len(sink.results) == 4  # what was already seen is still delivered
    assert sink.closed
    assert unit.ledger.counts().waiting == 0
    assert service.live().details["dead_stages"]


class BrokenTracker:
    """Fails at its third frame."""

    def __init__(self) -> None:
        self._n = 0

    def update(self, detections: object, at_s: float) -> None:
        self._n += 1
        if self._n == 3:
            raise ArithmeticError("the tracker fell over")
        return StitchingTracker(KalmanTracker(LABELS)).update(detections, at_s)

    def reset(self) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize("stage", ["analyse", "publish"])
def test_a_dead_stage_behind_full_queues_does_not_hang_the_end(stage):
    pipeline = a_pipeline("gate", BrokenTracker()) if stage == "analyse" else None
    units = [a_unit("gate", pipeline), a_unit("door")]
    report = a_service(units, MemorySink(fail=stage == "publish")).run()
    assert list(report.failed) == [stage]
    assert report.hung == ()


class StuckWorld(SquareWorld):
    """Ignores every request to stop, as a native call can."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.released = threading.Event()
        self.stuck = threading.Event()

    def frames(self):
        yield from super().frames()
        self.stuck.set()
        self.released.wait()


def test_a_hung_camera_is_named_and_left_behind():
    ledger = FrameLedger("stuck")
    world = StuckWorld("stuck", ledger, seconds=1)
    unit = CameraUnit(world, a_pipeline("stuck"), QuietLink(), around(ledger), Coverage(0.0, 1.0))
    sink = MemorySink()
    service = a_service([unit], sink, shutdown_s=0.3)
    threading.Thread(target=lambda: (world.stuck.wait(), service.stop()), daemon=True).start()
    report = service.run()
    world.released.set()
    assert report.hung == ("capture:stuck",)
    assert sink.closed


class WatchedSink(MemorySink):
    """Tells when the first alert has come."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()

    def publish(self, result: FrameResult) -> None:
        super().publish(result)
        if result.changes:
            self.opened.set()


def test_what_is_open_when_the_service_stops_is_closed_and_says_so():
    ledger = FrameLedger("gate")
    world = StuckWorld("gate", ledger, seconds=6)
    unit = CameraUnit(world, a_pipeline("gate"), QuietLink(), around(ledger), Coverage(0.0, 1.0))
    sink = WatchedSink()
    service = a_service([unit], sink)

    def stop_in_the_middle() -> None:
        sink.opened.wait()
        service.stop()
        world.released.set()

    threading.Thread(target=stop_in_the_middle, daemon=True).start()
    service.run()
    assert [change.type for change in sink.changes if change.type != "updated"] == ["opened", "closed"]
    assert sink.changes[-1].reason["closed_because"] == "the service stopped"
    assert ledger.counts().waiting == 0
