"""A playable file of any time that was recorded, out of the segments that hold it; says what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streamer.errors import FootageError
from streamer.footage.excerpt import Excerpt
from streamer.footage.mp4_file import WHOLE, Mp4File, put_in_place
from streamer.footage.segments import Recorded, RecordedPackets, recorded_days, segments
from streamer.retention import UNFINISHED

LEAST_GAP_S = 2.0
"""Shorter ones are a slow camera, or a reconnect that nobody will miss."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut: epoch seconds of its first picture and of its end; missing: (from, to) of what was not recorded.

    other_from: where the camera began to send another kind of stream, which one file cannot hold; None: nowhere.
    """

    path: Path
    sha256: str
    bytes: int
    codec: str
    from_at: float
    to_at: float
    missing: tuple[tuple[float, float], ...]
    other_from: float | None


def cut(folder: Path, camera: str, from_at: float, to_at: float, out: Path) -> Cut:
    """Write what was recorded of a camera between two epoch times, from the key frame at or before the first, to out.

    folder: the data folder. The file is there whole or not at all. Raises FootageError where nothing was recorded or
    the disk refuses.
    """
    unfinished = out.with_name(f"{UNFINISHED}{out.name}")
    writing = _Writing(unfinished, camera, from_at, to_at - from_at)
    try:
        for recorded in _from_last_key(RecordedPackets(segments(folder, camera, from_at, to_at), from_at)):
            if not writing.take(recorded):
                break
        if writing.file is None or writing.excerpt.first_s is None or writing.kind is None:
            raise FootageError(_nothing(folder, camera, from_at, to_at))
        writing.file.close()
        sha256, size = put_in_place(unfinished, out)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
    begins_s = writing.excerpt.first_s
    return Cut(
        path=out,
        sha256=sha256,
        bytes=size,
        codec=writing.kind[0],
        from_at=from_at + begins_s,
        to_at=from_at + begins_s + writing.file.seconds,
        missing=tuple((from_at + a, from_at + b) for a, b in writing.missing()),
        other_from=None if writing.other_from_s is None else from_at + writing.other_from_s,
    )


class _Writing:
    """The file that is being made; times are seconds after the time asked for."""

    def __init__(self, path: Path, camera: str, from_at: float, until_s: float) -> None:
        self._path, self._camera, self._from_at, self._until_s = path, camera, from_at, until_s
        self.excerpt = Excerpt()
        self.excerpt.until_s = until_s
        self.file: Mp4File | None = None
        self.kind: tuple[str, int, int, bytes] | None = None
        self.other_from_s: float | None = None
        self._gaps: list[tuple[float, float]] = []
        self._shown_to_s = 0.0

    def take(self, recorded: Recorded) -> bool:
        """The next packet; false where nothing more is wanted."""
        kept = recorded.kept
        if kept.stream_s > self._until_s + LEAST_GAP_S:
            return False
        if self.kind is not None and self.kind != recorded.kind:
            self.other_from_s = kept.stream_s if kept.stream_s <= self._until_s else None
            return False
        verdict = self.excerpt.judge(kept)
        if verdict == "write":
            self._write(recorded)
        return verdict != "end"

    def missing(self) -> Iterator[tuple[float, float]]:
        """From, to of what is wanted and not there."""
        yield from self._gaps
        end_s = self._until_s if self.other_from_s is None else self.other_from_s
        if end_s - self._shown_to_s > LEAST_GAP_S:
            yield self._shown_to_s, end_s

    def _write(self, recorded: Recorded) -> None:
        kept = recorded.kept
        if self.file is None:
            self.kind = recorded.kind
            made = datetime.fromtimestamp(self._from_at + kept.stream_s, UTC).isoformat(timespec="microseconds")
            tags = {"title": self._camera, "camera": self._camera, "creation_time": made}
            self.file = Mp4File(self._path, recorded.header, WHOLE, tags)
        if kept.stream_s - self._shown_to_s > LEAST_GAP_S:
            self._gaps.append((self._shown_to_s, kept.stream_s))
        self._shown_to_s = max(self._shown_to_s, kept.stream_s)
        self.file.write(kept)


def _from_last_key(packets: RecordedPackets) -> Iterator[Recorded]:
    """All from the last key frame at or before time 0 on; from the first one later, where nothing reaches up to 0."""
    held: list[Recorded] = []
    begun = False
    for recorded in packets:
        if not begun and recorded.kept.packet.is_keyframe:
            if recorded.kept.stream_s > 0:
                begun = True
                yield from _reaching_zero(held)
            held = []
        if begun:
            yield recorded
        else:
            held.append(recorded)
    yield from _reaching_zero(held)


def _reaching_zero(group: list[Recorded]) -> list[Recorded]:
    """The group, unless the recording stopped after it."""
    return group if any(recorded.kept.stream_s > -LEAST_GAP_S for recorded in group) else []


def _nothing(folder: Path, camera: str, from_at: float, to_at: float) -> str:
    days = recorded_days(folder, camera)
    there = f"there are recordings of {days[0]} to {days[-1]} (UTC)" if days else "there are no recordings of it"
    return f"camera '{camera}': nothing was recorded between {_spoken(from_at)} and {_spoken(to_at)}; {there}"


def _spoken(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
