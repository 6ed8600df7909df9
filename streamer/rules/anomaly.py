"""Somebody moves as hardly anybody does at this camera, measured by its own past and a budget of false alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

from streamer.budget import share_of
from streamer.rules.behaviour import Course, steps_that_mattered
from streamer.rules.film_strip import FilmStrip
from streamer.rules.geometry import Zone
from streamer.rules.subjects import Subjects, Who
from streamer.types import Evidence, Frame, Tracks

_LARGEST_SHARE = 0.05
"""However quiet a camera is: what one normal track in twenty does is not worth an alert."""


class AnomalyRule:
    """Holds for every track whose anomaly is so rare that normal tracks raise no more than so many alerts a day.

    A share budget / (tracks a day) of normal tracks may reach the limit at any time of their life; each is told of
    once, until its anomaly is twice as common. Until the camera has been calibrated nothing is raised.
    """

    kind = "behaviour.anomaly"

    def __init__(
        self, *, name: str, false_alerts_per_day: float, film: FilmStrip, zone: Zone | None = None, **who: Unpack[Who]
    ) -> None:
        if false_alerts_per_day <= 0:
            raise ValueError(f"false_alerts_per_day must be positive; got {false_alerts_per_day:g}")
        self.name = name
        self._budget, self._zone, self._film, self._subjects = false_alerts_per_day, zone, film, Subjects(**who)
        self._courses: dict[int, Course] = {}
        self._told: set[int] = set()
        self.settings: dict[str, object] = {
            "false_alerts_per_day": false_alerts_per_day,
            "zone": zone.name if zone else None,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody who moves so strangely now."""
        self._film.keep(frame)
        for gone in tracks.ended:
            self._courses.pop(gone, None)
            self._told.discard(gone)
        scores = tracks.behaviour
        if scores is None or scores.tracks_per_day is None:
            return []
        share = min(_LARGEST_SHARE, share_of(self._budget, scores.tracks_per_day))
        limit = 1.0 - share
        seen = self._subjects.look(frame, tracks)
        found = []
        for row in seen.chosen_inside(self._zone):
            track, anomaly = seen.ids[row], float(scores.anomaly[row])
            course = self._courses.setdefault(track, Course())
            held = course.holds
            if not course.add(frame.media_s, anomaly, limit, limit - share):
                if held and not course.holds:
                    self._told.add(track)
                continue
            if track in self._told:
                continue
            unusual = scores.unusual[row]
            text = "moves as hardly anybody does here" + (f": {', '.join(unusual)}" if unusual else "")
            place = self._zone.name if self._zone else None
            told = seen.evidence(row, text, place, {"anomaly": (anomaly, limit)})
            details = {
                "anomaly": course.timeline,
                "steps": steps_that_mattered(scores.attention[row], scores.step_s, frame.media_s),
                "unusual": list(unusual),
            }
            found.append(replace(told, score=anomaly, details=details, strip=self._film.of(told.box_xyxy)))
        return found

    def reset(self) -> None:
        """A new session begins: nobody has been seen."""
        self._courses.clear()
        self._told.clear()
        self._film.reset()
        self._subjects.reset()
