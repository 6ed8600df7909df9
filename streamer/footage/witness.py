"""A sink in front of another: has a clip made of every alert that opens in a picture, and tells of it once it is there.

Most clips are complete some seconds after their alert ended. Until its `closed` change is stored, the book may still
make changes of the alert, so the clip travels in the next of them; afterwards in one change more, `evidence`, whose seq
nobody else can take any more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from streamer.errors import SinkUnavailable
from streamer.footage.camera_footage import Done
from streamer.footage.keeper import FootageKeeper
from streamer.stages import Sink
from streamer.types import AlertChange, Clip, FrameResult

_log = logging.getLogger("streamer.footage")


class ClipMaker(Protocol):
    """The footage of one camera as alerts see it, in whichever process its packets are."""

    @property
    def makes_clips(self) -> bool:
        """Whether alerts of this camera have clips."""
        ...

    def begin(self, opened: AlertChange, done: Done) -> None:
        """An alert opened: make its clip. done(clip) is called on another thread, done(None) perhaps at once."""
        ...

    def end(self, alert_id: str, at: float) -> None:
        """An alert ended at this epoch time."""
        ...


class Writing(Protocol):
    """What brings the footage of all cameras to disk."""

    def close(self, within_s: float) -> bool:
        """Complete everything with what there is; false where that took longer."""
        ...


@dataclass(slots=True)
class _Witnessed:
    """One alert with a clip that is wanted. closed: its last change, from the moment on at which that is stored."""

    clip: Clip | None = None
    is_done: bool = False
    closed: AlertChange | None = None


class Witness:
    """stages.Sink. An alert never waits for its clip; one that cannot be made is counted by its camera.

    Stands directly before the sink that stores: what it repeats must be what was said last.

    on_evidence     is told of every evidence change, which no frame brought
    finish_within_s how long close() waits for clips that are being written
    """

    def __init__(
        self,
        inner: Sink,
        cameras: Mapping[str, ClipMaker],
        writer: Writing,
        keeper: FootageKeeper,
        *,
        on_evidence: Callable[[AlertChange], None] = lambda _: None,
        finish_within_s: float = 3.0,
    ) -> None:
        self._inner, self._cameras, self._writer, self._keeper = inner, cameras, writer, keeper
        self._on_evidence, self._finish_within_s = on_evidence, finish_within_s
        self._lock = threading.Lock()
        self._alerts: dict[str, _Witnessed] = {}

    def publish(self, result: FrameResult) -> None:
        """Pass the result on, its alerts with their clips where they are complete."""
        for change in result.changes:
            if change.type == "opened":
                self._begin(change)
        changes = self._with_clips(result.changes)
        self._inner.publish(replace(result, changes=changes) if changes != result.changes else result)
        self._stored(changes)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Changes without a frame: alerts that open here have no picture, and no clip."""
        told = self._with_clips(changes)
        self._inner.announce(told)
        self._stored(told)

    def close(self) -> None:
        """Complete the clips that are being written, tell of them, and close the inner sink."""
        if not self._writer.close(self._finish_within_s):
            _log.warning("the disk held the footage until the end: clips that were being written are given up")
        self._keeper.close()
        self._inner.close()

    def _begin(self, opened: AlertChange) -> None:
        camera = self._cameras.get(opened.camera)
        if camera is None or not camera.makes_clips:
            return
        with self._lock:
            self._alerts[opened.id] = _Witnessed()
        self._keeper.opened(opened.id)
        camera.begin(opened, lambda clip: self._done(opened.id, clip))

    def _with_clips(self, changes: Sequence[AlertChange]) -> tuple[AlertChange, ...]:
        with self._lock:
            return tuple(
                replace(change, clip=known.clip) if (known := self._alerts.get(change.id)) and known.clip else change
                for change in changes
            )

    def _stored(self, changes: Sequence[AlertChange]) -> None:
        for change in changes:
            if change.type != "closed":
                continue
            self._keeper.closed(change.id)
            with self._lock:
                known = self._alerts.get(change.id)
                if known is None:
                    continue
                known.closed = change
                if known.is_done:
                    del self._alerts[change.id]
            if known.is_done:
                self._tell(change, known.clip)
            elif camera := self._cameras.get(change.camera):
                camera.end(change.id, change.at)

    def _done(self, alert_id: str, clip: Clip | None) -> None:
        with self._lock:
            known = self._alerts.get(alert_id)
            if known is None:
                return
            known.clip, known.is_done = clip, True
            if known.closed is None:
                return  # the next change tells of it
            del self._alerts[alert_id]
        self._tell(known.closed, clip)

    def _tell(self, closed: AlertChange, clip: Clip | None) -> None:
        if clip is None or closed.clip is not None:
            return
        evidence = replace(closed, seq=closed.seq + 1, type="evidence", clip=clip)
        try:
            self._inner.announce([evidence])
        except SinkUnavailable as error:
            _log.error("the clip of alert %s is there and cannot be told of: %s", closed.id, error)
            return
        self._on_evidence(evidence)
