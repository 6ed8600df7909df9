"""How long footage stays in the data folder, by age and size; one thread that looks once a minute."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from streamer.clock import Clock
from streamer.footage import clip_writer, recording
from streamer.retention import prune
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.footage")

_EVERY_S = 60.0  # a hundred recorded cameras write 3 GB meanwhile
_DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Keep:
    """So many days, and so many bytes; what is older, or more, goes, the oldest first."""

    days: float
    most_bytes: int


class FootageKeeper:
    """Removes old clips and recordings below a data folder; clips of open alerts go last."""

    def __init__(self, folder: Path, *, clips: Keep, recordings: Keep, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._kinds = {"clips": (clip_writer.FOLDER, "*/*.mp4", clips)}
        self._kinds["recordings"] = (recording.FOLDER, "*/*/*.mp4", recordings)
        self._open: set[str] = set()
        self._kept_bytes: dict[str, int] = {}
        self._closing = threading.Event()
        self.worker = Worker("footage:prune", self._run, lambda: None)

    def start(self) -> None:
        """Begin."""
        self.worker.start()

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()
        self.worker.join(Deadline(1.0))

    def opened(self, alert_id: str) -> None:
        """This alert goes on."""
        self._open.add(alert_id)

    def closed(self, alert_id: str) -> None:
        """This alert is over."""
        self._open.discard(alert_id)

    def prune(self) -> None:
        """Remove what is too old or too much."""
        for kind, (folder, pattern, keep) in self._kinds.items():
            pruned = prune(
                self._folder / folder,
                pattern,
                keep_s=keep.days * _DAY_S,
                keep_bytes=keep.most_bytes,
                now=self._clock.now(),
                open_ids=tuple(self._open),
            )
            self._kept_bytes[kind] = pruned.kept_bytes
            if pruned.files:
                _log.info("removed %d old files of %s (%.1f MB)", pruned.files, kind, pruned.freed_bytes / 1e6)

    def rows(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """For telemetry; bytes as of the last look."""
        for kind, kept_bytes in tuple(self._kept_bytes.items()):
            yield "streamer_footage_bytes", (kind,), float(kept_bytes)

    def _run(self) -> None:
        while True:
            try:
                self.prune()
            except OSError as error:
                _log.warning("old footage could not be removed: %s; it is tried again", error)
            if self._closing.wait(_EVERY_S):
                return
