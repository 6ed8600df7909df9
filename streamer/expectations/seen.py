"""The alerts of one replay as whole stories: when each opened and closed in the video, where, and about whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from streamer.types import AlertChange, FrameResult, Severity

Box = tuple[float, float, float, float]
ENDED = "the recording ended"
"""What pipeline.replay gives as the reason of the last closings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAlert:
    """One alert of a replay.

    opened_s, closed_s: seconds from the video's beginning; cut says that the video ended while it was open.
    box: normalised, when it opened. text: what it said when it opened.
    """

    id: str
    camera: str
    rule: str
    kind: str
    severity: Severity
    opened_s: float
    closed_s: float | None = None
    cut: bool = False
    place: str | None = None
    label: str | None = None
    track_ids: tuple[int, ...] = ()
    box: Box | None = None
    text: str = ""

    @property
    def described(self) -> str:
        """'loitering in yard (track 7)'."""
        where = f" in {self.place}" if self.place else ""
        tracks = ", ".join(str(each) for each in self.track_ids[:4]) + (", …" if len(self.track_ids) > 4 else "")
        who = f" (track{'s' if len(self.track_ids) > 1 else ''} {tracks})" if tracks else ""
        return f"{self.kind}{where}{who}"


class VideoTimes:
    """Seconds from the video's beginning, of moments on the timelines of its sessions.

    A recording is one session, unless its pictures change their size: then time is counted on.
    """

    def __init__(self) -> None:
        self._begins_s: dict[str, float] = {}
        self.last_s = 0.0

    def see(self, session: str, media_s: float) -> float:
        """The place in the video of a frame; frames come in order."""
        self.last_s = self._begins_s.setdefault(session, self.last_s) + media_s
        return self.last_s

    def of(self, session: str, media_s: float) -> float:
        """The place in the video of a moment in a session that has been seen."""
        return self._begins_s.get(session, self.last_s) + media_s


class AlertGatherer:
    """Makes whole alerts of changes as they come (a stages.Sink)."""

    def __init__(self) -> None:
        self._times = VideoTimes()
        self._alerts: dict[str, SeenAlert] = {}
        self.frames = 0

    @property
    def alerts(self) -> tuple[SeenAlert, ...]:
        """All so far, in the order in which they opened."""
        return tuple(sorted(self._alerts.values(), key=lambda each: each.opened_s))

    @property
    def length_s(self) -> float:
        """How far the video was seen."""
        return self._times.last_s

    def publish(self, result: FrameResult) -> None:
        """Take the changes of one frame."""
        self.frames += 1
        self._times.see(result.frame.session, result.frame.media_s)
        self.announce(result.changes)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Take changes, in order."""
        for change in changes:
            at_s = self._times.of(change.session, change.media_s)
            if change.type == "opened":
                self._alerts[change.id] = _opened(change, at_s)
            elif change.type == "closed" and (alert := self._alerts.get(change.id)):
                cut = change.reason.get("closed_because") == ENDED
                self._alerts[change.id] = replace(alert, closed_s=at_s, cut=cut)

    def close(self) -> None:
        """Nothing was opened."""


def _opened(change: AlertChange, at_s: float) -> SeenAlert:
    return SeenAlert(
        id=change.id,
        camera=change.camera,
        rule=change.rule,
        kind=change.kind,
        severity=change.severity,
        opened_s=at_s,
        place=change.place,
        label=change.label,
        track_ids=change.track_ids,
        box=change.box,
        text=str(change.reason.get("text", "")),
    )


def counted(alerts: Iterable[SeenAlert]) -> str:
    """'2 loitering, 1 intrusion', 'none'."""
    kinds = [alert.kind for alert in alerts]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"
