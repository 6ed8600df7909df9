"""Nodes of a cluster as processes, real RTSP cameras, a real Redis: killed, cut off, joined, drained, configured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from streamer.cli import main
from streamer.clock import SystemClock
from streamer.cluster.state import ClusterState
from streamer.fleet.placing import Placing
from tests.fleet import (
    STAYS,
    Fleet,
    broken,
    cluster_config,
    interleaved,
    is_settled,
    lives,
    rtsp_cameras,
    wait_for,
    watched,
)
from tests.living import follow, published
from tests.redis_server import RedisServer

CAMERAS = ["cam0", "cam1", "cam2", "cam3"]
pytestmark = [pytest.mark.needs("debian"), pytest.mark.timeout(400)]


class Cluster:
    """A fleet of two nodes that watches four cameras, each with an alert that stays open."""

    def __init__(self, fleet: Fleet, url: str, config: Path) -> None:
        self.fleet, self.state, self.url, self.config = fleet, fleet.state, url, config

    def all_watched(self, *among: str) -> dict[str, str]:
        return watched(
            wait_for(
                self.state,
                lambda s: is_settled(s, len(CAMERAS), among),
                f"all are watched, and {among} watch some",
            )
        )

    def all_told_on(self) -> None:
        """Every camera's alert is told at least twice more."""
        before = len(published(self.url))
        enough = dict.fromkeys(CAMERAS, 2)
        follow(
            self.url,
            lambda seen: all(sum(c["camera"] == each for c in seen[before:]) >= n for each, n in enough.items()),
            90,
        )


@pytest.fixture
def cluster(server: RedisServer, tmp_path: Path) -> Iterator[Cluster]:
    with rtsp_cameras(tmp_path, CAMERAS) as addresses:
        config, fleet = cluster_config(tmp_path, server.url, addresses), Fleet(server.url, tmp_path)
        try:
            fleet.begin(config, "a", "b")
            running = Cluster(fleet, server.url, config)
            running.all_watched("a", "b")
            running.all_told_on()
            yield running
        finally:
            fleet.close()


def test_cameras_of_a_node_that_dies_go_on_elsewhere_and_so_do_their_alerts(cluster: Cluster) -> None:
    before = set(lives(published(cluster.url)))
    cluster.fleet.kill("b")
    wait_for(cluster.state, lambda s: "b" not in s.beats and is_settled(s, len(CAMERAS)), "a has all")
    cluster.all_told_on()
    cluster.fleet.join("b")  # again, with what it had on its disk
    cluster.all_watched("a", "b")
    cluster.all_told_on()
    changes = published(cluster.url)
    assert broken(changes) == []
    assert set(lives(changes)) == before  # none is new: each goes on under its id
    assert len(before) == len(CAMERAS)
    assert {c["reason"]["continued"] for c in changes if "continued" in c["reason"]} >= {
        "the camera moved from b to a: b is gone"
    }


def test_a_node_that_was_cut_off_is_not_heard_and_works_again(cluster: Cluster) -> None:
    cluster.fleet.freeze("b")
    wait_for(cluster.state, lambda s: "b" not in s.beats and is_settled(s, len(CAMERAS)), "a has all")
    cluster.all_told_on()
    cluster.fleet.thaw("b")
    wait_for(cluster.state, lambda s: "b" in s.beats and s.beats["b"].fenced > 0, "what b says late is refused")
    cluster.all_watched("a", "b")
    cluster.all_told_on()
    changes = published(cluster.url)
    assert broken(changes) == []
    assert len(lives(changes)) == len(CAMERAS)
    assert [interleaved(cluster.url, camera) for camera in CAMERAS] == [0] * len(CAMERAS)


def test_a_node_that_joins_takes_its_share_and_one_that_is_drained_loses_no_frame(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    before = cluster.all_watched("a", "b")
    cluster.fleet.join("c")
    after = cluster.all_watched("a", "b", "c")
    assert sum(before[camera] != after[camera] for camera in CAMERAS) <= 2  # four cameras, three nodes
    assert main(["cluster", "drain", "a", "--redis", cluster.url]) == 0
    assert "a watches nothing any more" in capsys.readouterr().out
    drained = cluster.state.read().beats["a"]
    assert drained.received > 0
    assert drained.lost == 0  # what it had received it has analysed
    wait_for(cluster.state, lambda s: is_settled(s, len(CAMERAS)), "the others have all")
    cluster.all_told_on()
    assert main(["cluster", "status", "--redis", cluster.url]) == 0
    shown = capsys.readouterr().out
    assert "draining" in shown
    assert "4 watched" in shown
    assert main(["cluster", "targets", "--redis", cluster.url]) == 0
    targets = json.loads(capsys.readouterr().out)
    assert [each["labels"]["node"] for each in targets] == ["a", "b", "c"]
    assert all(target.startswith("127.0.0.1:") for each in targets for target in each["targets"])
    assert main(["cluster", "undrain", "a", "--redis", cluster.url]) == 0
    cluster.all_watched("a")
    assert broken(published(cluster.url)) == []


def test_a_configuration_is_planned_and_applied_to_all_nodes_or_not_at_all(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load(cluster.config.read_text())
    kept = cluster.config.read_text()
    del config["cameras"]["cam3"]
    config["cameras"]["new"] = config["cameras"]["cam0"]
    cluster.config.write_text(yaml.safe_dump(config))
    assert main(["cluster", "plan", str(cluster.config), "--detailed-exitcode"]) == 4
    said = capsys.readouterr().out
    assert "+ new" in said
    assert "- cam3" in said
    assert main(["cluster", "apply", str(cluster.config)]) == 0
    wait_for(cluster.state, lambda s: watched(s).keys() == {"cam0", "cam1", "cam2", "new"}, "the new ones are watched")
    wait_for(cluster.state, lambda s: not any(b.problems for b in s.beats.values()), "nobody complains")
    config["cameras"]["cam1"]["rules"][0]["labels"] = ["unicorn"]  # the model on the nodes knows none
    cluster.config.write_text(yaml.safe_dump(config))
    assert main(["cluster", "apply", str(cluster.config)]) == 1
    assert "unicorn" in capsys.readouterr().out
    assert "unicorn" not in cluster.state.read().written.text  # type: ignore[union-attr]
    wait_for(cluster.state, lambda s: is_settled(s, 4) and not any(b.problems for b in s.beats.values()), "back")
    cluster.config.write_text(kept)


def test_a_camera_that_a_node_refuses_keeps_no_other_from_coming(server: RedisServer, tmp_path: Path) -> None:
    names = ["first", "never", "other"]
    with rtsp_cameras(tmp_path, names) as addresses:
        path, fleet = cluster_config(tmp_path, server.url, addresses), Fleet(server.url, tmp_path)
        kept = path.read_text()
        config = yaml.safe_load(kept)
        config["cameras"]["never"]["rules"] = [{**STAYS, "labels": ["unicorn"]}]  # the model on the node knows none
        path.write_text(yaml.safe_dump(config))
        try:
            fleet.begin(path, "a")
            seen = wait_for(fleet.state, lambda s: watched(s).keys() == {"first", "other"}, "the others are watched")
            assert "unicorn" in seen.beats["a"].problems["never"]
            number = seen.written.number if seen.written else 0
            assert fleet.state.configure(kept, str(path), replaces=number)
            wait_for(fleet.state, lambda s: is_settled(s, 3) and not s.beats["a"].problems, "it is mended")
        finally:
            fleet.close()


def test_only_one_placement_writes(server: RedisServer, tmp_path: Path) -> None:
    config = cluster_config(tmp_path, server.url, {"gate": "rtsp://127.0.0.1:1/gate"})
    assert main(["cluster", "plan", str(config)]) == 0
    state = ClusterState(server.url)
    state.configure(config.read_text(), str(config), replaces=0)
    assert not state.configure("other", str(config), replaces=0)
    one, other = Placing(server.url, SystemClock()), Placing(server.url, SystemClock())
    one.turn(frozenset())
    assert other.turn(frozenset()) == ()
    verdict = state.read().verdict
    assert verdict.unplaced == {"gate": "the cluster has no node"}
    assert not state.decide(1, other.owner, {}, (), verdict)
    one.close()  # it dies: its lease runs out, and the other goes on
    deadline = time.monotonic() + 60
    while not other.leads:
        assert time.monotonic() < deadline
        other.turn(frozenset())
    other.close()
    state.close()
