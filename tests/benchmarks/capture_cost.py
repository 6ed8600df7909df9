"""What capture costs besides its decoder and its conversion, without a detector beside it.

    python -m tests.benchmarks.capture_cost [--seconds 12] [--rounds 3]

Four cameras of a real street, 720p25, five frames a second analysed, gate on, clips' packets kept, analysis saying that
people are there and move: CPU of the capture threads for each analysed frame, by their own clocks. In real time each
camera gets up for its packets as they come, at full speed the files are read as fast as they can be. `gets_up` is how
often a thread waited for each analysed frame. Median of the rounds; the stopwatches themselves cost about 0.02 ms.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamer.capture import CameraOptions, CameraSource, gated
from streamer.capture.convert import Converter
from streamer.capture.decoder import Decoder
from streamer.capture.motion.pixel_motion import PixelMotion
from streamer.capture.options import Pace
from streamer.clock import SystemClock
from streamer.fit import InputFit
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.presence import Presence
from streamer.surroundings import Surroundings
from tests.benchmarks.ceiling import Stopwatches
from tests.benchmarks.footage import as_720p25, street_with_people
from tests.benchmarks.report import report

CAMERAS, ANALYSE_FPS, VIDEO_S = 4, 5.0, 20.0
PARTS = (
    ("decode", Decoder, "_decode"),
    ("convert", Converter, "image"),
    ("look_small", gated, "small_luma"),
    ("look", PixelMotion, "look"),
)


class Stop(threading.Event):
    """Counts how often somebody waited for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return super().wait(timeout)


def capture_cost(video: Path, folder: Path, pace: Pace, seconds: float) -> dict[str, float]:
    """Milliseconds of CPU for each analysed frame, by part."""
    clock, spent_s, analysed, received = SystemClock(), [0.0] * CAMERAS, [0] * CAMERAS, [0] * CAMERAS
    stops = [Stop() for _ in range(CAMERAS)]

    def watch(n: int) -> None:
        presence = Presence()
        presence.sees(2, moving=True)
        tap = CameraFootage(f"c{n}", folder, clips=ClipLimits(5, 5, 60), opens_within_s=2.0)
        around = replace(Surroundings.alone(f"c{n}", clock), presence=presence, tap=tap)
        options = CameraOptions(
            camera=f"c{n}", url=str(video), pace=pace, decode="motion", analyse_fps=ANALYSE_FPS, loop=pace == "realtime"
        )
        source = CameraSource(options, InputFit((416, 416)), around, clock)
        source._stop = stops[n]
        frames = source.frames()
        next(frames)  # opening the file is not per frame
        began_s, until_s = time.thread_time(), clock.monotonic() + seconds
        for _ in frames:
            analysed[n] += 1
            if clock.monotonic() > until_s:
                source.close()
        spent_s[n] = time.thread_time() - began_s
        received[n] = around.ledger.counts().received

    with Stopwatches() as watches:
        for part in PARTS:
            watches.hold(*part)
        threads = [threading.Thread(target=watch, args=(n,)) for n in range(CAMERAS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        parts = {name: spent / sum(analysed) * 1e3 for name, spent in watches.cpu_s.items()}
    total_ms = sum(spent_s) / sum(analysed) * 1e3
    return {
        "all_ms": total_ms,
        "rest_ms": total_ms - parts["decode"] - parts["convert"],
        **{f"{name}_ms": ms for name, ms in parts.items()},
        "gets_up": sum(stop.waits for stop in stops) / sum(analysed),
        "received_per_analysed": sum(received) / sum(analysed),
    }


def main() -> int:
    """Measure both ways, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each round in real time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    values: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="streamer-capture-cost-") as scratch:
        video = as_720p25(street_with_people(), Path(scratch) / "street.mp4", VIDEO_S)
        paces: tuple[Pace, ...] = ("realtime", "demand")
        for pace in paces:
            rounds = [capture_cost(video, Path(scratch), pace, args.seconds) for _ in range(args.rounds)]
            values[pace] = {key: round(statistics.median(each[key] for each in rounds), 3) for key in rounds[0]}
            print(pace, values[pace], flush=True)
    report("capture_cost", {"rest_ms": values["realtime"]["rest_ms"], **values}, keep=args.keep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
