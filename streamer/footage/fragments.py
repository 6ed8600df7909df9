"""Packets of one stream as movie fragments (ISO/IEC 14496-12, 8.8), one of each picture: nothing decoded or encoded.

FFmpeg writes the initialization segment, which is the part that codecs have their say in. The fragments are a hundred
bytes before each picture and are written here: FFmpeg's would come through a file object, and of packets of another
process they can be made without a library that takes apart what cameras send.
"""

from __future__ import annotations

import io
import struct

import av
from av.error import FFmpegError

from streamer.errors import FootageError
from streamer.footage.boxes import box, boxes, inside
from streamer.footage.codec_names import codec_name
from streamer.footage.mux_times import TICKS_PER_S, TIME_BASE, MuxTimes, Placed
from streamer.footage.nal_units import with_lengths
from streamer.footage.stream_header import StreamHeader
from streamer.live_video import Fragment, VideoHead
from streamer.packet_ring import KeptPacket

BEGINS_AT_S = 10.0
"""Video time of the first picture: those that are decoded long before they are shown begin after 0 all the same."""

_OPTIONS = {"movflags": "empty_moov+default_base_moof+frag_keyframe"}
_KEY, _OTHER = 0x0200_0000, 0x0101_0000  # depends on no other picture; depends on others, and nobody can begin here
_MFHD = struct.Struct("!4xI")
_TFHD = struct.Struct("!II")
_TFDT = struct.Struct("!IQ")
_TRUN = struct.Struct("!IIiIIIi")
_TRUN_FLAGS = 0x0100_0000 | 0x1 | 0x100 | 0x200 | 0x400 | 0x800  # version 1: offset, duration, size, flags, composition
_MOOF_BYTES = 8 + 16 + 8 + 16 + 20 + 36  # moof(mfhd traf(tfhd tfdt trun)), heads included


def head_of(header: StreamHeader) -> VideoHead:
    """The head of a stretch of this stream. Raises FootageError where browsers have no name for its codec."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp4", options=_OPTIONS) as container, header.template() as template:
            size_wh = template.codec_context.width, template.codec_context.height
            stream = container.add_stream_from_template(template, opaque=True)
            if header.codec == "hevc":  # FFmpeg would say hev1, which Apple's players refuse
                stream.codec_context.codec_tag = "hvc1"
            stream.time_base = TIME_BASE
            container.start_encoding()
        written = file.getvalue()
        init = b"".join(written[a - 8 : b] for name, a, b in boxes(written) if name in ("ftyp", "moov"))
    except (FFmpegError, ValueError) as error:
        raise FootageError(f"its {header.codec} stream cannot be shown as MP4: {error}") from error
    timescale = inside(init, "moov", "trak", "mdia", "mdhd")
    if timescale is None or int.from_bytes(timescale[12:16]) != TICKS_PER_S:
        raise FootageError(f"its {header.codec} stream cannot be shown as MP4: its times have another unit")
    return VideoHead(codec_name(init), size_wh, init)


class FragmentWriter:
    """The pictures of one stretch, in the order in which they come; the first is a key frame.

    A picture is complete when the next one is there: only then it is known how long it lasts, and browsers take a gap
    between two pictures for a hole. has_lengths: packets have lengths before their units already, as in MP4 and FLV.
    """

    def __init__(self, *, reorders: bool, has_lengths: bool) -> None:
        self._times = MuxTimes(reorders=reorders)
        self._has_lengths = has_lengths
        self._number = 0
        self._first_s: float | None = None
        self._held: tuple[KeptPacket, Placed] | None = None

    def video_s(self, stream_s: float) -> float:
        """A moment on the connection's timeline as video time."""
        return BEGINS_AT_S + stream_s - (self._first_s or 0.0)

    def write(self, kept: KeptPacket, zero_at: float | None) -> Fragment | None:
        """The picture before this one; zero_at: epoch seconds of stream time 0."""
        if self._first_s is None:
            self._first_s = kept.stream_s
        placed, held = self._times.place(kept), self._held
        self._held = kept, placed
        if held is None:
            return None
        packet, lasts = held[0].packet, placed.decode - held[1].decode
        content = bytes(packet)
        self._number += 1
        return Fragment(
            _fragment(
                self._number,
                content if self._has_lengths else with_lengths(content),
                decode=max(0, held[1].decode + round(BEGINS_AT_S * TICKS_PER_S)),
                lasts=lasts,
                shown_after=held[1].show - held[1].decode,
                is_key=packet.is_keyframe,
            ),
            packet.is_keyframe,
            BEGINS_AT_S + (held[1].show + lasts) / TICKS_PER_S,
            None if zero_at is None else zero_at - self.video_s(0.0),
        )


def _fragment(number: int, sample: bytes, *, decode: int, lasts: int, shown_after: int, is_key: bool) -> bytes:
    moof = box(
        "moof",
        box("mfhd", _MFHD.pack(number)),
        box(
            "traf",
            box("tfhd", _TFHD.pack(0x0002_0000, 1)),  # positions count from this moof
            box("tfdt", _TFDT.pack(0x0100_0000, decode)),
            box(
                "trun",
                _TRUN.pack(
                    _TRUN_FLAGS, 1, _MOOF_BYTES + 8, lasts, len(sample), _KEY if is_key else _OTHER, shown_after
                ),
            ),
        ),
    )
    return moof + box("mdat", sample)
