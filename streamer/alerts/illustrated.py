"""A sink in front of another: stores the picture of every alert that opens, before the alert goes out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from streamer.alerts.drawing import Points
from streamer.alerts.snapshots import SnapshotStore
from streamer.errors import SinkUnavailable
from streamer.privacy.publishable import publishable
from streamer.stages import Sink
from streamer.types import AlertChange, FrameResult
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.alerts")

_PRUNE_EVERY_S = 600.0


class Illustrated:
    """stages.Sink. An alert never waits for its picture's disk to be mended: it goes out without one, counted.

    Stands behind privacy.Screened: pictures that were not screened are refused.

    places: (camera, zone or line) → its points, and whether they close; drawn into the picture.
    """

    def __init__(
        self,
        inner: Sink,
        store: SnapshotStore,
        places: Mapping[tuple[str, str], tuple[Points, bool]] | None = None,
    ) -> None:
        self._inner, self._store, self._places = inner, store, places or {}
        self._without: set[str] = set()  # open alerts whose picture could not be stored
        self._open: set[str] = set()
        self._failures = 0
        self._closing = threading.Event()
        self._pruner = Worker("snapshots:prune", self._prune, lambda: None)
        self._pruner.start()

    def show_places(self, places: Mapping[tuple[str, str], tuple[Points, bool]]) -> None:
        """From now on these are drawn into pictures."""
        self._places = places

    def publish(self, result: FrameResult) -> None:
        """Store pictures, then pass the result on."""
        if result.changes:
            changes = tuple(self._with_picture(change, result) for change in result.changes)
            result = replace(result, changes=changes)
        self._inner.publish(result)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Changes without a frame: their alerts may have a picture from when they opened."""
        self._inner.announce([self._follow(change) for change in changes])

    def rows(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """For telemetry."""
        yield "streamer_snapshot_failures_total", (), float(self._failures)

    def close(self) -> None:
        """Stop pruning and close the inner sink."""
        self._closing.set()
        self._pruner.join(Deadline(1.0))
        self._inner.close()

    def _with_picture(self, change: AlertChange, result: FrameResult) -> AlertChange:
        if change.type == "opened" and change.snapshot is not None:
            outline, closed = self._places.get((change.camera, change.place or ""), ((), True))
            try:
                picture = publishable(result.frame.picture)
                self._store.write(change, picture, outline=outline, closed_outline=closed)
            except SinkUnavailable as error:
                self._failures += 1
                self._without.add(change.id)
                _log.warning("%s", error, extra={"camera": change.camera})
        return self._follow(change)

    def _follow(self, change: AlertChange) -> AlertChange:
        """Every later change of an alert names the same picture, or none."""
        missing = change.id in self._without
        if change.is_open:
            self._open.add(change.id)
        else:
            self._open.discard(change.id)
            self._without.discard(change.id)
        if missing or change.strip:
            change = replace(change, snapshot=None if missing else change.snapshot, strip=())
        return change

    def _prune(self) -> None:
        while True:
            pruned = self._store.prune(set(self._open))
            if pruned.pictures:
                _log.info("removed %d old pictures (%.1f MB)", pruned.pictures, pruned.freed_bytes / 1e6)
            if self._closing.wait(_PRUNE_EVERY_S):
                return
