"""Pictures that may be shown, as an mp4 that every player and browser shows: H.264 where FFmpeg has it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from streamer.errors import FootageError
from streamer.privacy.publishable import Publishable

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
_TIME_BASE = Fraction(1, 90_000)
_NOMINAL_FPS = 25
_KEY_EVERY = 50  # frames: a player that is asked for a moment finds it soon
_WHOLE = {"movflags": "+faststart+use_metadata_tags"}
_BT709 = 1  # as ITU-T H.273 numbers matrices, primaries and curves
_OPTIONS = {"libx264": {"preset": "veryfast", "crf": "22"}}


class VideoWriter:
    """A video file that appears whole or not at all; leave the block by an exception, and there is none.

    Every picture has the size of the first, made even: a codec of half colours asks for that. metadata: tags; partial:
    where it is written until it is whole.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str] | None = None, partial: Path | None = None) -> None:
        self._path, self._metadata = path, metadata or {}
        self._partial = partial or path.with_name(f".{path.name}.partial")
        self._container: Any = None
        self._stream: Any = None
        self._last = -1
        self.frames = 0

    def __enter__(self) -> Self:
        try:
            self._container = av.open(str(self._partial), "w", format="mp4", options=_WHOLE)
            self._container.metadata.update(self._metadata)
        except (OSError, av.error.FFmpegError) as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:  # what went wrong before is what is told
                with contextlib.suppress(OSError, av.error.FFmpegError):
                    self._container.close()
                return
            if self._stream is not None:
                self._mux(None)
            self._container.close()
            if self.frames:
                os.replace(self._partial, self._path)
        except (OSError, av.error.FFmpegError) as failed:
            raise self._unwritable(failed) from failed
        finally:
            self._partial.unlink(missing_ok=True)

    def add(self, picture: Publishable, at_s: float) -> None:
        """The next picture, and when it is shown; times rise."""
        rgb = even(picture.rgb)
        if self._stream is None:
            self._stream = self._open(rgb.shape[1], rgb.shape[0])
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        self._last = max(self._last + 1, round(at_s / _TIME_BASE))
        frame.pts, frame.time_base = self._last, _TIME_BASE
        try:
            self._mux(frame)
        except (OSError, av.error.FFmpegError) as error:
            raise self._unwritable(error) from error
        self.frames += 1

    @property
    def codec(self) -> str:
        """As FFmpeg calls it; nothing before the first picture."""
        return "" if self._stream is None else str(self._stream.codec_context.codec.canonical_name)

    def _open(self, width: int, height: int) -> Any:
        name = next((each for each in _ENCODERS if _is_there(each)), None)
        if name is None:
            raise FootageError(f"{self._path}: this build of PyAV has no encoder of {', '.join(_ENCODERS)}")
        stream: Any = self._container.add_stream(name, rate=_NOMINAL_FPS, options=dict(_OPTIONS.get(name, {})))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = _TIME_BASE
        context = stream.codec_context
        context.time_base, context.gop_size = _TIME_BASE, _KEY_EVERY
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _unwritable(self, error: Exception) -> FootageError:
        return FootageError(f"{self._path} cannot be written: {getattr(error, 'strerror', None) or error}")

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


def even(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with even sides: the last row and column once more where there is an odd number."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        return np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return rgb


def _is_there(encoder: str) -> bool:
    try:
        av.Codec(encoder, "w")
    except (ValueError, av.error.FFmpegError):
        return False
    return True
