"""Packets of one stream into an MP4 file, as they came: nothing is decoded, nothing encoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import av
from av import Packet
from av.error import FFmpegError

from streamer.errors import FootageError
from streamer.footage.mux_times import TIME_BASE, MuxTimes, Placed
from streamer.footage.stream_header import StreamHeader
from streamer.packet_ring import KeptPacket
from streamer.room import require_room

# Its index in front: a browser plays it before all of it has come. Our own tags are kept beside the usual ones.
WHOLE: Mapping[str, str] = {"movflags": "faststart+use_metadata_tags"}
# In fragments of one group of pictures, or two seconds of it, each on disk as soon as it is complete: whatever kills
# the process, what was written plays.
GROWING: Mapping[str, str] = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof+use_metadata_tags",
    "frag_duration": "2000000",
    "flush_packets": "1",
}


class VideoFile(Protocol):
    """A file of packets that is being written; one thread. Every method raises FootageError."""

    @property
    def seconds(self) -> float:
        """From the first picture to the end of the last."""
        ...

    @property
    def codec(self) -> str:
        """What is in it, as FFmpeg calls it."""
        ...

    def write(self, kept: KeptPacket) -> None:
        """The next packet; the first is a key frame, and its time of showing is the file's 0."""
        ...

    def close(self) -> None:
        """Complete it; call it also after trouble, which it then does not raise again."""
        ...


class OpenFile(Protocol):
    """Makes a VideoFile; Mp4File does."""

    def __call__(
        self, path: Path, header: StreamHeader, options: Mapping[str, str], metadata: Mapping[str, str]
    ) -> VideoFile:
        """Begin a file; its folder is made."""
        ...


class Mp4File:
    """A VideoFile on disk. options: WHOLE or GROWING; metadata: tags, `creation_time` in ISO 8601 among them."""

    def __init__(
        self, path: Path, header: StreamHeader, options: Mapping[str, str], metadata: Mapping[str, str]
    ) -> None:
        self._path, self.codec = path, header.codec
        self._times = MuxTimes(reorders=header.reorders)
        self._failed = False
        try:
            self._make_folder_and_open(header, options, metadata)
        except (FFmpegError, OSError, ValueError) as error:
            raise _refused(path, error) from error

    @property
    def seconds(self) -> float:
        """From the first picture to the end of the last."""
        return self._times.end_s

    def write(self, kept: KeptPacket) -> None:
        """The next packet."""
        try:
            if kept.packet.is_keyframe:
                require_room(self._path.parent)
            self._container.mux(self._with_times(kept.packet, self._times.place(kept)))
        except (FFmpegError, OSError, ValueError) as error:
            self._failed = True
            raise _refused(self._path, error) from error

    def close(self) -> None:
        """Complete it."""
        try:
            self._container.close()
        except (FFmpegError, OSError, ValueError) as error:
            if not self._failed:
                raise _refused(self._path, error) from error

    def _make_folder_and_open(
        self, header: StreamHeader, options: Mapping[str, str], metadata: Mapping[str, str]
    ) -> None:
        for attempt in (1, 2):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                require_room(self._path.parent)
                return self._open(header, options, metadata)
            except FileNotFoundError:  # a pruning found the folder still empty and took it away
                if attempt == 2:
                    raise

    def _open(self, header: StreamHeader, options: Mapping[str, str], metadata: Mapping[str, str]) -> None:
        self._container = av.open(str(self._path), "w", format="mp4", options=dict(options))
        self._container.metadata.update(metadata)
        with header.template() as template:
            self._stream = self._container.add_stream_from_template(template, opaque=True)
        if header.codec == "hevc":  # FFmpeg would say hev1, which Apple's players and Safari refuse
            self._stream.codec_context.codec_tag = "hvc1"
        self._stream.time_base = TIME_BASE
        self._container.start_encoding()

    def _with_times(self, packet: Packet[Any], placed: Placed) -> Packet[Any]:
        # A packet of our own over the same bytes: others read the camera's at this moment.
        own: Packet[Any] = Packet(packet)  # type: ignore[arg-type]  # any buffer will do
        own.pts, own.dts, own.duration, own.time_base = placed.show, placed.decode, placed.duration, TIME_BASE
        own.is_keyframe = packet.is_keyframe
        own.stream = self._stream
        return own


def put_in_place(unfinished: Path, path: Path) -> tuple[str, int]:
    """Give a complete file its name, once it is on disk; its SHA-256 in hex and its size. Raises FootageError."""
    try:
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        os.replace(unfinished, path)
    except OSError as error:
        raise _refused(path, error) from error
    return sha256, size


def _refused(path: Path, error: Exception) -> FootageError:
    reason = getattr(error, "strerror", None) or str(error)
    return FootageError(f"{path} cannot be written: {reason}; free space or correct the folder's permissions")
