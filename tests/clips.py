"""Small clips for tests, encoded here with PyAV's own libx264. Every frame carries its number, legible afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

NUMBER_BITS = 10
_TIME_BASE = Fraction(1, 90_000)


def numbered_picture(number: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """uint8 (h, w, 3): vertical stripes, white for the ones and dark for the noughts of the number, lowest first."""
    width, height = size_wh
    image = np.full((height, width, 3), 40, np.uint8)
    for bit in range(NUMBER_BITS):
        if number >> bit & 1:
            image[:, bit * width // NUMBER_BITS : (bit + 1) * width // NUMBER_BITS] = 220
    return image


def read_number(image: NDArray[np.uint8]) -> int:
    """The number that a picture carries, at whatever size."""
    height, width = image.shape[:2]
    middle = image[height // 4 : 3 * height // 4]
    columns = [(2 * bit + 1) * width // (2 * NUMBER_BITS) for bit in range(NUMBER_BITS)]
    return sum((middle[:, column].mean() > 130).item() << bit for bit, column in enumerate(columns))


def write_clip(
    path: Path,
    *,
    frames: int = 50,
    fps: float = 25.0,
    size_wh: tuple[int, int] = (320, 240),
    gop: int = 25,
    b_frames: int = 0,
    times_s: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    first_number: int = 0,
    slices: int = 1,
    strict_gop: bool = False,
    noise: int = 0,
    open_gop: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Encode numbered pictures; times_s gives each frame's own presentation time instead of fps.

    strict_gop: key frames every `gop` frames and nowhere else (libx264 puts one where many bits of the number change);
    noise: so much of it in every picture, as a sensor has;
    open_gop: strict, and pictures before a key frame may need what is behind it.
    """
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = *size_wh, pix_fmt
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        if codec == "libx265":
            params = f"keyint={gop}:min-keyint={gop}:bframes={b_frames}:b-adapt=0:scenecut=0:pools=1:frame-threads=1"
            params += f":open-gop={int(open_gop)}:log-level=none"
            stream.codec_context.options = {"preset": "ultrafast", "x265-params": params}
        if codec == "libx264":
            stream.gop_size = gop
            stream.codec_context.thread_count = 1  # else x264 cuts pictures into slices, one per thread
            stream.codec_context.options = {
                "preset": "veryfast",
                "bf": str(b_frames),
                "b-adapt": "0",
                "scenecut": "0",
                "crf": "18",
                "slices": str(slices),
            }
            if strict_gop or open_gop:
                strict = f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop={int(open_gop)}"
                stream.codec_context.options |= {"x264-params": strict}
        for i in range(frames):
            picture = numbered_picture(first_number + i, size_wh)
            if noise:
                picture += rng.integers(0, noise, picture.shape, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = round((times_s[i] if times_s else i / fps) / _TIME_BASE)
            frame.time_base = _TIME_BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        stream.layout = "mono"
        for i in range(int(seconds * 8000 / 1024)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, i * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
