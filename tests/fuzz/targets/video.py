"""What cameras send: recordings with wrong bytes through the capture room."""

from __future__ import annotations

import random
from pathlib import Path

from streamer.capture.options import CameraOptions
from streamer.capture.source import CameraSource
from streamer.clock import SystemClock
from streamer.errors import SourceError
from streamer.fit import InputFit
from streamer.surroundings import Surroundings
from tests.clips import write_clip
from tests.fakes import FakeClock
from tests.fuzz.mutations import mutated_bytes

_FIT = InputFit((64, 64), "letterbox", "centre", 114)
_MOST_FRAMES = 60


class Bitstreams:
    """CameraSource over damaged recordings: frames whose pixels are there, or a SourceError."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clip.bin"
        self._clips = []
        for codec, name in (("libx264", "a.mp4"), ("libx264", "b.mkv"), ("libx264", "c.ts"), ("libx265", "d.mp4"),
                            ("mjpeg", "f.mov")):  # fmt: skip
            path = write_clip(folder / name, frames=8, size_wh=(64, 48), gop=4, codec=codec,
                              pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p")  # fmt: skip
            self._clips.append(path.read_bytes())

    def try_one(self, rng: random.Random) -> bool:
        """Read one to its end."""
        self._file.write_bytes(mutated_bytes(rng, rng.choice(self._clips), rng.choice((1, 4, 30))))
        return taken(CameraOptions(camera="gate", url=str(self._file), pace="demand", analyse_fps=None,
                                    decode=rng.choice(("always", "always", "key_frames"))))  # fmt: skip

    def close(self) -> None:
        """Nothing is open."""


def taken(options: CameraOptions) -> bool:
    """Whether frames came; what else is raised than SourceError is a finding."""
    source = CameraSource(options, _FIT, Surroundings.alone("gate", FakeClock()), SystemClock())
    frames = source.frames()
    seen = 0
    try:
        for frame in frames:
            height, width = frame.image.shape[:2]
            if not (height and width and frame.media_s >= 0):
                raise AssertionError(f"a frame of {frame.image.shape} at {frame.media_s} s")
            seen += 1
            if seen >= _MOST_FRAMES:
                break
    except SourceError:
        return False
    finally:
        source.close()
        frames.close()
    return bool(seen)
