"""The real service as a process of its own, watched from outside through Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
import yaml

from streamer.zoo import bundled_model

Changes = list[dict[str, Any]]


def write_config(path: Path, **settings: Any) -> Path:
    """A configuration file; http and web are off unless asked for."""
    path.write_text(yaml.safe_dump({"http": None, "web": None, **settings}))
    return path


def one_camera(folder: Path, redis_url: str, **camera: Any) -> Path:
    """The configuration of a service with the bundled model and one camera, 'gate'."""
    return write_config(
        folder / "c.yaml",
        model={"path": str(bundled_model())},
        redis={"url": redis_url},
        data_dir=str(folder / "data"),
        inference={"max_age_s": 30, "depth": 200},  # a busy test machine must not drop what a camera would
        cameras={"gate": {"analyse_fps": 5, **camera}},
    )


@contextmanager
def running(config: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`streamer run CONFIG`; ended by SIGTERM, by its pid, if it still runs."""
    command = [sys.executable, "-m", "streamer", "run", str(config), *arguments]
    log = config.with_suffix(".log")
    with log.open("a") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, text=True, env={**os.environ, "NO_COLOR": "1"})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def replayed(video: Path, config: Path, out: Path, *arguments: str) -> tuple[list[dict[str, Any]], Changes]:
    """Frames and alert changes of `streamer replay`."""
    command = [sys.executable, "-m", "streamer", "replay", str(video), "--config", str(config), "--out", str(out)]
    subprocess.run([*command, *arguments], check=True, capture_output=True)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    frames = [line for line in lines if line["type"] == "frame"]
    return frames, [line for line in lines if line["type"] == "alert"]


def published(url: str) -> Changes:
    """Every alert change on the Redis stream, oldest first."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return [json.loads(fields["data"]) for _, fields in client.xrange("streamer:alerts")]


def follow(url: str, enough: Callable[[Changes], bool], within_s: float) -> Changes:
    """Alert changes as they come, until there are enough. Raises AssertionError with what came when time is up."""
    seen: Changes = []
    deadline_s, last = time.monotonic() + within_s, "0"
    with redis.Redis.from_url(url, decode_responses=True) as client:
        while not enough(seen):
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"after {within_s:.0f} s only {[(c['kind'], c['change']) for c in seen]}"
            for _, entries in client.xread({"streamer:alerts": last}, block=int(min(left_s, 1.0) * 1000) + 1) or ():
                seen += [json.loads(fields["data"]) for _, fields in entries]
                last = entries[-1][0]
    return seen


def told(change: dict[str, Any]) -> tuple[Any, ...]:
    """What an alert change says of the world: which alert it is and what is known, without session and clock."""
    return change["kind"], change["rule"], change["change"], change["seq"], change["place"], change["label"]
