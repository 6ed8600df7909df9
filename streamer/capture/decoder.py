"""Packets to pictures. A packet that cannot be decoded is counted, and decoding goes on with the next."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

import av
import av.error
from av import VideoFrame
from av.codec.context import Flags

from streamer.capture.decoding import CodecDecoder

_NEED_KEY_FRAMES = frozenset({"h264", "hevc", "vvc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "h263"})


class Decoder:
    """The decoder of one connection; not thread-safe.

    `broken` counts packets that could not be decoded, and pictures that the decoder itself calls corrupt; `spent_s` is
    the CPU time of this thread that decoding took.
    Packets before the first key frame are let go: without it nothing can be made of them, and they are nobody's
    fault. A stream that has none (intra refresh) is decoded after MOST_BEFORE_KEY packets all the same, and codecs
    whose every picture stands alone are not asked.
    """

    MOST_BEFORE_KEY = 300

    def __init__(self, context: CodecDecoder) -> None:
        self._context = context
        # Else what cannot be shown whole vanishes without a word; so it comes out marked, and is counted.
        self._context.flags |= Flags.output_corrupt
        self._time_base: Fraction | None = None
        self._ticks: tuple[int, int] | None = None
        self._before_key = 0
        self._keyed = self._context.codec.canonical_name not in _NEED_KEY_FRAMES
        self.broken = 0
        self.spent_s = 0.0

    @property
    def codec(self) -> str:
        """FFmpeg's name of it."""
        return self._context.codec.canonical_name

    @property
    def reorders(self) -> bool:
        """True where pictures come out in another order than their packets went in (B-frames)."""
        return bool(self._context.has_b_frames)

    def decode(self, packet: av.Packet[Any]) -> list[VideoFrame]:
        """The pictures that this packet completes, in the order in which they are to be shown."""
        if packet.is_keyframe or self._time_base is None:  # a fraction, made each time it is asked for
            self._time_base = base = packet.time_base
            self._ticks = None if base is None else (base.numerator, base.denominator)
        if not self._keyed:
            self._before_key += 1
            self._keyed = packet.is_keyframe or self._before_key > self.MOST_BEFORE_KEY
            if not self._keyed:
                return []
        return self._decode(packet)

    def shown_s(self, frame: VideoFrame) -> float | None:
        """When a picture of this decoder is to be shown, on the stream's own timeline; None where that is not told."""
        return None if frame.pts is None or self._ticks is None else frame.pts * self._ticks[0] / self._ticks[1]

    def decoded_s(self, frame: VideoFrame) -> float | None:
        """The time of decoding that came with a picture; None where that is not told."""
        return None if frame.dts is None or self._ticks is None else frame.dts * self._ticks[0] / self._ticks[1]

    def decode_alone(self, packet: av.Packet[Any]) -> list[VideoFrame]:
        """The picture of a key frame whose neighbours are not decoded: at once, also where pictures are reordered."""
        frames = self.decode(packet)
        if not frames and self._keyed:
            return self.drain()  # a decoder that reorders waits for company that will not come
        self._context.flush_buffers()
        return frames

    def drain(self) -> list[VideoFrame]:
        """What is still inside, before something else is decoded."""
        frames = self.flush()
        self._context.flush_buffers()
        return frames

    def stands_alone(self, key: av.Packet[Any]) -> bool:
        """Whether a decoder that has seen nothing else makes a sound picture of this key frame; ours is left alone."""
        probe = av.CodecContext.create(self._context.codec.canonical_name, "r")
        assert isinstance(probe, av.VideoCodecContext)
        probe.extradata = self._context.extradata
        probe.flags |= Flags.output_corrupt
        try:
            frames = [*probe.decode(key), *probe.decode(None)]
        except av.error.FFmpegError:
            return False
        return any(not frame.is_corrupt for frame in frames)

    def flush(self) -> list[VideoFrame]:
        """What is still inside, at the end of a recording."""
        frames = self._decode(None)
        for frame in frames:  # what comes out without a packet has no time base of its own
            if frame.time_base is None:
                frame.time_base = self._time_base
        return frames

    def _decode(self, packet: av.Packet[Any] | None) -> list[VideoFrame]:
        began_s = time.thread_time()
        try:
            frames = self._context.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self.broken += 1
            return []
        finally:
            self.spent_s += time.thread_time() - began_s
        sound = [frame for frame in frames if not frame.is_corrupt]
        self.broken += len(frames) - len(sound)
        return sound
