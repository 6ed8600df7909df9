"""Three times more pictures than the model can do: how late are those that are analysed, and who gets how many.

    python -m tests.benchmarks.overload [--times 3] [--seconds 45]

The whole service, with Redis, on as many cameras as are needed to ask three times what its model does here (measured at
start-up). Their pictures (the drawn street) lie in memory and come at their own times, a third of the cameras each at
2.5, 5 and 10 a second, so that decoding takes nothing from the model and a greedy camera could crowd out the others.

Two rounds. `admit`: every camera is taken, and overload is shed frame by frame. p99_over_promise is the 99th percentile
of capture-to-publish over the promise (`max_age_s` and one batch); share_spread is how far the camera that is farthest
from it is from its max-min fair share of what was analysed, as a part of that share. `degrade`, the default: every
camera is looked at less often, and what is dropped then is told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from streamer.assembly.house import open_house
from streamer.assembly.model import open_model
from streamer.clock import SystemClock
from streamer.config import CameraConfig, Config
from streamer.config.model import ModelConfig
from streamer.demo.clips import prepare_clips
from streamer.fit import InputFit
from streamer.surroundings import Surroundings
from streamer.types import Frame
from tests.benchmarks.overhead import decoded
from tests.benchmarks.report import report
from tests.redis_server import RedisServer

RATES_FPS = (2.5, 5.0, 10.0)
SETTLE_S = 8.0


class Played:
    """A live camera whose pictures are in memory: each is offered when its time has come, whatever became of others."""

    demand_paced = False

    def __init__(self, camera: str, frames: list[Frame], fps: float, first_s: float, around: Surroundings) -> None:
        self.camera = camera
        self._frames, self._fps, self._first_s = frames, fps, first_s
        self._ledger, self._status = around.ledger, around.status
        self._stop = threading.Event()

    def frames(self) -> Iterator[Frame]:
        began_s = time.monotonic() + self._first_s
        self._status.online(time.monotonic(), self._frames[0].source_wh, "memory")
        n = 0
        while not self._stop.wait(max(0.0, began_s + n / self._fps - time.monotonic())):
            self._ledger.received()
            self._status.frame(time.monotonic())
            media_s = n / self._fps
            one = self._frames[n % len(self._frames)]
            yield replace(one, camera=self.camera, index=n, media_s=media_s, received_s=time.monotonic())
            n += 1

    def close(self) -> None:
        """No more."""
        self._stop.set()


def main() -> int:
    """Both rounds, and the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=float, default=3.0, help="of what the model can do")
    parser.add_argument("--seconds", type=float, default=45.0, help="measured, in each round")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    model = open_model(ModelConfig(), 8)
    capacity = model.plan.capacity
    cameras = max(3, round(args.times * capacity / np.mean(RATES_FPS) / 3) * 3)
    values: dict[str, object] = {"cameras": cameras, "model_pictures_per_s": round(capacity, 1), "times": args.times}
    with tempfile.TemporaryDirectory(prefix="streamer-overload-") as scratch:
        video = prepare_clips(Path(scratch) / "clips")["avenue"].video
        frames = decoded(video, model.pool.input_fit, 5)
        for policy in ("admit", "degrade"):
            outcome = served(policy, cameras, frames, args.seconds, Path(scratch) / policy)
            print(policy, outcome, flush=True)
            values |= outcome if policy == "admit" else {f"{policy}_{name}": value for name, value in outcome.items()}
    report("overload", values, keep=args.keep)
    return 0


def served(policy: str, cameras: int, frames: list[Frame], seconds: float, folder: Path) -> dict[str, Any]:
    """One round."""
    rates = {f"c{i}": RATES_FPS[i % 3] for i in range(cameras)}
    with RedisServer(folder / "redis") as redis:
        config = Config.model_validate({
            "cameras": {
                name: {
                    "url": "rtsp://memory/", "clips": None, "analyse_fps": fps, "decode": "always",
                    "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
                    "rules": [{"name": "crowd", "kind": "occupancy", "zone": "all", "above": 50}],
                }
                for name, fps in rates.items()
            },
            "redis": {"url": redis.url}, "data_dir": str(folder / "data"), "http": None,
            "inference": {"when_full": policy},
        })  # fmt: skip
        late_s: dict[str, list[tuple[float, float]]] = defaultdict(list)

        def published(camera: str, seconds: float) -> None:
            late_s[camera].append((time.monotonic(), seconds))

        def from_memory(name: str, camera: CameraConfig, fit: InputFit, around: Surroundings, *rest: Any) -> Played:
            fps = camera.analyse_fps or RATES_FPS[-1]
            return Played(name, frames, fps, int(name[1:]) / cameras / fps, around)

        with open_house(config, SystemClock(), "benchmark", make_source=from_memory, on_published=published) as house:
            running = threading.Thread(target=house.service.run)
            running.start()
            time.sleep(SETTLE_S)
            units = house.service.cameras
            before = {unit.camera: unit.ledger.counts() for unit in units}
            timings, began_s = house.detector.timings, time.monotonic()
            time.sleep(seconds)
            after = {unit.camera: unit.ledger.counts() for unit in units}
            ended_s, spent = time.monotonic(), house.detector.timings
            house.service.stop()
            running.join()
    got = {name: after[name].analysed - before[name].analysed for name in after}
    dropped = sum(sum(after[n].dropped.values()) - sum(before[n].dropped.values()) for n in after)
    whole_s = [s for each in late_s.values() for at_s, s in each if began_s <= at_s <= ended_s]
    runs = spent.runs - timings.runs
    batch_s = (
        spent.prepare_s + spent.run_s + spent.decode_s - timings.prepare_s - timings.run_s - timings.decode_s
    ) / runs
    promise_s = config.inference.max_age_s + batch_s
    p50_s, p99_s = np.quantile(whole_s, [0.5, 0.99])
    fair = fair_shares({name: rate * seconds for name, rate in rates.items()}, sum(got.values()))
    return {
        "p99_over_promise": round(float(p99_s) / promise_s, 3),
        "share_spread": round(max(abs(got[name] - fair[name]) / fair[name] for name in got), 4),
        "p50_ms": round(float(p50_s) * 1e3, 1),
        "p99_ms": round(float(p99_s) * 1e3, 1),
        "batch_ms": round(batch_s * 1e3, 1),
        "pictures_per_s": round(sum(got.values()) / (ended_s - began_s), 1),
        "dropped_share": round(dropped / max(1, dropped + sum(got.values())), 4),
    }


def fair_shares(asked: Mapping[str, float], there_is: float) -> dict[str, float]:
    """Max-min fair: nobody gets more than asked for, what that leaves is for the others; by water-filling."""
    level, left, waiting = 0.0, there_is, sorted(asked.values())
    for i, amount in enumerate(waiting):
        step = min(amount - level, left / (len(waiting) - i))
        level += step
        left -= step * (len(waiting) - i)
        if left <= 1e-9:
            break
    return {name: min(amount, level) for name, amount in asked.items()}


if __name__ == "__main__":
    sys.exit(main())
