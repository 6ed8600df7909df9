"""What the data folder holds of one camera and one time, for those who want it gone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import av
from av.error import FFmpegError

from streamer.alerts import snapshots
from streamer.alerts.wording import slug
from streamer.footage import clip_writer
from streamer.footage.segments import Segment, segments
from streamer.retention import UNFINISHED

Kind = Literal["pictures", "clips", "recordings"]

_MARGIN_S = 5.0  # a picture is written a moment after what it shows
_LONGEST_CLIP_S = 3700.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that shows something of that time."""

    kind: Kind
    path: Path
    bytes: int


def kept_of(folder: Path, camera: str, from_at: float, to_at: float) -> list[Kept]:
    """Everything that shows the camera between these epoch times, also where it shows more than that."""
    found = [
        *(("pictures", path) for path in _pictures(folder, camera, from_at, to_at)),
        *(("clips", path) for path in _clips(folder, camera, from_at, to_at)),
        *(("recordings", path) for path in _recordings(folder, camera, from_at, to_at)),
    ]
    kept: list[Kept] = []
    for kind, path in found:
        try:
            kept.append(Kept(kind, path, path.stat().st_size))  # type: ignore[arg-type]
        except FileNotFoundError:
            continue  # retention was faster
    return kept


def _pictures(folder: Path, camera: str, from_at: float, to_at: float) -> Iterator[Path]:
    own = re.compile(rf"{re.escape(slug(camera))}-[0-9a-f]{{20}}\.jpg")
    for path in (folder / snapshots.FOLDER).glob("*/*.jpg"):
        if own.fullmatch(path.name) and from_at - _MARGIN_S <= _written_at(path) <= to_at + _MARGIN_S:
            yield path


def _clips(folder: Path, camera: str, from_at: float, to_at: float) -> Iterator[Path]:
    for path in (folder / clip_writer.FOLDER).glob("*/*.mp4"):
        if path.name.startswith((UNFINISHED, ".")) or not path.name.startswith(f"{slug(camera)}-"):
            continue
        # What cannot say when and of which camera it is may be of that time.
        begins, ends, whose = _span(path) or (_written_at(path) - _LONGEST_CLIP_S, _written_at(path), camera)
        if whose == camera and begins <= to_at and ends >= from_at:
            yield path


def _recordings(folder: Path, camera: str, from_at: float, to_at: float) -> Iterator[Path]:
    for segment in segments(folder, camera, from_at, to_at):
        if segment.starts_at <= to_at and _ends_at(segment) >= from_at:
            yield segment.path


def _ends_at(segment: Segment) -> float:
    """As its pictures say, or at the latest when it was last written to."""
    try:
        with av.open(str(segment.path), format="mp4") as container:
            if container.duration:
                return segment.starts_at + container.duration / 1e6
    except (FFmpegError, OSError):
        pass  # cut off, or being written
    return _written_at(segment.path) + _MARGIN_S


def _span(path: Path) -> tuple[float, float, str] | None:
    """From when until when a clip is, and of which camera, as its own tags say."""
    try:
        with av.open(str(path), format="mp4") as container:
            made = datetime.fromisoformat(container.metadata["creation_time"]).timestamp()
            seconds = (container.duration or 0) / 1e6
            return made, made + seconds, container.metadata["camera"]
    except (FFmpegError, OSError, KeyError, ValueError):
        return None


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("-inf")
