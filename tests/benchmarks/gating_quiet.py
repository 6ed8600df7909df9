"""What quiet cameras cost, all pictures against key frames alone: whole-process CPU time, all in one run.

    python -m tests.benchmarks.gating_quiet [--cameras 100] [--seconds 20]

Cameras are a drawn 720p25 H.264 recording of a still street with sensor noise (a key frame every two seconds), played
at its own pace by the service's own capture, converted for the model at five frames a second and thrown away. As many
cameras as decode everything would not keep up with so few cores, so those are fewer; costs are per camera and second.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamer.capture import CameraOptions, CameraSource
from streamer.capture.gate import DecodeMode
from streamer.clock import SystemClock
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS
from streamer.fit import InputFit
from streamer.ledger import CameraStatus, FrameLedger
from tests.benchmarks.report import report

SIZE_WH, FPS, GOP = (1280, 720), 25, 50
DECODE_ALL_CAMERAS = 4
SETTLE_S = 3.0
RELAXED_S = 5.0


def main() -> int:
    """Draw, play both ways in turn, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamer-quiet-") as scratch:
        clip = _drawn(Path(scratch) / "quiet.mp4", seconds=args.seconds + 2 * SETTLE_S + 10)
        before_mb = _resident_mb()
        asleep, books, grown_mb = _played(clip, "key_frames", args.cameras, args.seconds, before_mb)
        relaxed, _, _ = _played(clip, "key_frames", args.cameras, args.seconds, before_mb, look_every_s=RELAXED_S)
        awake, all_books, _ = _played(clip, "always", DECODE_ALL_CAMERAS, args.seconds, before_mb)
    values: dict[str, object] = {
        "cameras": args.cameras,
        "cameras_decode_all": DECODE_ALL_CAMERAS,
        "key_frames_cpu_ms_per_camera_s": round(asleep, 3),
        "decode_all_cpu_ms_per_camera_s": round(awake, 3),
        "relaxed_cpu_ms_per_camera_s": round(relaxed, 3),
        "cpu_ratio_vs_decode_all": round(asleep / awake, 4),
        "cpu_ratio_relaxed": round(relaxed / awake, 4),
        "mb_per_camera": round(grown_mb / args.cameras, 2),
        "frames_key_frames": books,
        "frames_decode_all": all_books,
    }
    print(f"a quiet camera: {asleep:.2f} ms of CPU a second by key frames, {awake:.2f} ms when all is decoded")
    report("gating_quiet", values, keep=args.keep)
    return 0


def _played(
    clip: Path, mode: DecodeMode, cameras: int, seconds: float, before_mb: float, look_every_s: float = 0.0
) -> tuple[float, dict[str, int], float]:
    """CPU milliseconds per camera and second once all play, what became of their frames, MB that the process grew."""
    with _playing(clip, mode, cameras, look_every_s) as ledgers:
        time.sleep(SETTLE_S)
        began, began_cpu = time.monotonic(), time.process_time()
        time.sleep(seconds)
        spent, lasted = time.process_time() - began_cpu, time.monotonic() - began
        grown_mb = _resident_mb() - before_mb
        counts = [ledger.counts() for ledger in ledgers]
    books = {
        "received": sum(each.received for each in counts),
        "asleep": sum(each.skipped.get("asleep", 0) for each in counts),
        "rate": sum(each.skipped.get("rate", 0) for each in counts),
        "dropped": sum(sum(each.dropped.values()) for each in counts),
    }
    return spent * 1e3 / lasted / cameras, books, grown_mb


@contextlib.contextmanager
def _playing(clip: Path, mode: DecodeMode, cameras: int, look_every_s: float) -> Iterator[list[FrameLedger]]:
    clock = SystemClock()
    ledgers = [FrameLedger(f"c{n}") for n in range(cameras)]
    sources = [
        CameraSource(
            CameraOptions(camera=ledger.camera, url=str(clip), pace="realtime", decode=mode,
                          look_every_s=look_every_s, loop=True),
            InputFit((384, 288)), ledger, CameraStatus(ledger.camera, clock.monotonic()), clock,
        )
        for ledger in ledgers
    ]  # fmt: skip

    def drain(source: CameraSource) -> None:
        for _ in source.frames():
            pass

    threads = [threading.Thread(target=drain, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    try:
        yield ledgers
    finally:
        for source in sources:
            source.close()
        for thread in threads:
            thread.join(20)


def _drawn(path: Path, seconds: float) -> Path:
    """An empty street under noise, as a sensor gives it."""
    street = Street(VIEWS["gate"], SEED).frame(0.0)
    rng, still = np.random.default_rng(0), av.VideoFrame.from_ndarray(street, format="rgb24")
    still = still.reformat(*SIZE_WH)
    picture = still.to_ndarray(format="rgb24").astype(np.int16)
    noise = [rng.normal(0, 3, picture.shape).astype(np.int8) for _ in range(8)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(GOP), "crf": "30"}
        for i in range(round(seconds * FPS)):
            noisy = np.clip(picture + np.roll(noise[i % 8], 37 * i, axis=1), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.exit(main())
