"""Decoded pictures to RGB: small ones for the model, at once; the full one when somebody asks."""

from __future__ import annotations

import threading
from typing import Any, Literal

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from streamer.fit import Fit, InputFit
from streamer.stages import PictureShrinker
from streamer.types import Colours, OnDevice

# swscale widens its bilinear filter when it makes a picture smaller, so nothing aliases: on 768×432 → 416×234 it is as
# close to a true area average as AREA (mean difference 1.0 of 255), and FAST_BILINEAR (1.5) saves 0.2 ms of 0.5.
_INTERPOLATION = "BILINEAR"
_UNSPECIFIED_COLOURS = 2
_BT709, _BT2020 = 1, (9, 10)  # as ITU-T H.273 numbers matrices
_HD_FROM_HEIGHT = 720
# Left to itself a newer PyAV lets each scaler use a thread per core; an older one knows no such option.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if "threads" in (VideoReformatter.reformat.__doc__ or "") else {}


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height as a person sees the picture, after the turn that its container asks for."""
    return (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)


class Converter:
    """Makes model-sized RGB of the pictures of one session, which all have the same size; not thread-safe."""

    def __init__(
        self, input_fit: InputFit, source_wh: tuple[int, int], shrinker: PictureShrinker | None = None
    ) -> None:
        self.fit: Fit = input_fit.of(source_wh)
        self._shrinker = shrinker
        self._reformatter = VideoReformatter()  # keeps its tables from frame to frame: 0.52 instead of 0.67 ms

    def images(self, frame: VideoFrame) -> tuple[NDArray[np.uint8], OnDevice | None]:
        """As image(), and where the same pixels are on the device, if it was made small there.

        Turned pictures and those of more than eight bits are seldom: they are copied down as they are.
        """
        if self._shrinker is None or not stays_on_device(frame) or _quarter_turns(frame):
            return self.image(frame), None
        return self._shrinker.shrink(frame, self.fit, colours_of(frame))

    def image(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """uint8 (h, w, 3), RGB, fit.content_wh: a view of swscale's own output, rows padded, nothing copied."""
        turns = _quarter_turns(frame)
        width, height = self.fit.content_wh
        if turns % 2:
            width, height = height, width
        small = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            interpolation=_INTERPOLATION,
            src_colorspace=_colours(frame),
            **_ONE_THREAD,
        )
        return np.rot90(_view(small), turns) if turns else _view(small)


class DecodedPicture:
    """A decoded frame, kept as the decoder left it and converted when asked; any thread may ask."""

    def __init__(self, frame: VideoFrame) -> None:
        self._frame = frame
        self._lock = threading.Lock()  # PyAV writes colour hints into the frame while it converts

    def rgb(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), RGB, source size."""
        with self._lock:
            # Not the frame's own reformat(): what that sets up, threads and all, stays with the frame while it lives.
            full = VideoReformatter().reformat(
                self._frame,
                format="rgb24",
                interpolation=_INTERPOLATION,
                src_colorspace=_colours(self._frame),
                **_ONE_THREAD,
            )
        image = _view(full)
        return np.ascontiguousarray(np.rot90(image, _quarter_turns(self._frame)))


def _view(frame: VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, 3), np.uint8, buffer=memoryview(plane), strides=(plane.line_size, 3, 1)
    )


def _quarter_turns(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) % 4


def stays_on_device(frame: VideoFrame) -> bool:
    """Whether a picture is NV12 in the memory of an NVIDIA card."""
    stored = getattr(frame, "sw_format", None)  # older PyAVs copy every picture down
    return frame.format.name == "cuda" and stored is not None and stored.name == "nv12"


def colours_of(frame: VideoFrame) -> Colours:
    """What swscale is told, and what it assumes where nothing is said: BT.601 but for HD, black at 16."""
    matrix = Colorspace.ITU709 if _colours(frame) is not None else frame.colorspace
    standard: Literal["bt601", "bt709", "bt2020"] = "bt601"
    if matrix == _BT709:
        standard = "bt709"
    elif matrix in _BT2020:
        standard = "bt2020"
    return Colours(standard, full_range=frame.color_range == ColorRange.JPEG)


def _colours(frame: VideoFrame) -> int | None:
    """swscale takes unlabelled pictures for BT.601; of HD pictures that is hardly ever true."""
    return Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED_COLOURS and frame.height >= _HD_FROM_HEIGHT else None
