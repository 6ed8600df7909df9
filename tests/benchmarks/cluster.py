"""Three nodes, six RTSP cameras, one Redis: what is lost when nodes die, are cut off, join and are drained?

    python -m tests.benchmarks.cluster [--nodes ray|processes] [--kills 3] [--no-keep]

Nodes are Ray nodes of this machine (a raylet and a host process each), or plain host processes. Every camera shows
somebody who stays, so that each has one alert from the first to the last minute, told on twice a second. A tiny model
takes next to no time: what is measured is the moving, not the model.

recovery_s        of each kill -9: until the last camera of the dead node had a frame analysed by another node
alerts, doubled, broken   alerts there were (one per camera is right), more than one per camera, and no single story
fenced, late      what the cut-off node was refused; frames of it that came through nevertheless
moves_on_join     cameras that moved when a node joined, and how many its fair share is
lost_on_drain     frames that the drained node had received and dropped because of it; and its cameras' blind times

What becomes of every picture of a camera that moves is measured by tests.benchmarks.cluster_moves.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.report import report
from tests.fleet import (
    Fleet,
    broken,
    came_back,
    cluster_config,
    interleaved,
    is_settled,
    lives,
    rtsp_cameras,
    wait_for,
    watched,
)
from tests.living import published
from tests.redis_server import RedisServer

CAMERAS = [f"cam{n}" for n in range(6)]
NODES = ("a", "b", "c")
_LOOK_EVERY_S = 0.1
_WITHIN_S = 240.0


class Run:
    """One cluster from its start to its end, and what was found."""

    def __init__(self, nodes: Any, url: str) -> None:
        self.nodes, self.url = nodes, url
        self.found: dict[str, object] = {}

    def all_watched(self, *among: str) -> dict[str, str]:
        seen = wait_for(
            self.nodes.state,
            lambda s: is_settled(s, len(CAMERAS), among),
            f"all are watched, and {among} watch some",
            _WITHIN_S,
        )
        return watched(seen)

    def analysed_again(self, cameras: list[str], since: float) -> dict[str, float]:
        """Camera → seconds until a frame of it came from its next owner."""
        until_s = time.monotonic() + _WITHIN_S
        while True:
            back = {camera: came_back(self.url, camera, since) for camera in cameras}
            if all(at is not None for at in back.values()):
                return {camera: round(at - since, 2) for camera, at in back.items() if at is not None}
            assert time.monotonic() < until_s, f"not watched again: {back}"
            time.sleep(_LOOK_EVERY_S)

    def kill(self, name: str) -> float:
        mine = [camera for camera, node in watched(self.nodes.state.read()).items() if node == name]
        since = time.time()
        self.nodes.kill(name)
        return max(self.analysed_again(mine, since).values())

    def rejoin(self, name: str) -> int:
        """How many cameras moved because of it."""
        before = self.all_watched()
        self.nodes.join(name)
        after = self.all_watched(*({*before.values()} | {name}))
        return sum(before[camera] != after[camera] for camera in CAMERAS)

    def cut_off(self, name: str) -> int:
        """Freeze a host until its cameras are watched elsewhere, then let it speak; what it was refused."""
        mine = [camera for camera, node in watched(self.nodes.state.read()).items() if node == name]
        since = time.time()
        self.nodes.freeze(name)
        self.found["recovery_cut_off_s"] = max(self.analysed_again(mine, since).values())
        self.nodes.thaw(name)
        seen = wait_for(self.nodes.state, lambda s: name in s.beats and s.beats[name].fenced > 0, "fenced", _WITHIN_S)
        self.all_watched(*NODES)
        return seen.beats[name].fenced

    def drain(self, name: str) -> None:
        mine = [camera for camera, node in watched(self.nodes.state.read()).items() if node == name]
        before = self.nodes.state.read().beats[name]
        since = time.time()
        self.nodes.state.drain(name)
        blind = self.analysed_again(mine, since)
        left = wait_for(self.nodes.state, lambda s: not s.beats[name].cameras, "it was drained", _WITHIN_S).beats[name]
        self.found |= {
            "drained_cameras": len(mine),
            "frames_of_drained": left.received - before.received,
            "lost_on_drain": left.lost - before.lost,
            "drained_and_seen_again_s": max(blind.values()),
        }


def run(kind: str, kills: int, folder: Path) -> dict[str, object]:
    """All of it."""
    with RedisServer(folder / "redis") as server, rtsp_cameras(folder, CAMERAS) as addresses:
        nodes = _nodes(kind, server.url, folder)
        try:
            return _run(Run(nodes, server.url), kills, cluster_config(folder, server.url, addresses))
        finally:
            nodes.close()


def _run(run: Run, kills: int, config: Path) -> dict[str, object]:
    nodes, url = run.nodes, run.url
    nodes.begin(config, *NODES)
    run.all_watched(*NODES)
    until_s = time.monotonic() + _WITHIN_S
    while len(lives(published(url))) < len(CAMERAS) and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
    recoveries, moves = [], []
    for n in range(kills):
        victim = NODES[n % len(NODES)]
        recoveries.append(run.kill(victim))
        print(f"killed {victim}: all analysed again after {recoveries[-1]:.2f} s", flush=True)
        moves.append(run.rejoin(victim))
        print(f"{victim} joined: {moves[-1]} cameras moved", flush=True)
    fenced = run.cut_off("a")
    print(f"a was cut off and came back: {fenced} refused", flush=True)
    moves_on_join = run.rejoin("d")
    print(f"d joined: {moves_on_join} cameras moved", flush=True)
    run.drain("b")
    changes = published(url)
    alerts = lives(changes)
    return {
        "cameras": len(CAMERAS),
        "nodes": len(NODES),
        "recovery_s": recoveries,
        **run.found,
        "alert_changes": len(changes),
        "alerts": len(alerts),
        "lost": len(CAMERAS) - len({life[0]["camera"] for life in alerts.values() if life[-1]["change"] != "closed"}),
        "doubled": len(alerts) - len({life[0]["camera"] for life in alerts.values()}),
        "broken": len(broken(changes)),
        "fenced": fenced,
        "late": sum(interleaved(url, camera) for camera in CAMERAS),
        "moves_on_rejoin": moves,
        "moves_on_join": moves_on_join,
        "fair_share_on_join": math.ceil(len(CAMERAS) / (len(NODES) + 1)),
    }


def _nodes(kind: str, url: str, folder: Path) -> Any:
    if kind == "processes":
        return Fleet(url, folder)
    from tests.ray_nodes import RayNodes

    return RayNodes(url)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", choices=("ray", "processes"), default="ray")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--no-keep", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(args.nodes, args.kills, Path(folder))
    report("cluster", {"nodes_are": args.nodes, **found}, keep=not args.no_keep)


if __name__ == "__main__":
    main()
