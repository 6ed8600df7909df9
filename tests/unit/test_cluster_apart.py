"""Where the model is on nodes of its own: which these are, that no camera comes there, how many there is time for."""

from __future__ import annotations

import pytest

from streamer.assembly.model import model_here
from streamer.cluster.placement import place
from streamer.cluster.state import Beat
from streamer.config import Config
from streamer.config.model import ModelConfig
from streamer.fleet.apart_places import (
    NO_NODE,
    has_the_model,
    that_read_cameras,
    with_room_at_the_model,
    without_model,
)
from streamer.fleet.wishes import UNMEASURED, demands_of, node_of


def a_config(cameras: int = 4, apart: object = "there", fps: float = 5.0, **high: str) -> Config:
    settings = {"require": ["role=inference"]} if apart == "there" else apart
    named = {
        f"cam{n}": {
            "url": "rtsp://x/y",
            "analyse_fps": fps,
            "decode": "always",
            "priority": high.get(f"cam{n}", "normal"),
        }
        for n in range(cameras)
    }
    return Config.model_validate({"cameras": named, "inference": {"apart": settings}})


def a_beat(node: str, pictures_per_s: float | None = None) -> Beat:
    said = None if pictures_per_s is None else {"pictures_per_s": pictures_per_s}
    return Beat(node=node, count=1, owner=node, pid=1, number=1, cores=8.0, inference=said)


def test_a_node_has_the_model_by_its_labels_and_its_gpu() -> None:
    by_label, by_gpu = a_config(), a_config(apart={"gpu": True})
    assert has_the_model(by_label, ["role=inference", "site=a"], 0)
    assert not has_the_model(by_label, ["site=a"], 1)
    assert has_the_model(by_gpu, [], 1)
    assert not has_the_model(by_gpu, ["role=inference"], 0)
    assert not has_the_model(a_config(apart=None), ["role=inference"], 1)


def test_no_camera_comes_to_a_node_that_answers() -> None:
    config = a_config()
    beats = [a_beat("a"), a_beat("b"), a_beat("m", 1000.0)]
    reading = that_read_cameras(config, beats)
    reference = without_model(UNMEASURED)
    demands, refused = with_room_at_the_model(config, demands_of(config, reference), beats, {})
    placement = place(demands, [node_of(beat, reference, draining=False) for beat in reading], {})
    assert set(placement.assignment.nodes.values()) == {"a", "b"}
    assert refused == {}


def test_a_camera_costs_its_node_no_model_time() -> None:
    config = a_config()
    [with_model, *_], [without, *_] = demands_of(config, UNMEASURED), demands_of(config, without_model(UNMEASURED))
    assert without.cost.cpu == pytest.approx(with_model.cost.cpu - 5.0 * UNMEASURED.model_cpu_s)
    assert without.cost.model == without.cost.gpu == 0.0


def test_the_time_of_the_model_limits_how_many_cameras_come_and_the_important_ones_come_first() -> None:
    config = a_config(6, cam5="high")  # 5 pictures a second each; 0.9 × 20 are planned with
    demands, refused = with_room_at_the_model(config, demands_of(config, UNMEASURED), [a_beat("m", 20.0)], {})
    assert {each.camera for each in demands} == {"cam5", "cam0", "cam1"}
    assert refused["cam2"] == (
        "no room for the model: it asks for 5 pictures a second, and of the 18 that the inference nodes have time for "
        "3 are left"
    )


def test_who_is_watched_stays_so_where_an_inference_node_dies() -> None:
    config = a_config(4)
    now = {f"cam{n}": "a" for n in range(3)}
    for beats in ([a_beat("m", 5.0)], []):
        demands, refused = with_room_at_the_model(config, demands_of(config, UNMEASURED), beats, now)
        assert {each.camera for each in demands} == set(now)
        assert set(refused) == {"cam3"}
    assert refused["cam3"] == NO_NODE


def test_without_apart_nothing_is_different() -> None:
    config = a_config(apart=None)
    beats, demands = [a_beat("a")], demands_of(config, UNMEASURED)
    assert that_read_cameras(config, beats) == beats
    assert with_room_at_the_model(config, demands, beats, {}) == (demands, {})


def test_a_machine_on_its_own_has_the_model_itself_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    config = a_config()
    config = config.model_copy(update={"model": ModelConfig(threads=1, lanes=1)})
    opened = model_here(config)
    assert opened.elsewhere is None
    assert opened.pool.lanes == 1
    assert "inference.apart is for clusters" in caplog.text


def test_a_configuration_must_name_the_nodes_and_one_model_for_all() -> None:
    with pytest.raises(ValueError, match="name the nodes that have the model"):
        a_config(apart={})
    with pytest.raises(ValueError, match="name the int8 one"):
        Config.model_validate({
            "cameras": {"gate": {"url": "rtsp://x/y"}},
            "model": {"precision": "fastest"},
            "inference": {"apart": {"gpu": True}},
        })  # fmt: skip
