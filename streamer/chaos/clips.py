"""What cameras of a drill play: a drawn street, once more in another size, and once more in another codec."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.chaos.camera.coded_clip import CodedClip, read_clip
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS

FPS = 10
_LENGTH_S = 12
_WH, _OTHER_WH = (480, 270), (384, 216)
_VERSION = 2  # rises when what is drawn here changes


def drawn_clips(cache: Path) -> tuple[CodedClip, ...]:
    """H.264, H.264 of another size, H.265: twelve seconds each, people walking. From the cache where they are there."""
    wanted = [("libx264", _WH), ("libx264", _OTHER_WH), ("libx265", _WH)]
    paths = [cache / f"street-{_VERSION}-{codec}-{width}x{height}.mp4" for codec, (width, height) in wanted]
    if not all(path.exists() for path in paths):
        cache.mkdir(parents=True, exist_ok=True)
        pictures = list(_pictures())
        for (codec, wh), path in zip(wanted, paths, strict=True):
            _keep(path, codec, wh, pictures)
    return tuple(read_clip(path) for path in paths)


def _pictures() -> Iterator[NDArray[np.uint8]]:
    street = Street(VIEWS["gate"], SEED)
    for i in range(_LENGTH_S * FPS):
        yield street.frame(i / FPS)


def _keep(path: Path, codec: str, wh: tuple[int, int], pictures: Sequence[NDArray[np.uint8]]) -> None:
    """The whole file or none: several drills may begin at once."""
    descriptor, name = tempfile.mkstemp(suffix=".mp4", dir=path.parent)
    os.close(descriptor)
    try:
        _encode(name, codec, wh, pictures)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _encode(name: str, codec: str, wh: tuple[int, int], pictures: Sequence[NDArray[np.uint8]]) -> None:
    """A key picture a second and no B-frames, as cameras send."""
    with av.open(name, "w") as container:
        stream: Any = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *wh, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.codec_context.gop_size = FPS
        stream.codec_context.max_b_frames = 0
        stream.codec_context.thread_count = 1
        options = {"preset": "superfast"}
        if codec == "libx265":
            options["x265-params"] = f"keyint={FPS}:min-keyint={FPS}:bframes=0:pools=1:frame-threads=1:log-level=none"
        stream.codec_context.options = options
        for i, picture in enumerate(pictures):
            small = cv2.resize(picture, wh, interpolation=cv2.INTER_AREA)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(small, np.uint8), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
