"""A camera's connection as alerts: what the link watch holds against it, written into a book of its own."""

from __future__ import annotations

from streamer.alerts.book import CameraAlertBook, Moment
from streamer.ledger import CameraState
from streamer.rules.camera_link import LinkWatch
from streamer.types import AlertChange


class LinkAlerts:
    """stages.LinkWatch of one camera. `since` is the start of the watching in epoch seconds: it names the session,
    so that an outage after a restart is another alert, and is the zero of its media time."""

    def __init__(self, watch: LinkWatch, book: CameraAlertBook, since: float, kinds: frozenset[str]) -> None:
        self._watch, self._book, self._since, self._kinds = watch, book, since, kinds
        self._began_s: float | None = None

    @property
    def book(self) -> CameraAlertBook:
        """Where its alerts are kept."""
        return self._book

    def tick(self, state: CameraState, now_s: float, now: float) -> list[AlertChange]:
        """The changes that the state of the link brings now."""
        if self._began_s is None:
            self._began_s = now_s
        moment = Moment(f"link-{self._since:.3f}", now, now_s - self._began_s)
        changes: list[AlertChange] = []
        for judged in self._watch.tick(state, now_s, state.skew_s):
            if judged.kind in self._kinds:
                settings = self._watch.settings(judged.kind)
                changes += self._book.record_at(judged.kind, judged.kind, judged.evidence, moment, settings=settings)
        return changes

    def finish(self, why: str) -> list[AlertChange]:
        """Close what is open."""
        return self._book.end_session(why)
