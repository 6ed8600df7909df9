"""A camera that moves between machines: its books and counts out of one house and into another (ADR 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from streamer.alerts.book import CameraAlertBook
from streamer.alerts.inherited import Legacy
from streamer.capture.wallclock import CameraClock
from streamer.cluster.handover import Handover, LastSeen
from streamer.cluster.warm_source import WarmSource
from streamer.ledger import CameraStatus
from streamer.pipeline import CameraPipeline
from streamer.rules.isolated import innermost
from streamer.types import AlertChange


@runtime_checkable
class Counting(Protocol):
    """A rule whose counts run on: nobody may see them begin anew because a machine was changed."""

    name: str
    forward: int
    backward: int


class MovingCamera:
    """What of one camera moves: its pipeline, and its two books (of what is seen, of its link).

    warm: its source, where that listens already.
    """

    def __init__(
        self,
        camera: str,
        pipeline: CameraPipeline,
        books: tuple[CameraAlertBook, ...],
        status: CameraStatus | None = None,
        warm: WarmSource | None = None,
    ) -> None:
        self.camera, self._pipeline, self._books = camera, pipeline, books
        self._status, self._warm = status, warm

    def arrive(self, left: Handover) -> list[AlertChange]:
        """Go on from what the last owner left; before the camera is watched. Ends of alerts that cannot go on."""
        rules_of = [book.rules for book in self._books]
        for book, rules in zip(self._books, rules_of, strict=True):
            mine = tuple(change for change in left.open if change.rule in rules)
            book.take_over(Legacy(mine, left.closed_at), left.why)
        for rule in map(innermost, self._pipeline.rules):
            if isinstance(rule, Counting) and (counts := left.counts.get(rule.name)):
                rule.forward, rule.backward = counts.get("forward", 0), counts.get("backward", 0)
        if self._warm is not None:
            self._warm.adopt(left.seen)
        orphans = tuple(change for change in left.open if not any(change.rule in rules for rules in rules_of))
        return self._books[0].take_over(Legacy(orphans), left.why)

    def will_leave(self) -> None:
        """From any thread, before it is taken out of the service: then what is open is kept, not closed."""
        for book in self._books:
            book.leave()

    def left(self, at: float, why: str) -> Handover:
        """What the next owner needs to know; after it was taken out. Raises RuntimeError where it was not."""
        legacies = [book.legacy for book in self._books]
        if None in legacies:
            raise RuntimeError(f"camera '{self.camera}' is watched still: take it out before it is handed over")
        known = [legacy for legacy in legacies if legacy is not None]
        closed = {rule: when for legacy in known for rule, when in legacy.closed_at.items()}
        open_now = tuple(change for legacy in known for change in legacy.open)
        seen_at, skew_s = self._pipeline.seen_at, camera_skew_s(self._status) if self._status else None
        seen = None if seen_at is None else LastSeen(seen_at, skew_s)
        return Handover(self.camera, at, why, open_now, self._counts(), closed, seen)

    def checkpoint(self, at: float, why: str) -> Handover:
        """What could not be known if this machine died now; from any thread. What is open is in Redis anyway."""
        closed = {rule: when for book in self._books for rule, when in book.closed_at.items()}
        return Handover(self.camera, at, why, (), self._counts(), closed)

    def _counts(self) -> Mapping[str, Mapping[str, int]]:
        return {
            rule.name: {"forward": rule.forward, "backward": rule.backward}
            for rule in map(innermost, self._pipeline.rules)
            if isinstance(rule, Counting)
        }


def camera_skew_s(status: CameraStatus) -> float | None:
    """By how much the camera's clock is ahead of ours, where it is so near that frames are dated by it."""
    skew_s = status.state().skew_s
    return None if skew_s is None or abs(skew_s) > CameraClock.TRUSTED_WITHIN_S else skew_s
