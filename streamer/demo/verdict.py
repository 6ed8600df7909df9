"""How the alerts of a whole performance compare with the truth, camera by camera."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamer.demo.clips import Clip
from streamer.demo.truth import Event, Floats, Play, events_of
from streamer.demo.watch import Post
from streamer.types import AlertChange

_EARLY_S, _LATE_S = 1.0, 4.0
"""How far outside an event its alert may open."""


@dataclass(frozen=True)
class Judgement:
    """Events that happened in full view, those that an alert reported, and the other alerts, by kind.

    repeated: alerts on an event that had its alert already; unexplained: on nothing that happened.
    unjudged names cameras of which too little was seen to know where in the play they were.
    """

    true: Counter[str]
    found: Counter[str]
    repeated: Counter[str]
    unexplained: Counter[str]
    unjudged: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """For the report."""
        return {
            "true": self.true.total(),
            "found": self.found.total(),
            "missed": dict(sorted((self.true - self.found).items())),
            "repeated": dict(sorted(self.repeated.items())),
            "unexplained": dict(sorted(self.unexplained.items())),
            "unjudged": list(self.unjudged),
        }


def judge(
    watched: Mapping[str, Post],
    clips: Mapping[str, Clip],
    frames: Mapping[str, Iterable[Mapping[str, Any]]],
    opened: Sequence[AlertChange],
) -> Judgement:
    """Compare what every session of every camera reported with what happened in front of it.

    frames: frame messages per camera, as published; opened: the alerts as they opened.
    """
    true, found = Counter[str](), Counter[str]()
    repeated, unexplained = Counter[str](), Counter[str]()
    unjudged: list[str] = []
    for camera, post in watched.items():
        play = Play.load(clips[camera].truth)
        events = events_of(play, post)
        sessions: dict[str, list[Sighting]] = defaultdict(list)
        for frame in frames[camera]:
            # What is followed, that is: every frame also lists weak boxes that the tracker may want.
            followed = [each["box"] for each in frame["objects"] if each["track_id"] is not None]
            boxes = np.array(followed, np.float64).reshape(-1, 4)
            sessions[frame["session"]].append(Sighting(frame["media_s"], boxes))
        if not sessions:
            unjudged.append(camera)
        for session, sightings in sessions.items():
            phase = find_phase(play, sightings)
            if phase is None:
                unjudged.append(camera)
                continue
            mine = [
                Opened(change.kind, change.place or "", change.media_s + phase)
                for change in opened
                if (change.camera, change.session) == (camera, session)
            ]
            verdict = compare(events, play.period_s, mine, sightings[0].media_s + phase, sightings[-1].media_s + phase)
            true += verdict.true
            found += verdict.found
            repeated += verdict.repeated
            unexplained += verdict.unexplained
    return Judgement(true, found, repeated, unexplained, tuple(dict.fromkeys(unjudged)))


@dataclass(frozen=True)
class Sighting:
    """What the service said it saw in one frame: stream time, and boxes (N, 4) in source pixels."""

    media_s: float
    boxes: Floats


def find_phase(play: Play, sightings: Sequence[Sighting], most: int = 16) -> float | None:
    """Seconds to add to a session's stream time to get the play's time, found by laying what was seen over the truth.

    A server may start a viewer anywhere in the clip, so this is measured. None where too little was seen to be sure.
    """
    usable = [sighting for sighting in sightings if len(sighting.boxes) >= 2]
    if not usable:
        return None
    chosen = [usable[round(i)] for i in np.linspace(0, len(usable) - 1, min(most, len(usable)))]
    n = len(play.boxes)
    agreement = np.zeros(n)
    for sighting in chosen:
        fit = np.array([_mean_overlap(sighting.boxes, play.boxes[i]) for i in range(n)])
        agreement += np.roll(fit, -round(sighting.media_s * play.fps))
    best = int(np.argmax(agreement))
    return best / play.fps if agreement[best] >= 0.5 * len(chosen) else None


def _mean_overlap(found: Floats, true: Floats) -> float:
    there = true[~np.isnan(true[:, 0])]
    if not len(there):
        return 0.0
    low, high = np.maximum(found[:, None, :2], there[None, :, :2]), np.minimum(found[:, None, 2:], there[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    both = (found[:, 2:] - found[:, :2]).prod(-1)[:, None] + (there[:, 2:] - there[:, :2]).prod(-1)[None] - shared
    return float((shared / np.maximum(both, 1e-9)).max(1).mean())


@dataclass(frozen=True)
class Opened:
    """One alert when it opened, in play time counted on through the loops."""

    kind: str
    place: str
    at_s: float


@dataclass(frozen=True)
class Verdict:
    """How the alerts of one watch compare with what happened."""

    true: Counter[str]
    found: Counter[str]
    repeated: Counter[str]
    unexplained: Counter[str]


def compare(
    events: Sequence[Event], period_s: float, opened: Sequence[Opened], first_s: float, last_s: float
) -> Verdict:
    """Alerts against the events of one period repeated; first_s and last_s are what was watched, in play time.

    An event is asked for if it begins late enough after first_s to be seen whole, and early enough before last_s to be
    reported. Every alert explains one event at most, the earliest that fits.
    """
    happened: list[tuple[Event, float, float]] = []
    for loop in range(int(first_s // period_s) - 1, int(last_s // period_s) + 2):
        happened += [(event, event.start_s + loop * period_s, event.end_s + loop * period_s) for event in events]
    happened.sort(key=lambda each: (not each[0].plain, each[1]))
    free = sorted(opened, key=lambda alert: alert.at_s)
    true: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for event, start_s, end_s in happened:
        match = next((alert for alert in free if _fits(alert, event, start_s, end_s)), None)
        asked = event.plain and start_s >= first_s + _room_before(event) and start_s + _LATE_S <= last_s
        true[event.kind] += asked
        if match is not None:
            free.remove(match)
            found[event.kind] += asked
    again = [alert for alert in free if any(_fits(alert, *each) for each in happened)]
    repeated = Counter(alert.kind for alert in again)
    return Verdict(+true, +found, repeated, Counter(alert.kind for alert in free) - repeated)


def _fits(alert: Opened, event: Event, start_s: float, end_s: float) -> bool:
    same = (alert.kind, alert.place) == (event.kind, event.place)
    return same and start_s - _EARLY_S <= alert.at_s <= end_s + _LATE_S


def _room_before(event: Event) -> float:
    # An event of staying begins long before it counts: the camera must have watched from its beginning.
    return {"loitering": 12.0, "stopped": 8.0, "line_crossing": 2.0}.get(event.kind, 1.0)
