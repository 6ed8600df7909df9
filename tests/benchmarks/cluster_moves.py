"""What becomes of every picture of cameras that move between nodes: analysed once, by nobody, or twice?

    python -m tests.benchmarks.cluster_moves [--rounds 9] [--no-keep]

Three nodes (host processes), six live RTSP cameras that number their pictures, ten a second, all of which are to be
analysed (tests/numbered.py), one Redis, one machine. Node after node is drained and takes cameras again.

moves             connections that began because a camera moved
pictures          that lie between the first and the last one analysed of each camera
nobody_analysed   of these, by the numbers in the pictures; analysed_twice the same
let_go_unread     moves in which the next node did not get on within 10 s, so that nobody looked for a while
longest_pause_s   between the results of two pictures of a camera, moves included: the pictures between came later
alerts, doubled, broken   as in tests.benchmarks.cluster
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.benchmarks.report import report
from tests.fleet import Fleet, broken, cluster_config, is_settled, lives, wait_for
from tests.living import published
from tests.numbered import FPS, NUMBERED, FeedReader, numbered_cameras
from tests.redis_server import RedisServer

CAMERAS = [f"cam{n}" for n in range(6)]
NODES = ("a", "b", "c")
_WITHIN_S = 240.0
_LOOK_EVERY_S = 0.1


def moves(rounds: int, folder: Path) -> dict[str, object]:
    """All of it."""
    os.environ[NUMBERED] = "1"  # for the nodes
    with RedisServer(folder / "redis") as server, numbered_cameras(CAMERAS) as addresses:
        fleet, feed = Fleet(server.url, folder), FeedReader(server.url, CAMERAS)
        try:
            fleet.begin(cluster_config(folder, server.url, addresses, analyse_fps="all"), *NODES)
            _settled(fleet, *NODES)
            _analysed_on(feed)
            for n in range(rounds):
                node = NODES[n % len(NODES)]
                fleet.state.drain(node)
                wait_for(fleet.state, lambda s, node=node: not s.beats[node].cameras, f"{node} is empty", _WITHIN_S)
                _settled(fleet)
                fleet.state.drain(node, undo=True)
                _settled(fleet, *NODES)
                _analysed_on(feed)
                print(f"{node} was drained and filled again", flush=True)
            accounts = [feed.account(camera) for camera in CAMERAS]
            changes = published(server.url)
        finally:
            fleet.close()
            feed.close()
            del os.environ[NUMBERED]
        logs = [(folder / f"{node}.log").read_text() for node in NODES]
    return {
        "nodes": len(NODES),
        "cameras": len(CAMERAS),
        "fps": FPS,
        "rounds": rounds,
        "moves": sum(each.sessions for each in accounts) - len(CAMERAS),
        "pictures": sum(each.pictures for each in accounts),
        "nobody_analysed": sum(len(each.missing) for each in accounts),
        "analysed_twice": sum(len(each.twice) for each in accounts),
        "let_go_unread": sum(log.count("let_go_unread") for log in logs),
        "longest_pause_s": round(max(each.longest_pause_s for each in accounts), 2),
        "alerts": len(lives(changes)),
        "doubled": len(lives(changes)) - len(CAMERAS),
        "broken": len(broken(changes)),
    }


def _settled(fleet: Fleet, *among: str) -> None:
    wait_for(fleet.state, lambda s: is_settled(s, len(CAMERAS), among), f"{among} watch all", _WITHIN_S)


def _analysed_on(feed: FeedReader, pictures: int = 30) -> None:
    """So many more of every camera."""
    newest = {camera: feed.newest(camera) for camera in CAMERAS}
    until_s = time.monotonic() + _WITHIN_S
    while any(feed.newest(camera) < newest[camera] + pictures for camera in CAMERAS):
        assert time.monotonic() < until_s, "not analysed further"
        time.sleep(_LOOK_EVERY_S)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-keep", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = moves(args.rounds, Path(folder))
    report("cluster_moves", found, keep=not args.no_keep)


if __name__ == "__main__":
    main()
