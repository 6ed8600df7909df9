"""The video that cameras play: looked at before anything starts, or made of a smaller one as a camera would send it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from streamer.errors import ConfigError

STREET_WH, STREET_FPS, STREET_S = (1280, 720), 25, 24.0
_NOISE_GREY = 6
_QUALITY = 23  # x264's constant rate factor


@dataclass(frozen=True, slots=True)
class Footage:
    """A video file and what it holds."""

    file: Path
    width_px: int
    height_px: int
    fps: float
    lasts_s: float
    codec: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the file by its name alone: where it lies is nobody's business."""
        return {**asdict(self), "file": self.file.name, "fps": round(self.fps, 3), "lasts_s": round(self.lasts_s, 2)}


def looked_at(file: Path) -> Footage:
    """The video in a file. Raises ConfigError where there is none to be read."""
    if not file.is_file():
        raise ConfigError([f"--video: {file} is not there; name a video file of a camera"])
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise ConfigError([f"--video: {file} has no video track"])
            stream = container.streams.video[0]
            picture = next(container.decode(stream), None)
            if picture is None:
                raise ConfigError([f"--video: {file} has no picture that can be decoded"])
            rate = stream.average_rate or stream.guessed_rate
            lasts_s = _lasts_s(container.duration, stream)
            if rate is None or lasts_s is None or lasts_s <= 0:
                raise ConfigError([f"--video: {file} does not tell its frame rate and length; remux it into an mp4"])
            return Footage(
                file, picture.width, picture.height, float(rate), lasts_s, stream.codec_context.codec.canonical_name
            )
    except (av.error.FFmpegError, OSError) as error:
        raise ConfigError([f"--video: {file} cannot be read as a video: {error.strerror or error}"]) from error


def as_street_camera(video: Path, out: Path) -> None:
    """The video's pictures as a 720p camera at 25 fps would send them: H.264, sensor noise, a key frame every 2 s.

    `out` appears when it is whole.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as building:
        file = Path(building) / out.name
        with av.open(str(file), "w", format="mp4") as container:
            stream: Any = container.add_stream("libx264", rate=STREET_FPS)
            stream.width, stream.height, stream.pix_fmt = *STREET_WH, "yuv420p"
            stream.time_base = Fraction(1, STREET_FPS)
            stream.codec_context.gop_size = 2 * STREET_FPS
            stream.codec_context.max_b_frames = 0
            stream.codec_context.thread_count = 1
            stream.options = {"preset": "superfast", "crf": str(_QUALITY)}
            for picture in _at_25_fps(video):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        os.replace(file, out)


def _at_25_fps(video: Path) -> Iterator[NDArray[np.uint8]]:
    """uint8 (720, 1280, 3), RGB: at each moment the newest picture of the video."""
    rng, n = np.random.default_rng(0), 0
    noises = [rng.integers(0, _NOISE_GREY, (*STREET_WH[::-1], 1), np.uint8).repeat(3, axis=2) for _ in range(7)]
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            enlarged = cv2.resize(frame.to_ndarray(format="rgb24"), STREET_WH, interpolation=cv2.INTER_CUBIC)
            lasts_to_s = (frame.time or 0.0) + 1.0 / float(container.streams.video[0].average_rate or STREET_FPS)
            while n / STREET_FPS < min(lasts_to_s, STREET_S) - 1e-6:
                yield np.asarray(cv2.add(enlarged, noises[n % len(noises)]), np.uint8)
                n += 1
            if lasts_to_s >= STREET_S:
                return


def _lasts_s(container_us: int | None, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container_us / 1e6 if container_us else None
