"""What privacy costs: masking and redacting a 720p picture with ten people, the screen of every frame, a redacted clip.

    python -m tests.benchmarks.privacy [--pictures 200]

One thread. Pictures are noise, which no step of it finds easy; people are boxes of 100 × 260 pixels that walk. CPU
time, median over the pictures; of the clip over all of its frames, decoding and encoding included.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from streamer.capture.convert import DecodedPicture
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.redacted_file import RedactedFiles
from streamer.privacy.policy import OPEN, CameraPrivacy
from streamer.privacy.screen import Screen
from streamer.privacy.source import private
from streamer.privacy.veil import Veil
from streamer.privacy.veils import Veils
from streamer.types import Detections, FrameResult, Tracks
from tests.benchmarks.report import report
from tests.clips import write_clip
from tests.footage import EPOCH, alert, show
from tests.walks import Drawn, frame_at

WH, PEOPLE, FPS, SECONDS = (1280, 720), 10, 5.0, 20
MASKS = (((0.0, 0.0), (0.3, 0.0), (0.3, 0.3), (0.0, 0.3)),)


def main() -> int:
    """Measure each step, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(1)
    full, small = (rng.integers(0, 256, (h, w, 3), np.uint8) for w, h in (WH, (416, 234)))
    figures: dict[str, object] = {"picture": f"{WH[0]}x{WH[1]}", "people": PEOPLE, "analyse_fps": FPS}
    for name, policy in (
        ("masks", CameraPrivacy(masks=MASKS)),
        ("heads", CameraPrivacy(redact="heads")),
        ("boxes", CameraPrivacy(redact="boxes")),
    ):
        veils: list[Veil] = []
        screen = Screen(lambda _camera, _at, veil, kept=veils: kept.append(veil))
        walk = walked(full, small, policy, args.pictures)
        figures[f"{name}_gate_ms"] = median_ms(walk, screen.screened)
        figures[f"{name}_full_picture_ms"] = median_ms(veils, lambda veil: veil.over(full))
    figures["open_gate_ms"] = median_ms(walked(full, small, OPEN, args.pictures), Screen().screened)
    figures["masks_before_the_model_ms"] = median_ms(
        [result.frame for result in walked(full, small, OPEN, args.pictures)],
        lambda frame: private(frame, CameraPrivacy(masks=MASKS)),
    )
    figures["redacted_clip_ms_per_frame"] = clip_ms_per_frame(veils)
    report("privacy", figures, keep=args.keep)
    return 0


def walked(full: np.ndarray, small: np.ndarray, policy: CameraPrivacy, n: int) -> list[FrameResult]:
    """Frames in which everybody walks a tenth of a picture a second."""
    rng = np.random.default_rng(2)
    at, step = rng.uniform(0.1, 0.8, (PEOPLE, 2)), rng.normal(0, 0.1 / FPS, (PEOPLE, 2))
    results = []
    for number in range(n):
        corner = np.abs((at + number * step) % 1.6 - 0.8) * WH
        boxes = np.concatenate([corner, corner + np.array([100, 260])], axis=1).astype(np.float32)
        scores, rows = np.full(PEOPLE, 0.8, np.float32), np.arange(PEOPLE, dtype=np.int64)
        nothing = np.zeros(PEOPLE, np.float32)
        tracks = Tracks(rows, boxes, np.zeros((PEOPLE, 2), np.float32), nothing, scores, 0 * rows, rows, ("person",))
        frame = replace(frame_at(number / FPS, image=small, source_wh=WH), picture=Drawn(full))
        results.append(FrameResult(private(frame, policy), Detections(boxes, scores, 0 * rows, ("person",)), tracks))
    return results


def clip_ms_per_frame(veils: list[Veil]) -> float:
    """CPU of a clip of SECONDS at 25 frames a second, per frame."""
    known = Veils()
    for number in range(int((SECONDS + 5) * FPS)):
        known.add(EPOCH + number / FPS, veils[number % len(veils)])
    with tempfile.TemporaryDirectory() as name:
        video = write_clip(Path(name) / "v.mp4", frames=SECONDS * 25, gop=50, strict_gop=True, size_wh=WH, noise=10)
        camera = CameraFootage(
            "gate",
            Path(name),
            clips=ClipLimits(SECONDS, 1, 600),
            opens_within_s=SECONDS,
            most_bytes=500_000_000,
            open_file=RedactedFiles(known, DecodedPicture),
        )
        told: list[object] = []
        show(camera, video)
        camera.begin(alert("a", float(SECONDS - 1)), told.append)
        begun_s = time.process_time()
        camera.finish()
        spent_s = time.process_time() - begun_s
        assert told[0] is not None
    return round(spent_s / (SECONDS * 25) * 1000, 2)


def median_ms(over: Sequence[Any], act: Callable[[Any], object]) -> float:
    """CPU milliseconds of a call."""
    taken = []
    for each in over:
        begun_s = time.process_time()
        act(each)
        taken.append(time.process_time() - begun_s)
    return round(float(np.median(taken)) * 1000, 3)


if __name__ == "__main__":
    raise SystemExit(main())
