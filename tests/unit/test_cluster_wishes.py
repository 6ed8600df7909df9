"""What placement is asked: out of a configuration and what nodes say of themselves."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from streamer.cluster.placement import place
from streamer.cluster.state import Beat
from streamer.config import Config
from streamer.config.load import parse_config
from streamer.errors import ConfigError
from streamer.fleet.wishes import UNMEASURED, demands_of, node_of, reference_of

TEXT = """
redis: {url: "redis://127.0.0.1/0"}
cameras:
  gate: {url: "rtsp://10.0.0.1/1", priority: high, node: {require: ["site=berlin"]}}
  yard: {url: "rtsp://10.0.0.2/1", analyse_fps: 2, node: {prefer: ["floor=2"], gpu: true}}
"""


def configured(text: str = TEXT) -> Config:
    return parse_config(text, "c.yaml")


def beat(name: str, **what: object) -> Beat:
    return replace(Beat(name, 1, f"{name}/uuid", 1, 1, cores=4.0), **what)  # type: ignore[arg-type]


def test_wishes_of_cameras_reach_placement() -> None:
    gate, yard = demands_of(configured(), UNMEASURED)
    assert gate.required == {"site=berlin"}
    assert gate.priority > yard.priority
    assert yard.preferred == {"floor=2"}
    assert yard.needs_gpu
    assert gate.cost.cpu > yard.cost.cpu > 0  # five pictures a second against two


def test_a_label_that_is_none_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"c.yaml:4.*node.require"):
        configured(TEXT.replace("site=berlin", "berlin"))


def test_cameras_go_where_their_labels_are_and_are_named_where_there_are_none() -> None:
    beats = [beat("a", labels=("site=berlin",)), beat("b", gpus=1), beat("c")]
    nodes = [node_of(each, UNMEASURED, draining=False) for each in beats]
    demands = demands_of(configured(), reference_of(beats))
    assert place(demands, nodes).assignment.nodes == {"gate": "a", "yard": "b"}
    [drained] = [replace(node, draining=True) for node in nodes if node.id == "a"]
    told = place(demands, [drained, *nodes[1:]]).assignment
    assert "draining" in told.unplaced["gate"]


def test_a_measured_node_is_compared_by_what_was_measured() -> None:
    slow = replace(UNMEASURED, decode_s=2 * UNMEASURED.decode_s, demux_s=2 * UNMEASURED.demux_s,
                   picture_s=2 * UNMEASURED.picture_s, model_cpu_s=2 * UNMEASURED.model_cpu_s, cores=4)  # fmt: skip
    beats = [beat("fast", rates=asdict(replace(UNMEASURED, cores=4))), beat("slow", rates=asdict(slow))]
    reference = reference_of(beats)
    fast_node, slow_node = (node_of(each, reference, draining=False) for each in beats)
    assert fast_node.capacity.cpu == pytest.approx(2 * slow_node.capacity.cpu)
