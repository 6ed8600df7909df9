"""Clips that show nobody: packets are decoded, what is private is taken out of each picture, and they are encoded anew.

Who was where in a picture is known some time after the picture has come: analysis looks at some of them, later. So
packets wait here, in memory, until the next look after them is known. Pictures that nobody looked at closely before and
after (the camera slept, the model was late) are hidden as a whole; those after the last look are left out. What the
camera sent is never on disk.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from av import Packet, VideoFrame
from av.error import FFmpegError

from streamer.errors import FootageError
from streamer.footage.mux_times import TIME_BASE, MuxTimes, Placed
from streamer.footage.stream_header import StreamHeader
from streamer.packet_ring import KeptPacket
from streamer.privacy.publishable import veiled
from streamer.privacy.veils import Veils
from streamer.privacy.video import VideoWriter
from streamer.types import Picture

MOST_WAITING_BYTES = 32_000_000
"""Of one clip. What comes above is decided without waiting: hidden as a whole where nothing is known."""

_REORDERED_S = 1.0  # pictures may come so much before or after their neighbours in time

PictureOf = Callable[[VideoFrame], Picture]


class RedactedFile:
    """footage.mp4_file.VideoFile. veils: of this camera, by epoch seconds; picture_of: decoded frames as pictures."""

    def __init__(
        self,
        path: Path,
        header: StreamHeader,
        metadata: Mapping[str, str],
        veils: Veils,
        picture_of: PictureOf,
    ) -> None:
        self._path, self._veils, self._picture_of = path, veils, picture_of
        self._zero_at = datetime.fromisoformat(metadata["creation_time"]).timestamp()
        self._times = MuxTimes(reorders=header.reorders)
        self._waiting: deque[tuple[Packet[Any], Placed]] = deque()
        self._waiting_bytes = 0
        self._shown_until_s = 0.0
        self._open = contextlib.ExitStack()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._decoder = self._open.enter_context(header.template()).codec_context
            self._decoder.thread_count = 1
            partial = path.with_name(f"{path.name}.partial")  # swept away as the unfinished ones are
            self._video = self._open.enter_context(VideoWriter(path, metadata, partial))
        except (FFmpegError, OSError, ValueError) as error:
            self._open.close()
            raise FootageError(f"{path}: the camera's stream cannot be redacted: {error}") from error

    @property
    def seconds(self) -> float:
        """From the first picture to the end of the last."""
        return self._shown_until_s

    @property
    def codec(self) -> str:
        """What is in it."""
        return self._video.codec

    def write(self, kept: KeptPacket) -> None:
        """The next packet."""
        placed = self._times.place(kept)
        self._waiting.append((kept.packet, placed))
        self._waiting_bytes += kept.packet.size
        known_s = self._veils.known_until_s - self._zero_at - _REORDERED_S
        while self._waiting and (
            self._waiting[0][1].show * TIME_BASE <= known_s or self._waiting_bytes > MOST_WAITING_BYTES
        ):
            self._decode(*self._next())

    def close(self) -> None:
        """Complete it with what has been looked at by now."""
        error: FootageError | None = None
        try:
            until_s = self._veils.known_until_s - self._zero_at
            while self._waiting:
                packet, placed = self._next()
                if placed.show * TIME_BASE <= until_s:
                    self._decode(packet, placed)
            self._show(None, until_s)
            if not self._video.frames:
                raise FootageError(f"{self._path}: nobody looked at its pictures, so none of them may be shown")
        except FootageError as failed:
            error = failed
        finally:
            if error is None:
                self._open.close()
            else:
                with contextlib.suppress(FootageError):
                    self._open.__exit__(type(error), error, None)
        if error is not None:
            raise error

    def _next(self) -> tuple[Packet[Any], Placed]:
        packet, placed = self._waiting.popleft()
        self._waiting_bytes -= packet.size
        return packet, placed

    def _decode(self, packet: Packet[Any], placed: Placed) -> None:
        own: Packet[Any] = Packet(packet)  # type: ignore[arg-type]  # any buffer will do
        own.pts, own.dts, own.duration, own.time_base = placed.show, placed.decode, placed.duration, TIME_BASE
        self._show(own, float("inf"))

    def _show(self, packet: Packet[Any] | None, until_s: float) -> None:
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            return  # a packet that is damaged; the next key frame mends it
        for frame in frames:
            at_s = 0.0 if frame.pts is None else float(frame.pts * TIME_BASE)
            if frame.pts is None or at_s > until_s:
                continue
            picture = veiled(self._picture_of(frame), self._veils.at(self._zero_at + at_s))
            self._video.add(picture, at_s)
            lasts_s = 0.04 if not frame.duration else float(frame.duration * TIME_BASE)
            self._shown_until_s = max(self._shown_until_s, at_s + lasts_s)


class RedactedFiles:
    """footage.mp4_file.OpenFile of one camera."""

    def __init__(self, veils: Veils, picture_of: PictureOf) -> None:
        self._veils, self._picture_of = veils, picture_of

    def __call__(
        self,
        path: Path,
        header: StreamHeader,
        options: Mapping[str, str],  # noqa: ARG002 - the file is made by another writer
        metadata: Mapping[str, str],
    ) -> RedactedFile:
        """Begin a file."""
        return RedactedFile(path, header, metadata, self._veils, self._picture_of)
