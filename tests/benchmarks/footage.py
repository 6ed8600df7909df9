"""Footage and models that several benchmarks need, made once per run in a folder of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.demo.clips import encode
from streamer.zoo import bundled_model

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
VTEST = SHARED / "data/videos/vtest_480x360.mp4"
YOLOX = SHARED / "data/models/yolox_nano/yolox_nano.onnx"


def street_with_people() -> Path:
    """A street with two to twelve people in it: real footage, which is not part of the project."""
    if not VTEST.is_file():
        raise SystemExit(f"{VTEST} is missing: this benchmark needs the project's test footage beside the checkout")
    return VTEST


def detector_folder(folder: Path) -> Path:
    """YOLOX-nano adopted into a model folder; the bundled model where the file is not there."""
    if not YOLOX.is_file():
        return bundled_model()
    out = folder / "yolox-nano"
    command = [sys.executable, "-m", "streamer", "models", "adopt", str(YOLOX), "--layout", "yolox", "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def as_720p25(video: Path, out: Path, seconds: float) -> Path:
    """The video's pictures at 1280×720 and 25 fps, as a camera would send them: H.264, no B-frames, 2 s GOP."""

    def frames() -> Iterator[NDArray[np.uint8]]:
        rng, left = np.random.default_rng(0), int(seconds * 25)
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                picture = cv2.resize(frame.to_ndarray(format="rgb24"), (1280, 720), interpolation=cv2.INTER_CUBIC)
                for _ in range(round(25 / float(container.streams.video[0].average_rate))):
                    if left == 0:
                        return
                    left -= 1
                    noise = rng.integers(0, 6, (720, 1280, 1), np.uint8)  # a sensor is never quite still
                    yield cv2.add(picture, np.repeat(noise, 3, axis=2))

    encode(frames(), out, fps=25)
    return out
