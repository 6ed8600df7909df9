"""What a camera sends that watches a still place: 720p25 H.264 under sensor noise, about one megabit a second.

The noise matters. White noise coded as coarsely as a clip for a test usually is vanishes altogether: every P-frame says
"as before" in 24 bytes, and decoding, demuxing and watching sizes are all cheaper than with any real camera. Here it
is as coarse-grained as demosaicing leaves it and survives the coder: some 4 kB a picture, never twice the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.connection import copy_of
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS

SIZE_WH, FPS, GOP = (1280, 720), 25, 50
CODING = {"preset": "ultrafast", "tune": "zerolatency", "g": str(GOP), "crf": "26"}
NOISE_GREY_LEVELS, GRAIN_PX = 3.0, 0.7

Yuv = NDArray[np.uint8]
"""uint8 (1080, 1280): a 720p picture as yuv420p, luma in the first 720 rows."""


class SensorNoise:
    """Adds to a picture's luma what a sensor adds; the n-th noise is always the same."""

    FIELDS = 8

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        width, height = SIZE_WH
        self._fields = []
        for _ in range(self.FIELDS):
            grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), GRAIN_PX)
            self._fields.append((grain * (NOISE_GREY_LEVELS / grain.std())).astype(np.int16))

    def over(self, picture: Yuv, n: int) -> Yuv:
        """A noisy copy."""
        height, noisy = SIZE_WH[1], picture.copy()
        noise = np.roll(self._fields[n % self.FIELDS], 37 * n, axis=1)
        noisy[:height] = np.clip(picture[:height] + noise, 0, 255)
        return noisy


def encode_noisy(pictures: Iterable[Yuv], path: Path) -> Path:
    """Each of them under its own noise, a key frame every GOP pictures."""
    noise = SensorNoise()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        stream.codec_context.thread_count = 1  # else x264 cuts pictures into slices, one per thread
        stream.codec_context.options = CODING
        for n, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(noise.over(picture, n), format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def quiet_clip(path: Path, seconds: float) -> Path:
    """An empty street in which nothing moves."""
    street = av.VideoFrame.from_ndarray(Street(VIEWS["gate"], SEED).frame(0.0), format="rgb24")
    still = street.reformat(*SIZE_WH, "yuv420p").to_ndarray()
    return encode_noisy((still for _ in range(round(seconds * FPS))), path)


def groups(clip: Path) -> list[list[av.Packet]]:
    """Its packets, group by group: each begins with a key frame and needs nothing from before it."""
    found: list[list[av.Packet]] = []
    with av.open(str(clip)) as container:
        for packet in container.demux(video=0):
            if not packet.size:
                continue
            if packet.is_keyframe:
                found.append([])
            found[-1].append(packet)
    return found


def one_after_the_other(spliced: Iterable[list[av.Packet]]) -> Iterator[av.Packet]:
    """Copies of the groups' packets, numbered and timed anew from 0 at FPS."""
    n = 0
    for group in spliced:
        for packet in group:
            copy = copy_of(packet)
            copy.pts = copy.dts = round(n / FPS / packet.time_base)
            n += 1
            yield copy
