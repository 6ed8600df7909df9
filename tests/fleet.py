"""Nodes of a cluster without Ray: each a process that runs a Host, and a placement here that looks twice a second.

What Ray adds is that somebody starts these; tests/ray_nodes.py has it so.

    python -m tests.fleet REDIS_URL NAME [LABEL…]      one node, until SIGTERM; a frame's index is its picture's number,
                                                       where the camera writes one (tests/numbered.py)
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import redis
import yaml

from streamer.clock import SystemClock
from streamer.cluster.state import ClusterState, Picture
from streamer.fleet import applying
from streamer.fleet.host import Host, NodeFacts
from streamer.fleet.placing import Placing
from tests.clips import write_clip
from tests.numbered import NUMBERED, numbered_source
from tests.onnx_models import write_tiny
from tests.rtsp import gst_rtsp_server

WITHIN_S = 90.0
_LOOK_EVERY_S = 0.05
_TURN_EVERY_S = 0.25
_OFF = ("offline_after_s", "frozen_after_s", "dark_after_s", "blurred_after_s", "moved_after_s", "clock_skew_s")
STAYS = {
    "name": "stays",
    "kind": "loitering",
    "zone": "all",
    "dwell_s": 1,
    "labels": ["person"],
    "update_every_s": 0.5,
    "clear_after_s": 10,
}


def cluster_config(folder: Path, redis_url: str, addresses: dict[str, str], **camera: Any) -> Path:
    """Cameras on which a tiny model always sees somebody who stays: an alert each that is open and told on and on."""
    each = {
        "analyse_fps": 5,
        "decode": "always",
        "clips": None,
        "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        "rules": [STAYS],
        "trouble": dict.fromkeys(_OFF),
        **camera,
    }
    if not (folder / "model").exists():
        write_tiny(folder / "model")
    config = {
        "model": {"path": str(folder / "model"), "threads": 1, "lanes": 1},
        "redis": {"url": redis_url},
        "data_dir": str(folder / "data"),
        "http": {"port": 0},
        "web": None,
        "inference": {"max_age_s": 30, "depth": 200, "when_full": "admit"},
        "cameras": {name: {"url": url, **each} for name, url in addresses.items()},
    }
    path = folder / "cluster.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextlib.contextmanager
def rtsp_cameras(folder: Path, names: list[str]) -> Iterator[dict[str, str]]:
    """A real RTSP camera for each name; its address."""
    clip = write_clip(folder / "clip.mp4", fps=10, frames=50, size_wh=(160, 120), gop=10)
    with gst_rtsp_server(dict.fromkeys(names, clip)) as server:
        yield {name: server.url(name) for name in names}


class Fleet:
    """Nodes as processes, a placement on a thread, and what the state in Redis says."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self._url, self._folder = redis_url, folder
        self.state = ClusterState(redis_url)
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._placing: threading.Thread | None = None
        self.moves: list[Any] = []

    def begin(self, config: Path, *names: str) -> None:
        """Nodes with a placement that waits for all of them."""
        applying.begin(self.state, config)
        for name in names:
            self.join(name)
        self._placing = threading.Thread(target=self._place, args=(frozenset(names),), daemon=True)
        self._placing.start()

    def join(self, name: str, *labels: str) -> None:
        """One more machine."""
        command = [sys.executable, "-m", "tests.fleet", self._url, name, *labels]
        with (self._folder / f"{name}.log").open("ab") as log:
            self.nodes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Power off."""
        process = self.nodes.pop(name)
        process.kill()
        process.wait()

    def freeze(self, name: str) -> None:
        """Cut it off from everything."""
        self.nodes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """It is back, and does not know that it was away."""
        self.nodes[name].send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End everything."""
        self._ended.set()
        if self._placing:
            self._placing.join(10)
        for process in self.nodes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.nodes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.state.close()

    def _place(self, expected: frozenset[str]) -> None:
        placing = Placing(self._url, SystemClock())
        while not self._ended.wait(_TURN_EVERY_S):
            self.moves += placing.turn(expected)
        placing.close()


def watched(seen: Picture) -> dict[str, str]:
    """Camera → the node that says that it watches it."""
    return {camera: name for name, beat in seen.beats.items() for camera in beat.cameras}


def wait_for(
    state: ClusterState, condition: Callable[[Picture], bool], what: str, within_s: float = WITHIN_S
) -> Picture:
    """Until the state in Redis is so. Raises AssertionError with what it is."""
    until_s = time.monotonic() + within_s
    while not condition(seen := state.read()):
        said = {name: (beat.cameras, dict(beat.problems)) for name, beat in seen.beats.items()}
        assert time.monotonic() < until_s, f"not within {within_s:g} s: {what}; {said}; {seen.verdict}"
        time.sleep(_LOOK_EVERY_S)
    return seen


def lives(changes: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The changes of each alert, in the order of the stream."""
    found: dict[str, list[dict[str, Any]]] = {}
    for change in changes:
        found.setdefault(change["id"], []).append(change)
    return found


def broken(changes: list[dict[str, Any]]) -> list[str]:
    """Alerts that are no single story: a seq that is missing, doubled or late, or something told after the end."""
    return [
        id_
        for id_, life in lives(changes).items()
        if [change["seq"] for change in life] != list(range(1, len(life) + 1))
        or any(change["change"] == "closed" for change in life[:-1])
    ]


def sessions(url: str, camera: str) -> list[tuple[float, str]]:
    """Frames on a camera's live feed: epoch seconds of Redis at which each was taken, and its session."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        entries = client.xrange(f"streamer:detections:{camera}")
    return [(int(id_.partition("-")[0]) / 1000, json.loads(fields["data"])["session"]) for id_, fields in entries]


def came_back(url: str, camera: str, after: float) -> float | None:
    """When the first frame of another session than the last one before `after` was taken; None where none was."""
    frames = sessions(url, camera)
    before = [session for at, session in frames if at <= after]
    return next((at for at, session in frames if at > after and session not in before[-1:]), None)


def interleaved(url: str, camera: str) -> int:
    """Frames of a session that were taken after one of a later session: somebody spoke who had been replaced."""
    order = [session for _, session in sessions(url, camera)]
    firsts = list(dict.fromkeys(order))
    ranks = [firsts.index(session) for session in order]
    return sum(rank < max(ranks[: i + 1]) for i, rank in enumerate(ranks))


def is_settled(seen: Picture, cameras: int, among: Iterable[str] = ()) -> bool:
    """Whether so many cameras are watched, each by the node whose share it is and by no other, and some by each of
    `among`."""
    return (
        sum(len(beat.cameras) for beat in seen.beats.values()) == len(watched(seen)) == cameras
        and seen.shares.keys() == seen.beats.keys()
        and all({*seen.shares[name].cameras} == {*beat.cameras} for name, beat in seen.beats.items())
        and all(name in seen.beats and seen.beats[name].cameras for name in among)
    )


def main(url: str, name: str, *labels: str) -> int:
    """One node."""
    numbered = {"make_source": numbered_source} if os.environ.get(NUMBERED) else {}
    host = Host(url, NodeFacts(name, cores=4.0, labels=labels), SystemClock(), **numbered)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=host.stop).start())
    report = host.run()
    sys.stdout.flush()
    os._exit(0 if report is None or report.clean else 1)


if __name__ == "__main__":
    from streamer.telemetry import logs

    logs.set_up("json", "info")
    main(*sys.argv[1:])
