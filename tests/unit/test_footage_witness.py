"""An alert's clip is told of exactly once: in the next change where one follows, in one of its own where none does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.clock import SystemClock
from streamer.errors import SinkUnavailable
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.keeper import FootageKeeper, Keep
from streamer.footage.witness import Witness
from streamer.footage.writer import FootageWriter
from streamer.types import AlertChange, FrameResult
from tests.alert_lives import next_change, result
from tests.clips import write_clip
from tests.footage import EPOCH, alert, show


class Told:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.changes: list[AlertChange] = []
        self.away = self.closed = False

    def publish(self, result: FrameResult) -> None:
        self.announce(result.changes)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        if self.away:
            raise SinkUnavailable("away")
        self.changes += changes

    def close(self) -> None:
        self.closed = True

    @property
    def lines(self) -> list[tuple[str, int, bool]]:
        return [(change.type, change.seq, change.clip is not None) for change in self.changes]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("v") / "v.mp4", frames=200, gop=20, strict_gop=True, size_wh=(64, 48))


class Scene:
    """A witness over one camera, whose writer works when it is told to."""

    def __init__(self, folder: Path, video: Path, limits: ClipLimits | None = None) -> None:
        self.camera = CameraFootage("gate", folder, clips=limits or ClipLimits(1.0, 1.0, 60.0))
        self.told, self.evidence = Told(), []
        self.writer = FootageWriter([self.camera], lambda: None, every_s=3600.0)
        keep = Keep(1, 10**9)
        self.keeper = FootageKeeper(folder, clips=keep, recordings=keep, clock=SystemClock())
        self.writer.start()
        self.keeper.start()
        self.witness = Witness(
            self.told, {"gate": self.camera}, self.writer, self.keeper, on_evidence=self.evidence.append
        )
        show(self.camera, video, close=False)

    def goes_on(self, video: Path) -> None:
        """Packets after the end of every alert."""
        self.camera.closed()
        self.camera.write()


def test_a_clip_that_is_complete_after_the_end_comes_as_evidence(tmp_path: Path, video: Path) -> None:
    scene = Scene(tmp_path, video)
    opened = alert("a", 3.0)
    closed = next_change(next_change(opened, "updated"), "closed")
    scene.witness.publish(result((opened,)))
    scene.witness.publish(result((next_change(opened, "updated"),)))
    scene.witness.announce([closed])
    assert scene.told.lines == [("opened", 1, False), ("updated", 2, False), ("closed", 3, False)]
    scene.goes_on(video)
    assert scene.told.lines[3:] == [("evidence", 4, True)]
    evidence = scene.told.changes[-1]
    assert evidence == replace(closed, seq=4, type="evidence", clip=evidence.clip)
    assert scene.evidence == [evidence]
    assert evidence.clip is not None
    assert (tmp_path / evidence.clip.path).is_file()
    scene.witness.close()
    assert scene.told.closed
    assert len(scene.told.changes) == 4


def test_a_clip_that_is_complete_while_the_alert_goes_on_travels_in_every_change_from_then_on(
    tmp_path: Path, video: Path
) -> None:
    scene = Scene(tmp_path, video, ClipLimits(1.0, 1.0, 2.0))
    opened = alert("a", 3.0)
    updated = next_change(opened, "updated")
    scene.witness.publish(result((opened,)))
    scene.camera.write()
    scene.witness.publish(result((updated,)))
    scene.witness.announce([next_change(updated, "closed")])
    scene.goes_on(video)
    scene.witness.close()
    assert scene.told.lines == [("opened", 1, False), ("updated", 2, True), ("closed", 3, True)]
    assert scene.evidence == []


def test_alerts_without_a_picture_have_no_clip(tmp_path: Path, video: Path) -> None:
    scene = Scene(tmp_path, video)
    offline = alert("link", 3.0, kind="camera.offline")
    scene.witness.announce([offline])
    scene.witness.announce([next_change(offline, "closed")])
    scene.goes_on(video)
    scene.witness.close()
    assert scene.told.lines == [("opened", 1, False), ("closed", 2, False)]
    assert not (tmp_path / "clips").exists()


def test_an_alert_of_a_moment_has_a_clip_too(tmp_path: Path, video: Path) -> None:
    scene = Scene(tmp_path, video)
    opened = alert("a", 5.5)
    scene.witness.publish(result((opened, replace(opened, seq=2, type="closed"))))
    scene.camera.write()
    assert [line for line in scene.told.lines if line[2]] == [("evidence", 3, True)]
    clip = scene.told.changes[-1].clip
    assert clip is not None
    assert clip.from_at <= EPOCH + 4.5
    assert EPOCH + 7.5 <= clip.to_at <= EPOCH + 7.6  # it was seen a second after it began


def test_a_stop_tells_of_the_clips_that_are_open(tmp_path: Path, video: Path) -> None:
    scene = Scene(tmp_path, video)
    opened = alert("a", 7.0)
    scene.witness.publish(result((opened,)))
    scene.witness.announce([next_change(opened, "closed")])
    scene.witness.close()
    assert scene.told.lines == [("opened", 1, False), ("closed", 2, False), ("evidence", 3, True)]
    assert scene.told.closed


def test_a_clip_that_cannot_be_told_of_does_not_end_the_writer(
    tmp_path: Path, video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(tmp_path, video)
    opened = alert("a", 3.0)
    scene.witness.publish(result((opened,)))
    scene.witness.announce([next_change(opened, "closed")])
    scene.told.away = True
    scene.goes_on(video)
    assert "the clip of alert a is there and cannot be told of: away" in caplog.text
    scene.told.away = False
    scene.witness.close()


def test_one_camera_whose_footage_fails_with_a_bug_harms_no_other(
    tmp_path: Path, video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(CameraFootage):
        def write(self) -> None:
            raise RuntimeError("a bug")

    broken = Broken("broken", tmp_path, clips=ClipLimits(1, 1, 60))
    sound = CameraFootage("gate", tmp_path, clips=ClipLimits(1, 1, 60))
    done: dict[str, object] = {}
    finished = threading.Event()
    for camera in (broken, sound):
        show(camera, video)
        camera.begin(
            alert("a", 3.0, camera=camera.camera), lambda clip, name=camera.camera: done.__setitem__(name, clip)
        )
    writer = FootageWriter([broken, sound], finished.set, every_s=0.01)
    writer.start()
    assert writer.close(10.0)
    assert done["broken"] is None
    assert done["gate"] is not None
    assert writer.worker.error is None
    assert "will not come back before a restart" in caplog.text
    assert ("streamer_footage_failures_total", ("broken", "internal"), 1.0) in list(broken.rows())


@given(steps=st.lists(st.sampled_from(["updated", "closed", "write", "limit"]), max_size=6), most=st.booleans())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_in_whatever_order_things_happen_seqs_rise_by_one_and_the_clip_is_told_of(
    tmp_path_factory: pytest.TempPathFactory, video: Path, steps: list[str], most: bool
) -> None:
    scene = Scene(tmp_path_factory.mktemp("s"), video, ClipLimits(1.0, 1.0, 2.0 if most else 60.0))
    last = alert("a", 3.0)
    scene.witness.publish(result((last,)))
    for step in [*steps, "closed", "write"]:
        if step == "write":
            scene.camera.write()
        elif step == "limit":
            scene.camera.closed()
        elif last.type != "closed":
            last = next_change(last, step)  # type: ignore[arg-type]
            scene.witness.announce([last])
    scene.witness.close()
    changes = scene.told.changes
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    assert [change.type for change in changes].count("closed") == 1
    clips = [change.clip for change in changes]
    assert clips[-1] is not None
    first = next(i for i, clip in enumerate(clips) if clip is not None)
    assert all(clip == clips[-1] for clip in clips[first:])  # once told, always told
    assert "evidence" not in [change.type for change in changes[:-1]]
