"""How long a service needs to begin again, and to end while a camera and Redis hang.

    python -m tests.benchmarks.restart [--rounds 15]

Begin: from the start of the process (`streamer run`, two cameras over RTSP, metrics and console as by default, the
model's plan measured by an earlier start) to the first result of a frame on the live feed in Redis. Again: from a
SIGKILL, the supervisor's pause of 0.5 s included. End: from SIGTERM to the exit of the process, one of two cameras and
Redis silent. The service finds its bytecode, as one that was installed does.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import redis as redis_client

from streamer.chaos.camera.server import ScriptedCamera
from streamer.chaos.drill.ground import Ground, Plan
from streamer.chaos.redis_server import RedisServer
from tests.benchmarks.installed import bytecode_as_installed
from tests.benchmarks.report import report
from tests.chaos import CAMERA, SETTINGS, clips
from tests.living import follow, write_config

BEGIN_PROMISED_S, END_PROMISED_S = 3.0, 5.0
_GIVE_UP_S = 60.0


STEPS = {"opened": "model ", "watching": "watching ", "online": "camera "}
"""How the line begins that ends each step in the log: the model is open, cameras are connected to, one is watched."""


def begin_s(config: Path, url: str, keys: list[str]) -> tuple[float, subprocess.Popen[bytes]]:
    """Seconds from the start of the process to the first frame's result; and the process, which writes to steps.log."""
    log = config.with_name("steps.log")
    with redis_client.Redis.from_url(url) as client, log.open("wb") as said:
        last = {key: (client.xrevrange(key, count=1) or [(b"0-0", {})])[0][0] for key in keys}
        began_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "streamer", "run", str(config), "--log-format", "json"], stderr=said
        )
        while not client.xread(last, block=100):
            if time.monotonic() - began_s > _GIVE_UP_S or process.poll() is not None:
                raise TimeoutError(f"no frame; the service ended with {process.poll()}")
        return time.monotonic() - began_s, process


def steps_s(log: Path, began_at: float, took_s: float) -> dict[str, float]:
    """Seconds of each step of one start: to the open model, to connecting, to the first picture, to its result."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    ends_s = {}
    for step, words in STEPS.items():
        first = next(entry for entry in entries if entry["message"].startswith(words))
        ends_s[step] = datetime.fromisoformat(first["at"]).timestamp() - began_at
    ends_s["result"] = took_s
    return {step: end - before for (step, end), before in zip(ends_s.items(), [0.0, *ends_s.values()], strict=False)}


def imports_s() -> float:
    """Seconds until an interpreter has imported all that `streamer run` imports."""
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "import gc; gc.disable(); import streamer.commands.run"], check=True)
    return time.monotonic() - began_s


@contextlib.contextmanager
def two_cameras(folder: Path) -> Iterator[tuple[Path, RedisServer, ScriptedCamera]]:
    """A configuration, its Redis, and one of its cameras."""
    with ScriptedCamera(clips()) as one, ScriptedCamera(clips()) as other, RedisServer(folder / "redis") as redis:
        cameras = {"one": {**CAMERA, "url": one.url}, "other": {**CAMERA, "url": other.url}}
        yield (
            write_config(
                folder / "c.yaml",
                redis={"url": redis.url},
                data_dir=str(folder / "data"),
                http={"port": 0},
                web={"port": 0},
                cameras=cameras,
                **SETTINGS,
            ),
            redis,
            one,
        )


def begins_and_ends(rounds: int) -> tuple[list[float], list[dict[str, float]], list[float]]:
    """Seconds to begin, of which steps, and to end with a hung camera and a hung Redis."""
    begins, steps, ends = [], [], []
    with tempfile.TemporaryDirectory() as folder, two_cameras(Path(folder)) as (config, redis, camera):
        keys = [f"streamer:detections:{name}" for name in ("one", "other")]
        for number in range(rounds + 1):
            began_at = time.time()
            took_s, process = begin_s(config, redis.url, keys)
            follow(redis.url, lambda changes: len(changes) >= 3, within_s=60)
            camera.do("mute")
            redis.freeze()
            time.sleep(6.0)  # until both are known to be silent
            process.send_signal(signal.SIGTERM)
            asked_s = time.monotonic()
            process.wait(_GIVE_UP_S)
            if number:  # the first one measured the model
                begins.append(took_s)
                steps.append({"imported": imports_s(), **steps_s(config.with_name("steps.log"), began_at, took_s)})
                ends.append(time.monotonic() - asked_s)
            redis.thaw()
            camera.do("go")
            print(f"begins {took_s:.2f} s, ends {time.monotonic() - asked_s:.2f} s", flush=True)
    return begins, steps, ends


def kills(rounds: int) -> list[float]:
    """Seconds from a SIGKILL to the first frame of the next life."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan({"one": CAMERA, "other": CAMERA}, settings=SETTINGS)
        with Ground(Path(folder) / "ground", clips(), plan) as ground:
            ground.wait_until_all_are_watched()
            for _ in range(rounds):
                time.sleep(2.0)
                ground.service.signal(signal.SIGKILL)
                killed_s, killed_at = time.monotonic(), time.time()
                while True:
                    frame = ground.onlooker.frame("one")
                    if frame and frame.captured_at > killed_at:
                        break
                    time.sleep(0.005)
                took.append(frame.arrived_s - killed_s)
                print(f"again {took[-1]:.2f} s after a kill", flush=True)
    return took


def main() -> None:
    """Run, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.restart", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-keep", action="store_true", help="do not store the result under docs/benchmarks")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with bytecode_as_installed():
        begins, steps, ends = begins_and_ends(args.rounds)
        again = kills(args.rounds)
    report(
        "restart",
        {
            "first_frame_s": {"median": round(statistics.median(begins), 2), "longest": round(max(begins), 2)},
            "first_frame_promised_s": BEGIN_PROMISED_S,
            "steps_s": {step: round(statistics.median(each[step] for each in steps), 2) for step in steps[0]},
            "again_after_kill_s": {"median": round(statistics.median(again), 2), "longest": round(max(again), 2)},
            "end_with_hung_camera_and_redis_s": {
                "median": round(statistics.median(ends), 2),
                "longest": round(max(ends), 2),
            },
            "end_promised_s": END_PROMISED_S,
            "rounds": args.rounds,
            "load_before": round(load, 1),
        },
        keep=not args.no_keep,
    )


if __name__ == "__main__":
    main()
