"""Capture-to-publish latency: four RTSP cameras of 720p25 at five analysed frames a second, on this machine.

    python -m tests.benchmarks.latency [--seconds 60] [--cameras 4]

Real RTSP over TCP, real decoding, YOLOX-nano, tracking, five rules, a real Redis. The time runs from the arrival of a
frame's last packet in the process to Redis's acknowledgement of its result. The RTSP server and Redis share the cores.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from streamer.assembly.house import open_house
from streamer.clock import SystemClock
from streamer.config import Config
from tests.benchmarks.footage import as_720p25, detector_folder, street_with_people
from tests.benchmarks.overhead import five_rules
from tests.benchmarks.report import report
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = folder / "clips"
        clips.mkdir()
        print("making a 720p25 clip …", flush=True)
        as_720p25(street_with_people(), clips / "street.mp4", 20.0)
        with RedisServer(folder / "redis") as redis, aio_rtsp_server(clips) as rtsp:
            latencies, frames = watch(folder, redis.url, rtsp.url("street.mp4", loop=True), args)
    p50, p90, p99 = np.percentile(latencies, [50, 90, 99]) * 1000
    print(f"{len(latencies)} frames: p50 {p50:.0f} ms, p90 {p90:.0f} ms, p99 {p99:.0f} ms")
    values: dict[str, object] = {
        "p50_ms": round(float(p50), 1),
        "p90_ms": round(float(p90), 1),
        "p99_ms": round(float(p99), 1),
        "max_ms": round(max(latencies) * 1000, 1),
        "samples": len(latencies),
        "cameras": args.cameras,
        "seconds": args.seconds,
        "frames": frames,
    }
    report("latency", values)


def watch(folder: Path, redis_url: str, url: str, args: argparse.Namespace) -> tuple[list[float], dict[str, object]]:
    """Latencies in seconds after a warm-up of 5 s, and the frames of all cameras by outcome."""
    camera = {"url": url, "analyse_fps": 5, **five_rules()}
    config = Config.model_validate(
        {
            "cameras": {f"cam{i}": camera for i in range(args.cameras)},
            "model": {"path": str(detector_folder(folder))},
            "redis": {"url": redis_url},
            "data_dir": str(folder / "data"),
            "http": None,
        }
    )
    latencies: list[float] = []
    begin_at = time.monotonic() + 5.0

    def published(_: str, seconds: float) -> None:
        if time.monotonic() >= begin_at:
            latencies.append(seconds)

    with open_house(config, SystemClock(), "benchmark", on_published=published) as house:
        timer = threading.Timer(args.seconds + 5.0, house.service.stop)
        timer.start()
        outcome = house.service.run()
        timer.cancel()
        assert outcome.clean, outcome
        total: dict[str, int] = {}
        for unit in house.service.cameras:
            counts = unit.ledger.counts()
            rows = {"received": counts.received, "analysed": counts.analysed, **counts.skipped}
            for key, n in {**rows, **{f"dropped.{r}": n for r, n in counts.dropped.items()}}.items():
                total[key] = total.get(key, 0) + n
    return latencies, dict(total)


if __name__ == "__main__":
    main()
