"""CPU time of everything except decode, convert and session.run, per analysed frame, with ten tracks and five rules.

    python -m tests.benchmarks.overhead [--frames 600]

Two parts, measured apart and added up:
- service: real frames of a street with people, converted beforehand, through inbox, letterbox, NMS, tracker, rules,
  alert book, outbox and Redis client, with all threads; process CPU minus the CPU inside session.run.
- capture: a real 720p25 file through CameraSource (timestamps, rate selection, accounting), minus the CPU of a bare
  PyAV loop that demuxes, decodes and converts the very same frames; five source frames per analysed one.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av

from streamer.assembly.camera import build_source
from streamer.assembly.house import open_house
from streamer.clock import SystemClock
from streamer.config import CameraConfig, Config
from streamer.fit import InputFit
from streamer.ledger import CameraStatus, FrameLedger
from streamer.types import Frame
from tests.benchmarks.footage import as_720p25, detector_folder, street_with_people
from tests.benchmarks.report import report
from tests.redis_server import RedisServer


def five_rules() -> dict[str, Any]:
    """Zones and rules of the busy kind."""
    return {
        "zones": {
            "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
            "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
            "middle": [[0.2, 0.2], [0.8, 0.2], [0.8, 0.9], [0.2, 0.9]],
        },
        "lines": {"across": [[0, 0.5], [1, 0.5]]},
        "rules": [
            {"name": "in-left", "kind": "intrusion", "zone": "left", "labels": ["person"]},
            {"name": "stays", "kind": "loitering", "zone": "middle", "dwell_s": 5, "labels": ["person"]},
            {"name": "crosses", "kind": "line_crossing", "line": "across", "labels": ["person"]},
            {"name": "crowd", "kind": "occupancy", "zone": "right", "above": 3, "labels": ["person"]},
            {"name": "against", "kind": "wrong_direction", "zone": "middle", "heading_deg": 90, "labels": ["person"]},
        ],
    }


class Memory:
    """A recording whose frames are in memory already: nothing to decode, nothing to convert."""

    demand_paced = True

    def __init__(self, camera: str, frames: list[Frame], ledger: FrameLedger, clock: SystemClock) -> None:
        self.camera = camera
        self._frames, self._ledger, self._clock = frames, ledger, clock

    def frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            self._ledger.received()
            yield replace(frame, camera=self.camera, received_s=self._clock.monotonic())

    def close(self) -> None:
        """Nothing to close."""


def decoded(video: Path, input_fit: InputFit, most: int) -> list[Frame]:
    """The video's frames, converted for the model."""
    camera = CameraConfig.model_validate({"url": str(video), "analyse_fps": "all", "pace": "demand"})
    clock = SystemClock()
    source = build_source("camera", camera, input_fit, FrameLedger("camera"), CameraStatus("camera", 0.0), clock)
    frames: list[Frame] = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == most:
            break
    return frames


def service_ms(folder: Path, frames: int) -> dict[str, float]:
    """CPU of the threaded service per frame, less session.run, and how busy the picture was."""
    with RedisServer(folder / "redis") as redis:
        config = Config.model_validate(
            {
                "cameras": {"camera": {"url": "memory", "analyse_fps": "all", "pace": "demand", **five_rules()}},
                "model": {"path": str(detector_folder(folder))},
                "redis": {"url": redis.url},
                "data_dir": str(folder / "data"),
                "http": None,
            }
        )
        store: dict[str, list[Frame]] = {}

        def from_memory(name: str, camera: CameraConfig, fit: InputFit, ledger: FrameLedger, *rest: Any) -> Memory:
            store[name] = decoded(street_with_people(), fit, frames)
            return Memory(name, store[name], ledger, SystemClock())

        with open_house(config, SystemClock(), "benchmark", make_source=from_memory) as house:
            before, began_s = house.detector.timings, time.process_time()
            outcome = house.service.run()
            cpu_s = time.process_time() - began_s
            after = house.detector.timings
            assert outcome.clean, outcome
            [unit] = house.service.cameras
            analysed = unit.ledger.counts().analysed
    run_s = after.run_cpu_s - before.run_cpu_s
    return {
        "service_ms": (cpu_s - run_s) * 1000 / analysed,
        "prepare_ms": (after.prepare_s - before.prepare_s) * 1000 / analysed,
        "run_ms": run_s * 1000 / analysed,
        "analysed": analysed,
    }


def tracks_per_frame(folder: Path, frames: int) -> float:
    """Mean number of tracks that the rules saw, by replaying the same frames."""
    from streamer.assembly.camera import build_pipeline
    from streamer.assembly.model import open_detector
    from streamer.config.model import ModelConfig

    detector = open_detector(ModelConfig(path=detector_folder(folder / "again")))
    camera = CameraConfig.model_validate({"url": "memory", **five_rules()})
    pipeline = build_pipeline("camera", camera, Config.model_validate({"cameras": {"camera": camera}}), detector)
    seen = [
        len(pipeline.step(frame, detector.detect([frame])[0]).tracks)
        for frame in decoded(street_with_people(), detector.input_fit, frames)
    ]
    return statistics.fmean(seen)


def capture_ms(folder: Path, repeats: int = 5) -> float:
    """CPU of CameraSource above a bare loop on the same file, per analysed frame; the median of pairs in turn."""
    video = as_720p25(street_with_people(), folder / "street.mp4", 12.0)
    fit = InputFit((416, 416))
    camera = CameraConfig.model_validate({"url": str(video), "analyse_fps": 5, "pace": "demand"})
    differences = []
    for _ in range(repeats):
        began_s = time.process_time()
        ledger, clock = FrameLedger("camera"), SystemClock()
        source = build_source("camera", camera, fit, ledger, CameraStatus("camera", 0.0), clock)
        chosen = {frame.index for frame in source.frames()}
        ours_s = time.process_time() - began_s
        bare_s = _bare(video, chosen, fit)
        differences.append((ours_s - bare_s) * 1000 / len(chosen))
    return statistics.median(differences)


def _bare(video: Path, chosen: set[int], fit: InputFit) -> float:
    began_s = time.process_time()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for index, frame in enumerate(container.decode(stream)):
            if index in chosen:
                width, height = fit.of((frame.width, frame.height)).content_wh
                frame.reformat(width, height, "rgb24").to_ndarray()
    return time.process_time() - began_s


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=600)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = service_ms(folder, args.frames)
        capture = capture_ms(folder)
        tracks = tracks_per_frame(folder, min(args.frames, 200))
    total = service["service_ms"] + capture
    print(
        f"service {service['service_ms']:.3f} ms + capture {capture:.3f} ms = {total:.3f} ms of CPU per analysed frame"
    )
    values: dict[str, object] = {
        "cpu_ms_per_frame": round(total, 3),
        "service_ms": round(service["service_ms"], 3),
        "of_which_letterbox_ms": round(service["prepare_ms"], 3),
        "capture_ms": round(capture, 3),
        "session_run_ms": round(service["run_ms"], 2),
        "tracks_per_frame": round(tracks, 1),
        "rules": len(five_rules()["rules"]),
        "frames": int(service["analysed"]),
    }
    report("overhead", values)


if __name__ == "__main__":
    main()
