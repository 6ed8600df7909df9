"""CPU time of everything except decode, convert and session.run, per analysed frame, with ten tracks and five rules.

    python -m tests.benchmarks.overhead [--seconds 25]

Two parts, measured apart and added up:
- service: pictures of the drawn street (about ten tracks each), converted beforehand, through inbox, letterbox, NMS,
  tracker, five rules, camera trouble, alert book, pictures, outbox and Redis client, with all threads; process CPU
  minus the CPU inside session.run. Four cameras, as fast as the machine takes them.
- capture: a real 720p25 file through CameraSource (demuxing, timestamps, rate selection, accounting): its thread's CPU
  minus that inside the decoder and the converter; five source frames per analysed one.
Each is the median of three rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from redis import Redis

from streamer.assembly.camera import build_source
from streamer.assembly.house import open_house
from streamer.capture.convert import Converter
from streamer.capture.decoder import Decoder
from streamer.clock import SystemClock
from streamer.config import CameraConfig, Config
from streamer.demo.clips import prepare_clips
from streamer.fit import InputFit
from streamer.ledger import FrameLedger
from streamer.surroundings import Surroundings
from streamer.types import Frame
from tests.benchmarks.footage import as_720p25
from tests.benchmarks.report import report
from tests.redis_server import RedisServer


def five_rules() -> dict[str, Any]:
    """Zones and rules that look at everything and seldom alert, as an operator would have them."""
    return {
        "zones": {
            "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
            "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
            "middle": [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]],
        },
        "lines": {"across": [[0, 0.5], [1, 0.5]]},
        "rules": [
            {
                "name": "in-left",
                "kind": "intrusion",
                "zone": "left",
                "labels": ["person"],
                "cooldown_s": 30,
                "max_open": 1,
            },
            {
                "name": "stays",
                "kind": "loitering",
                "zone": "middle",
                "dwell_s": 10,
                "labels": ["person"],
                "max_open": 1,
            },
            {"name": "crosses", "kind": "line_crossing", "line": "across", "cooldown_s": 20},
            {"name": "crowd", "kind": "occupancy", "zone": "right", "above": 12, "labels": ["person"]},
            {"name": "against", "kind": "wrong_direction", "zone": "middle", "heading_deg": 90, "cooldown_s": 30},
        ],
    }


class Memory:
    """A recording whose frames are in memory already: nothing to decode, nothing to convert."""

    demand_paced = True

    def __init__(self, camera: str, frames: list[Frame], seconds: float, ledger: FrameLedger) -> None:
        self.camera = camera
        self._frames, self._seconds, self._ledger = frames, seconds, ledger

    def frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            if frame.media_s > self._seconds:
                return
            self._ledger.received()
            yield replace(frame, camera=self.camera, received_s=time.monotonic())

    def close(self) -> None:
        """Nothing to close."""


def decoded(video: Path, input_fit: InputFit, analyse_fps: float) -> list[Frame]:
    """The video's frames, converted for the model."""
    camera = CameraConfig.model_validate({"url": str(video), "analyse_fps": analyse_fps, "pace": "demand"})
    clock = SystemClock()
    source = build_source("camera", camera, input_fit, Surroundings.alone("camera", clock), clock)
    return list(source.frames())


def service_ms(folder: Path, seconds: float, n: int = 0) -> dict[str, float]:
    """CPU of the threaded service per frame, less session.run, and how busy the pictures were."""
    clips = prepare_clips(folder / "clips")
    with RedisServer(folder / f"redis-{n}") as redis:
        cameras = {f"cam{i}": {"url": "memory", **five_rules()} for i in range(4)}
        config = Config.model_validate(
            {"cameras": cameras, "redis": {"url": redis.url}, "data_dir": str(folder / f"data-{n}"), "http": None}
        )

        def from_memory(name: str, camera: CameraConfig, fit: InputFit, around: Surroundings, *rest: Any) -> Memory:
            view = ("gate", "avenue", "yard")[int(name[-1]) % 3]
            return Memory(name, decoded(clips[view].video, fit, 5), seconds, around.ledger)

        with open_house(config, SystemClock(), "benchmark", make_source=from_memory) as house:
            before, began_s = house.detector.timings, time.process_time()
            outcome = house.service.run()
            cpu_s = time.process_time() - began_s
            after = house.detector.timings
            assert outcome.clean, outcome
            analysed = sum(unit.ledger.counts().analysed for unit in house.service.cameras)
        with Redis.from_url(redis.url, decode_responses=True) as client:
            entries = [entry for name in cameras for entry in client.xrange(f"streamer:detections:{name}")]
            objects = [json.loads(fields["data"])["objects"] for _, fields in entries]
            changes = int(client.xlen("streamer:alerts"))
    run_s = after.run_cpu_s - before.run_cpu_s
    return {
        "service_ms": (cpu_s - run_s) * 1000 / analysed,
        "session_run_ms": run_s * 1000 / analysed,
        "analysed": analysed,
        "tracks_per_frame": statistics.fmean(sum(o["track_id"] is not None for o in seen) for seen in objects),
        "alert_changes_per_frame": changes / analysed,
    }


def capture_ms(folder: Path) -> float:
    """CPU of CameraSource outside decoder and converter, per analysed frame."""
    video = as_720p25(prepare_clips(folder / "clips")["avenue"].video, folder / "street.mp4", 20.0)
    camera = CameraConfig.model_validate({"url": str(video), "analyse_fps": 5, "pace": "demand"})
    clock = SystemClock()
    source = build_source("camera", camera, InputFit((416, 416)), Surroundings.alone("camera", clock), clock)
    with _stopwatch(Decoder, "_decode") as decoding, _stopwatch(Converter, "image") as converting:
        frames = source.frames()
        next(frames)  # opening the file is not per frame
        began_s, before_s = time.thread_time(), decoding.cpu_s + converting.cpu_s
        analysed = sum(1 for _ in frames)
        cpu_s = time.thread_time() - began_s
        inside_s = decoding.cpu_s + converting.cpu_s - before_s
    return (cpu_s - inside_s) * 1000 / analysed


@dataclass
class _Stopwatch:
    cpu_s: float = 0.0


@contextlib.contextmanager
def _stopwatch(owner: type, method: str) -> Iterator[_Stopwatch]:
    """The CPU time that goes into one method while the block runs."""
    watch, original = _Stopwatch(), getattr(owner, method)

    def timed(*args: Any) -> Any:
        began_s = time.thread_time()
        try:
            return original(*args)
        finally:
            watch.cpu_s += time.thread_time() - began_s

    setattr(owner, method, timed)
    try:
        yield watch
    finally:
        setattr(owner, method, original)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=55.0, help="of footage per camera (default 55)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rounds = [service_ms(Path(name), args.seconds, n) for n in range(3)]
        service = sorted(rounds, key=lambda each: each["service_ms"])[1]
        capture = statistics.median(capture_ms(Path(name)) for _ in range(3))
    total = service["service_ms"] + capture
    print(f"service {service['service_ms']:.3f} + capture {capture:.3f} = {total:.3f} ms of CPU per analysed frame")
    values: dict[str, object] = {
        "cpu_ms_per_frame": round(total, 3),
        "service_ms": round(service["service_ms"], 3),
        "capture_ms": round(capture, 3),
        "session_run_ms": round(service["session_run_ms"], 2),
        "tracks_per_frame": round(service["tracks_per_frame"], 1),
        "rules": len(five_rules()["rules"]),
        "alert_changes_per_frame": round(service["alert_changes_per_frame"], 3),
        "frames": int(service["analysed"]),
    }
    report("overhead", values)


if __name__ == "__main__":
    main()
