"""Decoding on a graphics chip, where a camera is asked to; whatever fails there, the software decoder remains.

The device is opened beside the connection, never with it: a driver that is missing costs no second connection, and its
error is not taken for the network's. FFmpeg reaches chips in two ways, and a build may have either: the usual decoder
hands its work to the device (cuda, vaapi, videotoolbox …), or the device has a decoder of its own (h264_qsv).
Pictures are copied back to memory as they are decoded, as NV12 or P010, so that nothing behind the decoder differs; but
for those of an NVIDIA card on which the detector runs too: they stay there and are made small there (docs/gpu.md).
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import av.error
from av.codec import Codec, CodecContext
from av.codec.codec import UnknownCodecError
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane

from streamer.capture.decoding import Decoding

CPU, AUTO = "cpu", "auto"

# By these a device is known to decode at all; what it makes of one camera's stream shows when that is opened.
_USUAL_CODECS = ("h264", "hevc", "mjpeg", "av1")
# What the container knows of a stream, and FFmpeg copies into the decoder that it opens by itself. Older PyAVs cannot
# set all of them.
_PARAMETERS = (
    *("width", "height", "reorder_depth", "thread_type", "thread_count"),
    *("color_range", "color_primaries", "color_trc", "colorspace"),
)

# Planes of pictures on a card can be read by others since PyAV 17 (DLPack).
_CAN_STAY = hasattr(VideoPlane, "__dlpack__")

_log = logging.getLogger("streamer.capture")


class DeviceUnfit(Exception):
    """A device cannot decode a stream; the message goes on from the device's name: 'cuda could not be opened: …'."""


def devices() -> tuple[str, ...]:
    """The kinds of device that this build of FFmpeg can decode on; whether there is one shows when it is opened."""
    return tuple(
        kind for kind in hwdevices_available() if any(_decoder_on(kind, codec) is not None for codec in _USUAL_CODECS)
    )


def problem_with(decode_on: str) -> str | None:
    """Why no camera can be decoded there, as a sentence; None where it may be tried.

    cpu, auto, a kind of device (cuda), or one of several of a kind: cuda:1, vaapi:/dev/dri/renderD129.
    """
    kind, _, which = decode_on.partition(":")
    there = devices()
    if kind in there or (kind in (CPU, AUTO) and not which):
        return None
    return f"this build of FFmpeg cannot decode on '{decode_on}'; it can on {', '.join((CPU, *there))}, or say auto"


class Hardware:
    """Where one camera is decoded, through all its connections."""

    def __init__(self, camera: str, decode_on: str = CPU, *, keeps: bool = False) -> None:
        """keeps: pictures stay in a CUDA card's memory, for a shrinker there (see surroundings.Surroundings)."""
        if problem := problem_with(decode_on):
            raise ValueError(f"camera {camera!r}: {problem}")
        self._camera, self._decode_on, self._keeps = camera, decode_on, keeps
        self._told: set[str] = set()

    def decoding(self, software: VideoCodecContext) -> Decoding:
        """The decoder of a connection. software: the stream's own context, set up and not used yet."""
        unfit = []
        for device in self._candidates():
            try:
                on_device = open_on(device, software, keeps=self._keeps)
            except DeviceUnfit as error:
                unfit.append(f"{device} {error}")
            else:
                return Decoding(software, on_device, device, self._tell)
        decoding = Decoding(software)
        if unfit:
            decoding.why_not = "; ".join(unfit)
            self._tell(decoding.why_not)
        return decoding

    def _candidates(self) -> tuple[str, ...]:
        if self._decode_on == AUTO:
            return devices()
        return () if self._decode_on == CPU else (self._decode_on,)

    def _tell(self, why: str) -> None:
        """Once: attempts that fail alike are no news. Whoever left the choice to us has nothing to mend."""
        if why not in self._told:
            self._told.add(why)
            level = logging.INFO if self._decode_on == AUTO else logging.WARNING
            _log.log(level, "camera %r is decoded on the CPU: %s", self._camera, why, extra={"camera": self._camera})


def open_on(device: str, software: VideoCodecContext, *, keeps: bool = False) -> VideoCodecContext:
    """A decoder on the device for the stream of another, set up like it; keeps: see Hardware. Raises DeviceUnfit."""
    kind, _, which = device.partition(":")
    codec = _decoder_on(kind, software.codec.canonical_name)
    if codec is None:
        raise DeviceUnfit(f"does not decode {software.codec.canonical_name} in this build of FFmpeg")
    trouble = "could not be opened"
    stays: dict[str, Any] = {"is_hw_owned": True} if keeps and kind == "cuda" and _CAN_STAY else {}
    for options in _ways_in(kind)[: 1 if stays else None]:
        accelerator = HWAccel(kind, which or None, allow_software_fallback=True, options=options, **stays)
        try:
            context = CodecContext.create(codec, "r", accelerator)
            if not context.is_hwaccel:  # PyAV takes some errors of drivers for a codec that is not supported
                accelerator.create(codec)
                continue
        except (av.error.FFmpegError, NotImplementedError, ValueError) as error:
            trouble = f"could not be opened: {getattr(error, 'strerror', None) or error}"
            continue
        assert isinstance(context, VideoCodecContext)
        set_up_like(software, context)
        return context
    raise DeviceUnfit(trouble)


def set_up_like(model: VideoCodecContext, context: VideoCodecContext) -> None:
    """Tell a decoder what the container knows of the stream: without it pictures come late or in the wrong colours."""
    context.extradata = model.extradata
    for name in _PARAMETERS:
        with contextlib.suppress(AttributeError):
            setattr(context, name, getattr(model, name))


def _ways_in(kind: str) -> tuple[dict[str, object], ...]:
    """Options by which to try a device.

    A CUDA context of its own costs every camera hundreds of MB on the card, so they share the primary one; where ONNX
    Runtime uses that already, FFmpeg refuses to ("already active with incompatible flags", see sessions/nvidia.py).
    Pictures that stay on the card must be in the primary one: no other way in for them.
    """
    return ({"primary_ctx": "1"}, {}) if kind == "cuda" else ({},)


def _decoder_on(kind: str, codec_name: str) -> Codec | None:
    """The decoder that reaches such a device: the codec's usual one, else one of the device's own."""
    for name in (codec_name, f"{codec_name}_{kind}"):
        try:
            codec = Codec(name, "r")
        except UnknownCodecError:
            continue
        if any(config.is_supported and config.device_type.name == kind for config in codec.hardware_configs or ()):
            return codec
    return None
