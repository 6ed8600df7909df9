"""The same on Ray: it starts a host on every node, a node that is killed is left, and what is stopped hands over."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer import broker
from streamer.cluster.leases import LeaseStore
from streamer.cluster.state import PLACEMENT
from tests.crew import eventually
from tests.fleet import broken, cluster_config, is_settled, lives, rtsp_cameras, wait_for, watched
from tests.fleet import sessions as frames_of
from tests.living import follow, published
from tests.redis_server import RedisServer

CAMERAS = ["cam0", "cam1"]
WITHIN_S = 240.0


def placed_by(url: str) -> str:
    """Who has the lease of placement."""
    store = LeaseStore(url, "test", broker.keys_for(url).cluster)
    try:
        return store.all()[PLACEMENT].owner
    finally:
        store.close()


def connections(url: str, camera: str) -> set[str]:
    """The sessions that brought frames so far."""
    return {session for _, session in frames_of(url, camera)}


@pytest.mark.needs("debian", "ray")
@pytest.mark.timeout(600)  # Ray starts a dozen processes, on a machine that may have one free core
def test_placement_that_is_killed_moves_nothing_and_goes_on_and_so_do_the_alerts_of_a_node_that_is_killed(
    server: RedisServer, tmp_path: Path
) -> None:
    from tests.ray_nodes import RayNodes

    with rtsp_cameras(tmp_path, CAMERAS) as addresses:
        nodes = RayNodes(server.url)
        try:
            nodes.begin(cluster_config(tmp_path, server.url, addresses), "a", "b")
            seen = wait_for(nodes.state, lambda s: is_settled(s, 2, ("a", "b")), "both watch one", WITHIN_S)
            assert len({beat.pid for beat in seen.beats.values()}) == 2
            assert nodes.placement_pid() in nodes.pids_of_head()  # it must not die with a node that it is to replace
            follow(server.url, lambda changes: len(lives(changes)) == len(CAMERAS), WITHIN_S)
            before, owner = watched(seen), placed_by(server.url)
            sessions = {camera: connections(server.url, camera) for camera in CAMERAS}
            nodes.kill_placement()
            eventually(lambda: placed_by(server.url) not in ("", owner), WITHIN_S)
            seen = wait_for(nodes.state, lambda s: is_settled(s, 2, ("a", "b")), "nothing has moved", WITHIN_S)
            assert watched(seen) == before
            assert nodes.placement_pid() in nodes.pids_of_head()
            assert {camera: connections(server.url, camera) for camera in CAMERAS} == sessions
            nodes.kill("b")  # and the new placement goes on
            wait_for(nodes.state, lambda s: "b" not in s.beats and is_settled(s, 2), "a has both", WITHIN_S)
            moved = next(camera for camera, node in watched(seen).items() if node == "b")
            follow(
                server.url,
                lambda changes: any(c["camera"] == moved and "continued" in c["reason"] for c in changes),
                WITHIN_S,
            )
            changes = published(server.url)
            assert broken(changes) == []
            assert len(lives(changes)) == len(CAMERAS)
        finally:
            nodes.close()
