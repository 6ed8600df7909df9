"""Continuous recording: the packets of one camera in segments, each a file that plays, whatever killed its writer."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from streamer.errors import FootageError
from streamer.footage.clip_writer import LONGEST_GAP_S
from streamer.footage.mp4_file import GROWING, OpenFile, VideoFile
from streamer.footage.reception import Reception
from streamer.packet_ring import KeptPacket

FOLDER = "recordings"
TRY_AGAIN_AFTER_S = 10.0


class Tell(Protocol):
    """Is told how it goes."""

    def succeeded(self) -> None:
        """A segment is complete."""
        ...

    def failed(self, reason: str, sentence: str) -> None:
        """Something is missing now, or soon."""
        ...


def segment_path(camera: str, starts_at: float) -> str:
    """Where a segment lies, relative to the data folder: 'recordings/gate/2026-03-01/17-04-05.250Z.mp4', in UTC."""
    at = datetime.fromtimestamp(round(starts_at, 3), UTC)
    return f"{FOLDER}/{camera}/{at:%Y-%m-%d}/{at:%H-%M-%S}.{at.microsecond // 1000:03d}Z.mp4"


class Recorder:
    """Writes every reception of one camera, cut at key frames about every segment_s; for the writer's thread.

    A disk that refuses costs the segment, and is tried again after a while.
    """

    def __init__(self, camera: str, folder: Path, *, segment_s: float, open_file: OpenFile, tell: Tell) -> None:
        self._camera, self._folder, self._segment_s = camera, folder, segment_s
        self._open_file, self._tell = open_file, tell
        self.reception: Reception | None = None
        self.next_number = 0
        self._file: VideoFile | None = None
        self._first_s = self._last_s = 0.0
        self._after_gap = True  # nothing of what was before the next segment is on disk
        self._not_before_s = float("-inf")

    def write_some(self, newest: Reception | None) -> None:
        """Write what has come; newest: the reception that goes on after the one that is being written."""
        if self.reception is not None:
            was_over = self.reception.over
            self._drain(self.reception)
            if not was_over or newest is self.reception:
                return
            self.close()
        if newest is not None and newest.header is not None:
            self.reception, self.next_number = newest, newest.ring.first_at(float("-inf"))
            self._not_before_s = float("-inf")
            self._drain(newest)

    def close(self) -> None:
        """End the segment."""
        file, self._file = self._file, None
        self._after_gap = True
        if file is None:
            return
        try:
            file.close()
        except FootageError as error:
            self._tell.failed("disk", str(error))
        else:
            self._tell.succeeded()

    def _drain(self, reception: Reception) -> None:
        if reception.zero_at is None:  # not known yet when this is; the ring waits
            return
        for kept in reception.ring.since(self.next_number):
            if self._file is not None and kept.number != self.next_number:
                self._tell.failed("behind", "the disk is too slow for its packets; some are missing in its recording")
                self.close()
            self.next_number = kept.number + 1
            try:
                self._take(reception, reception.zero_at, kept)
            except FootageError as error:
                self._not_before_s = kept.stream_s + TRY_AGAIN_AFTER_S
                self._tell.failed("disk", str(error))
                self._drop_file()

    def _take(self, reception: Reception, zero_at: float, kept: KeptPacket) -> None:
        if self._file is not None and abs(kept.stream_s - self._last_s) > LONGEST_GAP_S:
            self.close()
        is_key = kept.packet.is_keyframe
        if is_key and (self._file is None or kept.stream_s - self._first_s >= self._segment_s):
            goes_on = self._file is not None
            self.close()
            if kept.stream_s < self._not_before_s:
                return
            self._file = self._begin(reception, zero_at, kept)
            self._first_s, self._after_gap = kept.stream_s, not goes_on
        if self._file is None:
            return
        # Pictures shown before their key frame need the segment before this one (open GOP).
        if self._after_gap and kept.stream_s < self._first_s:
            return
        self._file.write(kept)
        self._last_s = kept.stream_s

    def _begin(self, reception: Reception, zero_at: float, key: KeptPacket) -> VideoFile:
        assert reception.header is not None
        header = reception.header.completed(key.packet)
        starts_at = zero_at + key.stream_s
        path = self._folder / segment_path(self._camera, starts_at)
        while path.exists():  # the camera's clock was set back
            starts_at += 0.001
            path = self._folder / segment_path(self._camera, starts_at)
        tags = {
            "title": f"{self._camera}",
            "creation_time": datetime.fromtimestamp(starts_at, UTC).isoformat(timespec="microseconds"),
            "camera": self._camera,
            "connection": reception.name,
            "stream_s": f"{key.stream_s:.6f}",
        }
        return self._open_file(path, header, GROWING, tags)

    def _drop_file(self) -> None:
        """After trouble: what is on disk stays, as far as it goes."""
        file, self._file = self._file, None
        self._after_gap = True
        if file is not None:
            with contextlib.suppress(FootageError):
                file.close()
