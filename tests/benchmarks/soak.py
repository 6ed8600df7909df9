"""Does anything grow? A service among bad cameras for a while, and what it takes of memory, files, threads and disk.

    python -m tests.benchmarks.soak [--minutes 10]

Six cameras beside each other: one refuses connections, one accepts them and says nothing, one stalls five seconds in
twelve, one floods (ten times its pictures), one resets its connections every two seconds, one behaves. Clips, pictures
and continuous recordings are on, with a quota of a few megabytes each, and what was delivered is kept three minutes,
so that pruning works all the time.
What is accelerated: a camera that flaps once a minute would take ten hours for the reconnects of twenty minutes here.

Memory is that of the process alone (RssAnon), read once a second. The slope is Theil and Sen's, the median of the
slopes of all pairs of readings in the second half of the run; its 95 % interval is Sen's (1968), with readings thinned
to independent ones (one in ten seconds). It is within noise where the interval holds 0 or the slope is below
NEGLIGIBLE_MB_H: less than the memory of one decoded picture an hour.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from streamer.chaos.drill.ground import Ground, Plan
from streamer.chaos.script import parse_script, play
from tests.benchmarks.report import report
from tests.chaos import CAMERA, clips

KEEP = {"snapshots_mb": 8, "clips_mb": 8, "recordings_mb": 16, "delivered_hours": 0.05}
DISK_SLACK_MB = 100.0
"""Quotas are enforced now and then: footage every minute, in which these cameras send 50 MB, pictures every ten."""
NEGLIGIBLE_MB_H = 3.0
THINNED_S = 10.0
SCRIPTS = {
    "refusing": ("refuse@0s", None),
    "silent": ("mute@0s", None),
    "stalling": ("stall@4s,go@9s", 12.0),
    "flooding": ("flood=10@0s", None),
    "flapping": ("reset@2s", 2.0),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the process and its data folder."""

    at_s: float
    anon_mb: float
    rss_mb: float
    files: int
    threads: int
    disk_mb: float


def read(pid: int, folder: Path, at_s: float) -> Reading:
    """What the process takes now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)

    def mb(name: str) -> float:
        return int(status[name].split()[0]) / 1024

    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(root) / name).stat().st_size
            except FileNotFoundError:  # pruned
                continue
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Reading(at_s, mb("RssAnon"), mb("VmRSS"), files, int(status["Threads"]), size / 1e6)


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Theil–Sen slope per unit of x, with Sen's 95 % interval."""
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1)
    n, count = len(points), len(slopes)
    spread = 1.96 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = max(0, int((count - spread) / 2)), min(count - 1, math.ceil((count + spread) / 2))
    return slopes[count // 2], slopes[low], slopes[high]


def soak(minutes: float) -> tuple[list[Reading], dict[str, object]]:
    """Readings, and what the cameras came to."""
    settings = {"keep": KEEP, "inference": {"max_age_s": 5}}
    rules = [{**rule, "cooldown_s": 10.0, "max_open": 3} for rule in CAMERA["rules"]]
    camera = {
        **CAMERA,
        "rules": rules,
        "clips": {"before_s": 2, "after_s": 2, "most_s": 20},
        "record": {"segment_s": 5},
    }
    readings: list[Reading] = []
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        plan = Plan(dict.fromkeys((*SCRIPTS, "well"), camera), settings=settings)
        with Ground(Path(folder) / "ground", clips(), plan) as ground:
            ground.wait_until_all_are_watched()
            players = [
                threading.Thread(
                    target=play, args=(parse_script(text), ground.cameras[name].do, stop), kwargs={"every_s": every_s}
                )
                for name, (text, every_s) in SCRIPTS.items()
            ]
            for player in players:
                player.start()
            began_s = time.monotonic()
            while (at_s := time.monotonic() - began_s) < 60 * minutes:
                readings.append(read(ground.service.pid, ground.folder / "data", at_s))
                if len(readings) % 30 == 0:
                    print(readings[-1], flush=True)
                time.sleep(1.0)
            stop.set()
            for player in players:
                player.join()
            connected = {name: each.connected for name, each in ground.cameras.items()}
            lives = 1 + len(ground.service.exits)
            analysed = {name: ground.onlooker.frames(name) for name in ground.cameras}
            log_kb = ground.log.stat().st_size / 1e3
    return readings, {"connections": connected, "frames": analysed, "lives": lives, "log_kb": round(log_kb, 1)}


def judged(readings: Sequence[Reading], minutes: float) -> dict[str, object]:
    """The second half in numbers."""
    half = [reading for reading in readings if reading.at_s >= 30 * minutes]
    thinned, next_s = [], float("-inf")
    for reading in half:
        if reading.at_s >= next_s:
            thinned.append(reading)
            next_s = reading.at_s + THINNED_S
    per_s, low, high = slope([(reading.at_s, reading.anon_mb) for reading in thinned])
    per_h = per_s * 3600
    return {
        "memory_mb": {
            "median": round(sorted(r.rss_mb for r in half)[len(half) // 2], 1),
            "most": round(max(r.rss_mb for r in readings), 1),
        },
        "memory_slope_mb_per_h": round(per_h, 2),
        "memory_slope_95": [round(low * 3600, 2), round(high * 3600, 2)],
        "within_noise": low <= 0 <= high or abs(per_h) < NEGLIGIBLE_MB_H,
        "files": [min(r.files for r in half), max(r.files for r in half)],
        "threads": [min(r.threads for r in half), max(r.threads for r in half)],
        "disk_mb_most": round(max(r.disk_mb for r in readings), 1),
        "disk_mb_bound": sum(value for name, value in KEEP.items() if name.endswith("_mb")) + DISK_SLACK_MB,
    }


def main() -> None:
    """Run, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--no-keep", action="store_true", help="do not store the result under docs/benchmarks")
    args = parser.parse_args()
    readings, cameras = soak(args.minutes)
    report("soak", {"minutes": args.minutes, **judged(readings, args.minutes), **cameras}, keep=not args.no_keep)


if __name__ == "__main__":
    main()
