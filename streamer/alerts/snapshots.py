"""The pictures of alerts: one JPEG per alert in the data folder, and how long they stay there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streamer.alerts.drawing import Box, Points, draw_alert, with_strip
from streamer.clock import Clock, SystemClock
from streamer.errors import SinkUnavailable
from streamer.privacy.jpeg import jpeg
from streamer.privacy.publishable import Publishable, Rgb
from streamer.retention import UNFINISHED, prune
from streamer.room import require_room
from streamer.types import AlertChange

FOLDER = "snapshots"
_DAY_S = 24 * 3600.0


def snapshot_path(change: AlertChange) -> str:
    """Where the picture of an alert lies, relative to the data folder; the same for each of its changes.

    'snapshots/2026-03-01/gate-3f9c….jpg', by the UTC day on which the alert's condition began.
    """
    day = datetime.fromtimestamp(change.started_at, UTC).strftime("%Y-%m-%d")
    return f"{FOLDER}/{day}/{change.id}.jpg"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning took away, and what is left."""

    pictures: int
    freed_bytes: int
    kept_bytes: int


class SnapshotStore:
    """Writes and prunes the pictures of alerts below one data folder.

    folder      the data folder; pictures go to its subfolder 'snapshots', which is made when the first is written
    keep_days   older pictures go at the next prune()
    keep_bytes  so many bytes may stay; the oldest go first
    write() and prune() may be called from different threads: a picture is there whole or not at all.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_days: float = 30.0,
        keep_bytes: int = 2_000_000_000,
        quality: int = 85,
        clock: Clock | None = None,
    ) -> None:
        if keep_days <= 0 or keep_bytes <= 0 or not 1 <= quality <= 100:
            raise ValueError(
                "keep_days and keep_bytes must be positive and quality from 1 to 100; "
                f"got {keep_days:g}, {keep_bytes} and {quality}"
            )
        self._folder, self._keep_days, self._keep_bytes, self._quality = folder, keep_days, keep_bytes, quality
        self._clock: Clock = clock if clock is not None else SystemClock()

    def path_for(self, change: AlertChange) -> str:
        """Where the alert's picture lies or will lie, relative to the data folder."""
        return snapshot_path(change)

    def exists(self, change: AlertChange) -> bool:
        """Whether the alert's picture is there."""
        return (self._folder / snapshot_path(change)).is_file()

    def write(
        self,
        change: AlertChange,
        picture: Publishable,
        *,
        outline: Points = (),
        closed_outline: bool = True,
        others: Sequence[Box] = (),
    ) -> str:
        """Draw the alert on its picture and store it; returns its path, relative to the data folder.

        outline, others: see draw_alert. Raises SinkUnavailable where the disk is full or may not be written: the
        caller counts it and sends the alert without a picture.
        """
        who = f"{change.label} {change.score:.0%}" if change.label else change.kind
        when = datetime.fromtimestamp(change.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lines = (str(change.reason.get("text", change.kind)), f"{change.rule} / {change.camera} / {when}")

        def draw(rgb: Rgb) -> Rgb:
            draw_alert(
                rgb,
                severity=change.severity,
                label=who,
                lines=lines,
                box=change.box,
                others=others,
                outline=outline,
                closed_outline=closed_outline,
            )
            return with_strip(rgb, [image for _, image in change.strip])

        path = snapshot_path(change)
        try:
            encoded = jpeg(picture.drawn(draw), self._quality)
        except ValueError as e:
            raise SinkUnavailable(f"alert {change.id}: {e}") from e
        try:
            _put(self._folder / path, encoded)
        except OSError as e:
            reason = e.strerror or type(e).__name__
            raise SinkUnavailable(
                f"alert {change.id}: its picture cannot be written to {self._folder / path}: {reason}; "
                "the alert goes out without it. Free space or correct the folder's permissions"
            ) from e
        return path

    def prune(self, open_ids: Collection[str] = ()) -> Pruned:
        """Remove pictures by age, then by size, oldest first.

        Those of open alerts (open_ids) stay, unless they alone take more than keep_bytes. What cannot be removed is
        left and counted as kept. Also sweeps away what a writer that died left unfinished.
        """
        pruned = prune(
            self._folder / FOLDER,
            "*/*.jpg",
            keep_s=self._keep_days * _DAY_S,
            keep_bytes=self._keep_bytes,
            now=self._clock.now(),
            open_ids=open_ids,
        )
        return Pruned(pruned.files, pruned.freed_bytes, pruned.kept_bytes)


def _put(path: Path, content: bytes) -> None:
    """The whole file or none of it: written beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        require_room(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    except FileNotFoundError:  # a pruning found the day's folder still empty and took it away
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(name, 0o644)  # mkstemp gives it to its owner only; a web server may be somebody else
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
