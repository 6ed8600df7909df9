"""A video file as coded pictures, the way a camera would send them: nothing is encoded anew."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import av.error
from av.bitstream import BitStreamFilterContext

from streamer.chaos.errors import ChaosError

Codec = Literal["h264", "hevc"]

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_FILTERS: dict[Codec, str] = {"h264": "h264_mp4toannexb", "hevc": "hevc_mp4toannexb"}
_DELIMITERS = {"h264": 9, "hevc": 35}
_PARAMETERS = {"h264": (7, 8), "hevc": (32, 33, 34)}


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One access unit: its NAL units without start codes; seconds from the clip's start."""

    nals: tuple[bytes, ...]
    sent_s: float
    shown_s: float
    is_key: bool


@dataclass(frozen=True, slots=True)
class CodedClip:
    """Pictures in the order in which they are decoded; the first one is a key picture.

    parameters: VPS, SPS and PPS as far as the codec has them; they also stand in front of every key picture.
    """

    codec: Codec
    wh: tuple[int, int]
    parameters: tuple[bytes, ...]
    pictures: tuple[CodedPicture, ...]
    length_s: float

    @property
    def interval_s(self) -> float:
        """The usual distance of two pictures."""
        return self.length_s / len(self.pictures)


def nal_type(codec: Codec, nal: bytes) -> int:
    """Its type by H.264 table 7-1 or H.265 table 7-1."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def read_clip(path: Path) -> CodedClip:
    """All pictures of a file with H.264 or H.265. Raises ChaosError."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise ChaosError(f"{path} has no video track; name a file with H.264 or H.265")
            stream = container.streams.video[0]
            codec = _codec(path, stream.codec_context.name)
            to_annex_b = BitStreamFilterContext(_FILTERS[codec], stream)
            wh = stream.codec_context.width, stream.codec_context.height
            packets = [done for packet in container.demux(stream) if packet.size for done in to_annex_b.filter(packet)]
    except (av.error.FFmpegError, OSError) as error:
        raise ChaosError(f"{path} cannot be read: {error.strerror or error}") from error
    return _clip(path, codec, wh, packets)


def _clip(path: Path, codec: Codec, wh: tuple[int, int], packets: list[av.Packet[Any]]) -> CodedClip:
    while packets and not packets[0].is_keyframe:
        packets.pop(0)
    if len(packets) < 2:
        raise ChaosError(f"{path} holds no key picture with others behind it")
    base = float(packets[0].time_base or 1)
    first_dts, first_pts = _ticks(packets[0].dts), min(_ticks(packet.pts) for packet in packets)
    pictures = []
    for packet in packets:
        nals = tuple(
            nal for nal in _START_CODE.split(bytes(packet)) if nal and nal_type(codec, nal) != _DELIMITERS[codec]
        )
        sent_s, shown_s = (_ticks(packet.dts) - first_dts) * base, (_ticks(packet.pts) - first_pts) * base
        pictures.append(CodedPicture(nals, sent_s, shown_s, bool(packet.is_keyframe)))
    parameters = tuple(nal for nal in pictures[0].nals if nal_type(codec, nal) in _PARAMETERS[codec])
    interval_s = pictures[-1].sent_s / (len(pictures) - 1)
    return CodedClip(codec, wh, parameters, tuple(pictures), pictures[-1].sent_s + interval_s)


def _codec(path: Path, name: str) -> Codec:
    match name:
        case "h264" | "hevc":
            return name
    raise ChaosError(f"{path} holds {name}; a camera of ours sends H.264 or H.265")


def _ticks(time: int | None) -> int:
    return time or 0
