"""The clip of one alert on its way to disk: from before it began until a while after it ended, whole or not at all."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streamer.errors import FootageError
from streamer.footage.excerpt import Excerpt
from streamer.footage.mp4_file import WHOLE, OpenFile, VideoFile, put_in_place
from streamer.footage.reception import Reception
from streamer.packet_ring import KeptPacket
from streamer.retention import UNFINISHED
from streamer.types import AlertChange, Clip

FOLDER = "clips"
LONGEST_GAP_S = 10.0


def clip_path(change: AlertChange) -> str:
    """Where the clip of an alert lies, relative to the data folder: 'clips/2026-03-01/gate-3f9c….mp4', by UTC day."""
    day = datetime.fromtimestamp(change.started_at, UTC).strftime("%Y-%m-%d")
    return f"{FOLDER}/{day}/{change.id}.mp4"


@dataclass(frozen=True, slots=True)
class ClipWish:
    """What a clip is of: from_at in epoch seconds, at most so long; path relative to the data folder."""

    alert_id: str
    camera: str
    kind: str
    path: str
    from_at: float
    most_s: float


class ClipWriter:
    """Reads one reception from the key frame at or before wish.from_at on. end_at() from any thread, the rest from one.

    Its end is the earliest of: end_at(), most_s, the end of the reception, a jump of its times, and packets that fell
    out of the ring because the disk was too slow (was_behind).
    """

    def __init__(self, wish: ClipWish, reception: Reception, zero_at: float, folder: Path, open_file: OpenFile) -> None:
        self.wish, self.reception = wish, reception
        self.next_number = reception.ring.first_at(wish.from_at - zero_at)
        self.was_behind = False
        self._zero_at, self._open_file = zero_at, open_file
        self._path = folder / wish.path
        self._unfinished = self._path.with_name(f"{UNFINISHED}{self._path.name}")
        self._file: VideoFile | None = None
        self._excerpt = Excerpt(most_s=wish.most_s, longest_gap_s=LONGEST_GAP_S)

    def end_at(self, at: float) -> None:
        """Pictures after this epoch time are not wanted."""
        self._excerpt.until_s = at - self._zero_at

    def write_some(self) -> bool:
        """Write what has come; true where nothing more is to come. Raises FootageError."""
        was_over = self.reception.over
        for kept in self.reception.ring.since(self.next_number):
            self.was_behind = self._file is not None and kept.number != self.next_number
            verdict = "end" if self.was_behind else self._excerpt.judge(kept)
            if verdict == "end":
                return True
            if verdict == "write":
                self._file = self._file or self._begin(kept)
                self._file.write(kept)
            self.next_number = kept.number + 1
        return was_over

    def complete(self) -> Clip | None:
        """Put what was written into its place; None where nothing was. Raises FootageError."""
        if self._file is None or self._excerpt.first_s is None:
            return None
        self._file.close()
        sha256, size = put_in_place(self._unfinished, self._path)
        from_at = self._zero_at + self._excerpt.first_s
        return Clip(
            path=self.wish.path,
            sha256=sha256,
            bytes=size,
            from_at=from_at,
            to_at=from_at + self._file.seconds,
            codec=self._file.codec,
        )

    def abandon(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(FootageError):
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._unfinished.unlink(missing_ok=True)

    def _begin(self, key: KeptPacket) -> VideoFile:
        assert self.reception.header is not None
        header = self.reception.header.completed(key.packet)
        made = datetime.fromtimestamp(self._zero_at + key.stream_s, UTC).isoformat(timespec="microseconds")
        tags = {
            "title": f"{self.wish.kind} at {self.wish.camera}",
            "creation_time": made,
            "camera": self.wish.camera,
            "alert": self.wish.alert_id,
        }
        return self._open_file(self._unfinished, header, WHOLE, tags)
