"""A rule that fails, or says what no message can carry, is disabled alone: its camera, and the house, go on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from streamer.alerts.book import CameraAlertBook
from streamer.alerts.policy import AlertPolicy
from streamer.artifacts import OutputSpec
from streamer.assembly.camera import build_pipeline, build_rules_of
from streamer.assembly.moving import MovingCamera
from streamer.cluster.handover import Handover
from streamer.config.load import parse_config
from streamer.detect.detector import load_detector
from streamer.errors import ArtifactError
from streamer.pipeline import CameraPipeline
from streamer.rules.geometry import Zone
from streamer.rules.intrusion import IntrusionRule
from streamer.rules.isolated import innermost, isolated
from streamer.track import KalmanTracker
from streamer.types import AlertChange, Detections, Evidence, Frame, Tracks
from streamer.wire import encode_alert
from tests.fakes import LABELS, a_frame
from tests.onnx_models import graph_of, write_tiny

WHOLE = Zone("all", [(0, 0), (1, 0), (1, 1), (0, 1)])


class Failing:
    """Holds at every frame, until it fails in its own way."""

    name = kind = "odd"

    def __init__(self, at: int, how: Exception | float) -> None:
        self.at, self.how, self.asked = at, how, 0

    def judge(self, frame: Frame, tracks: Tracks) -> Iterable[Evidence]:
        self.asked += 1
        if frame.index >= self.at:
            if isinstance(self.how, Exception):
                raise self.how
            yield Evidence(subject="camera", text="odd", score=self.how)
        yield Evidence(subject="camera", text="odd")

    def reset(self) -> None:
        pass


def person(frame: Frame) -> Detections:
    return Detections(
        np.array([[10, 10, 30, 40]], np.float32), np.array([0.9], np.float32), np.array([0], np.int64), LABELS
    )


def lived(how: Exception | float, frames: int = 80) -> tuple[list[AlertChange], Failing]:
    failing = Failing(20, how)
    rules = isolated([failing, IntrusionRule(name="in", zone=WHOLE)])
    book = CameraAlertBook("gate", {rule.name: AlertPolicy() for rule in rules}, model_hash="m", config_hash="c")
    camera = CameraPipeline(KalmanTracker(LABELS), rules, book)
    changes: list[AlertChange] = []
    for index in range(frames):
        frame = a_frame(index=index)
        changes += camera.judge(camera.follow(frame, person(frame))).changes
    return changes + camera.finish("the end"), failing


@pytest.mark.parametrize("how", [ZeroDivisionError("by 0"), KeyError("x"), math.nan, math.inf])
def test_a_rule_that_fails_is_disabled_with_an_alert_and_the_others_go_on(how: Exception | float) -> None:
    changes, failing = lived(how)
    told = [(change.kind, change.type) for change in changes if change.type != "updated"]
    assert told.count(("camera.rule_failed", "opened")) == 1
    assert told.count(("odd", "opened")) == told.count(("odd", "closed")) == 1  # what it had open ends
    assert told.count(("intrusion", "opened")) == 1
    assert failing.asked == 21  # never again after the frame in which it failed
    [opened] = [c for c in changes if (c.kind, c.type) == ("camera.rule_failed", "opened")]
    assert opened.reason["disabled_rule"] == "odd"
    assert "until its configuration changes" in str(opened.reason["text"])
    assert [encode_alert(change) for change in changes]  # every one of them can be told


def test_a_rule_that_never_fails_says_what_it_says_without_the_wall() -> None:
    changes, _ = lived(0.5)
    assert {change.kind for change in changes} == {"odd", "intrusion"}


CONFIG = """
cameras:
  gate:
    url: rtsp://10.0.0.1/a
    lines: {door: [[0.5, 0], [0.5, 1]]}
    rules: [{name: count, kind: line_crossing, line: door, schedule: [{from: "00:00", to: "23:59"}]}]
"""


def test_every_rule_that_is_built_stands_behind_a_wall_and_the_next_configuration_builds_it_anew() -> None:
    config = parse_config(CONFIG, "c.yaml", {})
    first, second = (build_rules_of(config.cameras["gate"], config) for _ in range(2))
    assert [rule.kind for rule in first][-1] == "camera.rule_failed"
    first[0].failure = "ZeroDivisionError: by 0"  # type: ignore[attr-defined]
    assert [len(list(rules[-1].judge(a_frame(), None))) for rules in (first, second)] == [1, 0]  # type: ignore[arg-type]


def test_counts_of_a_rule_behind_walls_move_with_its_camera(tmp_path: Path) -> None:
    config = parse_config(CONFIG, "c.yaml", {})
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    pipeline = build_pipeline("gate", config.cameras["gate"], config, detector)
    moving = MovingCamera("gate", pipeline, (pipeline._book,))  # type: ignore[arg-type]
    moving.arrive(Handover("gate", 1000.0, "stop", counts={"count": {"forward": 3, "backward": 1}}))
    assert moving.checkpoint(1001.0, "kept").counts == {"count": {"forward": 3, "backward": 1}}
    assert getattr(innermost(pipeline.rules[0]), "forward") == 3  # noqa: B009


def test_a_picture_for_which_the_model_gives_nonsense_counts_as_empty_and_is_counted(tmp_path: Path) -> None:
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    whole = detector._layout.decode

    class Spoiled:
        """The layout, whose outputs fall apart for the second picture of a batch."""

        uses = detector._layout.uses

        def decode(self, tensors: object, picture: int) -> object:
            if picture == 1:
                raise ValueError("operands could not be broadcast together")
            return whole(tensors, picture)  # type: ignore[arg-type]

    detector._layout = Spoiled()  # type: ignore[assignment]
    picture = np.zeros((32, 32, 3), np.uint8)
    found = detector.detect([a_frame(camera, image=picture) for camera in ("a", "b", "c")])
    assert [len(each.scores) > 0 for each in found] == [True, False, True]
    assert detector.timings.spoiled_frames == 1


def test_a_graph_whose_outputs_do_not_fit_together_is_refused_before_anything_runs(tmp_path: Path) -> None:
    boxes, scores = np.ones((5, 7), np.float32), np.full((5, 2), 0.9, np.float32)
    outputs = (
        OutputSpec(name="boxes", dtype="float32", shape=("batch", "n", "width")),
        OutputSpec(name="scores", dtype="float32", shape=("batch", "n", "classes")),
    )
    write_tiny(tmp_path / "tiny", graph_of({"boxes": boxes, "scores": scores}), outputs=outputs)
    with pytest.raises(ArtifactError):
        load_detector(tmp_path / "tiny").warm_up()
