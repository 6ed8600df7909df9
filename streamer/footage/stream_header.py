"""What must be known of a stream to write its packets into files, when the stream itself is long gone."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
from av import Packet
from av.error import FFmpegError
from av.video.stream import VideoStream

from streamer.errors import FootageError

# What MP4 holds. Browsers show the first four; the others need a player.
MP4_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg"})
_RAW_FORMATS = {"h264": "h264", "hevc": "hevc"}  # codec → demuxer of its bare packets
_NO_PICTURES = {"movflags": "empty_moov+default_base_moof+frag_keyframe"}


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """Codec parameters, size and rotation of one stream, as an MP4 file without pictures (some 800 bytes).

    PyAV can copy a stream's parameters only from another stream, and the camera's own belongs to its connection. Bytes
    outlive it, and can be compared.

    codec       as FFmpeg calls it
    reorders    pictures may be shown in another order than they come in
    empty_mp4   nothing where the camera has not told its parameters yet, see completed()
    """

    codec: str
    reorders: bool
    empty_mp4: bytes

    @classmethod
    def of(cls, stream: VideoStream) -> StreamHeader:
        """The header of a stream that is open. Raises FootageError for a codec that MP4 cannot hold."""
        context = stream.codec_context
        codec = context.codec.canonical_name
        if codec not in MP4_CODECS:
            raise FootageError(
                f"its codec, {codec}, cannot be kept as MP4; have the camera send H.264 or H.265, or set 'clips: null'"
            )
        known = context.width > 0 and (bool(context.extradata) or codec not in _RAW_FORMATS)
        return cls(codec, bool(context.has_b_frames), _without_pictures(stream) if known else b"")

    def completed(self, key: Packet[Any]) -> StreamHeader:
        """The same, with what a key frame tells about itself, where the camera had not told it before.

        Decodes one picture. Raises FootageError where the key frame tells nothing.
        """
        if self.empty_mp4:
            return self
        try:
            with av.open(io.BytesIO(bytes(key)), format=_RAW_FORMATS[self.codec]) as container:
                found = StreamHeader.of(container.streams.video[0])
        except (FFmpegError, KeyError, IndexError) as error:
            raise FootageError(f"its {self.codec} stream does not say how large its pictures are") from error
        if not found.empty_mp4:
            raise FootageError(f"its {self.codec} stream does not say how large its pictures are")
        return found

    @contextlib.contextmanager
    def template(self) -> Iterator[VideoStream]:
        """A stream with these parameters, for as long as it is needed to make another like it."""
        with av.open(io.BytesIO(self.empty_mp4), format="mp4") as container:
            yield container.streams.video[0]


def _without_pictures(stream: VideoStream) -> bytes:
    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp4", options=_NO_PICTURES) as container:
            container.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
    except (FFmpegError, ValueError) as error:
        raise FootageError(f"its {stream.codec_context.name} stream cannot be kept as MP4: {error}") from error
    return file.getvalue()
