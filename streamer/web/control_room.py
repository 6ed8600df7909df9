"""What people see and do: pictures, alerts and news in one place, fed by whoever publishes results."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamer.clock import Clock
from streamer.stages import Sink
from streamer.types import AlertChange, FrameResult, Handling, HandlingType
from streamer.web.alert_shelf import AlertShelf
from streamer.web.news import News
from streamer.web.pictures import Pictures

_log = logging.getLogger("streamer.web")

MOST_TEXT = 2000


class ControlRoom:
    """Told by the service what happens, and by people what they do about it.

    record: makes what a person did durable, as alert changes are; raises SinkUnavailable.
    """

    def __init__(
        self,
        shelf: AlertShelf,
        pictures: Pictures,
        news: News,
        clock: Clock,
        record: Callable[[Handling], None],
    ) -> None:
        self.shelf, self.pictures, self.news, self.clock = shelf, pictures, news, clock
        self._record = record

    def seen(self, result: FrameResult) -> None:
        """A frame was analysed."""
        self.pictures.seen(result)

    def changed(self, changes: Sequence[AlertChange]) -> None:
        """Alerts changed, and that is stored already."""
        for alert in self.shelf.changed(changes, self.clock.now()):
            self.news.tell("alert", alert)

    def handle(
        self, alert: Mapping[str, Any], type: HandlingType, by: str, text: str | None = None, until: float | None = None
    ) -> Handling:
        """A person does something about an alert of the shelf. Durable on return. Raises SinkUnavailable."""
        handling = Handling(
            id=uuid.uuid4().hex,
            type=type,
            alert=alert["id"],
            camera=alert["camera"],
            kind=alert["kind"],
            severity=alert["severity"],
            by=by,
            at=self.clock.now(),
            text=(text or "").strip()[:MOST_TEXT] or None,
            until=until,
        )
        self._record(handling)
        now = self.shelf.handled(handling)
        if type == "silenced":
            self.tell_silences()
        if now is not None:
            self.news.tell("alert", now)
        _log.info("alert %s: %s by %s", handling.alert, handling.type, handling.by)
        return handling

    def tell_silences(self) -> list[dict[str, Any]]:
        """To everybody: what disturbs nobody now; returns it."""
        silences = self.shelf.silences(self.clock.now())
        self.news.tell("silences", {"silences": silences})
        return silences

    def close(self) -> None:
        """Nobody watches any more."""
        self.news.close()
        self.shelf.close()


class Overlooked:
    """stages.Sink in front of the one that stores: shows the control room what is stored. Raises nothing of its own."""

    def __init__(self, inner: Sink, room: ControlRoom) -> None:
        self._inner, self._room = inner, room
        self._failed = False

    def publish(self, result: FrameResult) -> None:
        """Pass it on, then show it."""
        self._inner.publish(result)
        self._guarded(self._room.seen, result)
        if result.changes:
            self._guarded(self._room.changed, result.changes)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Pass them on, then show them."""
        self._inner.announce(changes)
        if changes:
            self._guarded(self._room.changed, changes)

    def close(self) -> None:
        """Close the inner sink."""
        self._inner.close()

    def _guarded(self, show: Callable[[Any], None], what: Any) -> None:
        try:
            show(what)
        except Exception:  # noqa: BLE001 - a console that fails must not stop the watching
            if not self._failed:
                _log.exception("the console could not be shown something; the watching goes on")
            self._failed = True
