"""The clips and recordings of a camera whose packets a member of the crew has, as the house sees them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from streamer.types import AlertChange, Clip

_log = logging.getLogger("streamer.crew")

Done = Callable[[Clip | None], None]
Row = tuple[str, tuple[str, ...]]
FAILURES = "streamer_footage_failures_total"


class RemoteFootage:
    """Asked by alerts as the footage of the house itself is; done() is called on the station's thread.

    post: to the member, false where there is none.
    """

    def __init__(self, camera: str, makes_clips: bool, post: Callable[[object], bool]) -> None:
        self.camera, self.makes_clips = camera, makes_clips
        self._post = post
        self._lock = threading.Lock()
        self._wanted: dict[str, Done] = {}
        # by members that are gone, and by ourselves; there from the start, so that the first one is seen as a rise
        self._counted: Counter[Row] = Counter({(FAILURES, (camera, "crashed")): 0})
        self._newest: dict[Row, float] = {}
        self._ring_bytes = 0

    def begin(self, opened: AlertChange, done: Done) -> None:
        """An alert opened: make its clip. done(None) at once where nobody has its packets."""
        with self._lock:
            self._wanted[opened.id] = done
        if not self._post(("clip", self.camera, replace(opened, strip=()))):
            self._give_up([opened.id])

    def end(self, alert_id: str, at: float) -> None:
        """An alert ended at this epoch time."""
        self._post(("clip_end", self.camera, alert_id, at))

    def rows(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """For telemetry."""
        counted = self._counted.copy()
        counted.update(self._newest)
        for (name, labels), value in counted.items():
            yield name, labels, float(value)

    @property
    def ring_bytes(self) -> int:
        """Packets in the member's memory."""
        return self._ring_bytes

    def made_by(self, post: Callable[[object], bool]) -> None:
        """From now on another member makes it."""
        self._post = post

    # --- on the station's thread ----------------------------------------------------------------------------------

    def told(self, footage: Mapping[str, Any]) -> None:
        """What the member counted since it began. Raises KeyError, TypeError, ValueError for what is no such thing."""
        self._ring_bytes = int(footage["ring_bytes"])
        self._newest = {(str(name), tuple(labels)): float(value) for name, labels, value in footage["rows"]}

    def made(self, alert_id: str, clip: Mapping[str, Any] | None) -> None:
        """The member completed a clip, or gave it up and counted that."""
        with self._lock:
            done = self._wanted.pop(alert_id, None)
        if done is not None:
            done(None if clip is None else Clip(**clip))

    def lose(self) -> None:
        """The member is gone: so are the clips that it was writing."""
        self._counted.update(self._newest)
        self._newest, self._ring_bytes = {}, 0
        self._give_up(list(self._wanted))

    def _give_up(self, alert_ids: list[str]) -> None:
        for alert_id in alert_ids:
            with self._lock:
                done = self._wanted.pop(alert_id, None)
            if done is None:
                continue
            self._counted[FAILURES, (self.camera, "crashed")] += 1
            _log.warning(
                "camera %r: alert %s has no clip: the process that captures the camera is gone", self.camera, alert_id,
                extra={"camera": self.camera},
            )  # fmt: skip
            done(None)
