"""Cameras on two nodes of Ray, the model on two others: one of those is killed, and the other answers for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from streamer.cli import main
from tests.fleet import broken, cluster_config, is_settled, lives, rtsp_cameras, wait_for, watched
from tests.living import follow, published
from tests.redis_server import RedisServer
from tests.split import answered, frames_of, readyz

CAMERAS = ["cam0", "cam1"]
WITHIN_S = 240.0


@pytest.mark.needs("debian", "ray")
@pytest.mark.timeout(600)  # Ray starts a dozen processes, on a machine that may have one free core
def test_cameras_and_model_on_different_nodes_of_ray_and_one_that_answers_is_killed(
    server: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.ray_nodes import RayNodes

    with rtsp_cameras(tmp_path, CAMERAS) as addresses:
        config = cluster_config(tmp_path, server.url, addresses)
        said = yaml.safe_load(config.read_text())
        said["inference"]["apart"] = {"require": ["role=inference"]}
        config.write_text(yaml.safe_dump(said))
        nodes = RayNodes(server.url)
        try:
            nodes.begin(config, "a", "b", "m=role=inference", "n=role=inference")
            seen = wait_for(nodes.state, lambda s: is_settled(s, 2, ("a", "b")), "a and b watch one each", WITHIN_S)
            follow(server.url, lambda changes: len(lives(changes)) == len(CAMERAS), WITHIN_S)
            seen = wait_for(nodes.state, lambda s: {"m", "n"} <= s.beats.keys(), "m and n answer", WITHIN_S)
            assert {*watched(seen).values()} == {"a", "b"}
            both = wait_for(
                nodes.state, lambda s: answered(s, "m") > 0 and answered(s, "n") > 0, "both are asked", WITHIN_S
            )
            assert readyz(both, "a")["model"] == {"ok": True, "trouble": None}
            assert main(["cluster", "status", "--redis", server.url]) == 0
            assert "busy" in capsys.readouterr().out
            nodes.kill("n")
            gone = wait_for(nodes.state, lambda s: "n" not in s.beats, "n is gone", WITHIN_S)
            before = {name: frames_of(gone, name)["analysed"] for name in ("a", "b")}
            later = wait_for(
                nodes.state,
                lambda s: all(frames_of(s, name)["analysed"] >= before[name] + 10 for name in before),
                "m answers for both",
                WITHIN_S,
            )
            for name in before:
                frames = frames_of(later, name)
                under_way = frames["received"] - frames["analysed"] - frames["skipped"] - frames["dropped"]
                assert 0 <= under_way <= 50  # a second or two of one camera: nothing is missing in the books
            changes = published(server.url)
            assert broken(changes) == []
            assert len(lives(changes)) == len(CAMERAS)  # a model that dies is no reason for a second alert
        finally:
            nodes.close()
