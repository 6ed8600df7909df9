"""Which heads look at which cameras: a look costs, so it is taken where a rule asks for it."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.assembly.behaviour import check_behaviour, open_behaviour
from streamer.behaviour.scene_features import SCENE_FEATURES
from streamer.config import Config
from streamer.detect import OnnxDetector, load_detector
from streamer.errors import ConfigError
from streamer.types import Detections, Tracks
from streamer.zoo import bundled_model
from tests.behaviour_heads import TinyNet, write_tiny_head
from tests.fakes import a_frame

PEOPLE = ("person",)
NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), PEOPLE)


@pytest.fixture(scope="module")
def detector() -> OnnxDetector:
    return load_detector(bundled_model())


def a_config(tmp_path, behaviour=None, **rules) -> Config:
    cameras = {
        name: {"url": "rtsp://192.0.2.1/", "zones": {"yard": [[0, 0], [1, 0], [1, 1]]}, "rules": [rule] if rule else []}
        for name, rule in rules.items()
    }
    return Config.model_validate({"cameras": cameras, "data_dir": str(tmp_path), "behaviour": behaviour or {}})


def looked_at(heads, cameras) -> dict[str, tuple[bool, bool]]:
    """Camera → whether the track head, and the scene head, looked."""
    told = heads.score([(a_frame(name), NOTHING, Tracks.none(PEOPLE)) for name in cameras])
    return {name: (bool(each.labels), each.scene is not None) for name, each in zip(cameras, told, strict=True)}


CAMERAS = {
    "bare": None,
    "zone": {"name": "in", "kind": "intrusion", "zone": "yard"},
    "falls": {"name": "fall", "kind": "behaviour.fallen"},
    "odd": {"name": "odd", "kind": "behaviour.anomaly"},
    "fights": {"name": "fight", "kind": "behaviour.fighting"},
    "corner": {"name": "fight", "kind": "behaviour.fighting", "zone": "yard"},
}


def test_heads_look_where_a_rule_needs_them(tmp_path, detector):
    heads = open_behaviour(a_config(tmp_path, **CAMERAS), detector)
    assert looked_at(heads, CAMERAS) == {
        "bare": (False, False),
        "zone": (False, False),
        "falls": (True, False),
        "odd": (True, False),
        "fights": (True, True),
        "corner": (True, False),
    }


@pytest.mark.parametrize("by", ["setting", "command"])
def test_or_everywhere(tmp_path, detector, by):
    config = a_config(tmp_path, {"everywhere": True} if by == "setting" else None, **CAMERAS)
    heads = open_behaviour(config, detector, everywhere=by == "command")
    assert set(looked_at(heads, CAMERAS).values()) == {(True, True)}


@pytest.mark.parametrize(("learned_from", "looks"), [((), True), (("0" * 64,), False)])
def test_a_scene_head_rests_only_where_it_learned_from_another_detector(tmp_path, detector, learned_from, looks):
    n = len(SCENE_FEATURES)
    graph = TinyNet(n, n, probs=2).graph("scene")
    write_tiny_head(
        tmp_path / "scene", graph=graph, task="scene", features=SCENE_FEATURES, predicted=SCENE_FEATURES,
        labels=("fight", "peace"), embedding_of=learned_from,
    )  # fmt: skip
    heads = open_behaviour(a_config(tmp_path, {"scene": str(tmp_path / "scene")}, **CAMERAS), detector)
    assert looked_at(heads, ["fights"]) == {"fights": (True, looks)}


def test_where_no_rule_asks_no_head_is_opened(tmp_path, detector):
    assert open_behaviour(a_config(tmp_path, bare=None, zone=CAMERAS["zone"]), detector) is None


def test_a_rule_whose_head_is_switched_off_is_named_with_what_to_do(tmp_path):
    config = a_config(tmp_path, {"track": None}, **CAMERAS)
    with pytest.raises(ConfigError) as caught:
        check_behaviour(config, "cameras.yaml")
    rules = [("falls", "fall", "fallen"), ("odd", "odd", "anomaly"), ("corner", "fight", "fighting")]
    assert caught.value.problems == tuple(
        f"cameras.yaml: cameras.{camera}.rules.{name}: behaviour.{kind} needs behaviour.track, which is null: "
        "name a head, or take it out"
        for camera, name, kind in rules
    )
    check_behaviour(a_config(tmp_path, **CAMERAS), "cameras.yaml")


def test_a_head_that_is_switched_off_looks_nowhere(tmp_path, detector):
    heads = open_behaviour(a_config(tmp_path, {"scene": None}, **CAMERAS), detector)
    assert looked_at(heads, ["fights"]) == {"fights": (True, False)}
