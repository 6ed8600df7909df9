"""Somebody falls, runs or fights: what the temporal models are sure enough of, for as long as they are."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from streamer.rules.film_strip import FilmStrip
from streamer.rules.geometry import Zone
from streamer.rules.subjects import Subjects, Who
from streamer.types import BehaviourScores, Evidence, Frame, SceneScores, Tracks

Behaviour = Literal["fallen", "running", "fighting"]

_SAID: dict[Behaviour, str] = {"fallen": "has fallen", "running": "is running", "fighting": "is fighting"}
_SCENE = "scene"
_TIMELINE = 32


class Course:
    """How one subject's probability went lately, and whether the condition holds: from above on, until below."""

    __slots__ = ("_points", "holds")

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=_TIMELINE)
        self.holds = False

    def add(self, at_s: float, probability: float, above: float, below: float) -> bool:
        """One more value; says whether the condition holds. It does not where nobody can say yet (NaN)."""
        if math.isnan(probability):
            return False
        self._points.append((at_s, probability))
        self.holds = probability >= (below if self.holds else above)
        return self.holds

    @property
    def timeline(self) -> list[list[float]]:
        """(media_s, probability), oldest first, JSON-ready."""
        return [[round(at_s, 3), round(probability, 4)] for at_s, probability in self._points]


def steps_that_mattered(attention: NDArray[np.float32], step_s: float, at_s: float) -> list[list[float]]:
    """(media_s, share) of the last steps that what is said rests on, oldest first, JSON-ready; attention (A,)."""
    weights = attention.tolist()
    first = at_s - step_s * (len(weights) - 1)
    return [[round(first + n * step_s, 3), round(w, 4)] for n, w in enumerate(weights) if w >= 0.01]


class BehaviourRule:
    """Holds for every track of which the model says this with probability above or more, until it says less than below.

    Fighting holds for the whole picture too where a model looks at it and no zone is asked for.
    """

    def __init__(
        self,
        *,
        name: str,
        behaviour: Behaviour,
        above: float,
        below: float,
        film: FilmStrip,
        zone: Zone | None = None,
        **who: Unpack[Who],
    ) -> None:
        if not 0 < below <= above <= 1:
            raise ValueError(f"above and below are probabilities, below no more than above; got {above:g}, {below:g}")
        self.name, self.kind = name, f"behaviour.{behaviour}"
        self._behaviour, self._above, self._below, self._zone, self._film = behaviour, above, below, zone, film
        self._subjects = Subjects(**who)
        self._courses: dict[int, Course] = {}
        self._scene = Course()
        self.settings: dict[str, object] = {
            "above": above,
            "below": below,
            "zone": zone.name if zone else None,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody who behaves like this now."""
        self._film.keep(frame)
        for gone in tracks.ended:
            self._courses.pop(gone, None)
        scores = tracks.behaviour
        if scores is None:
            return []
        found = self._of_tracks(frame, tracks, scores) if self._behaviour in scores.labels else []
        scene = scores.scene if self._behaviour == "fighting" and self._zone is None else None
        if scene and self._scene.add(frame.media_s, scene.fight, self._above, self._below):
            found.append(self._of_scene(scene, frame.media_s))
        return found

    def reset(self) -> None:
        """A new session begins: nobody has been seen."""
        self._courses.clear()
        self._scene = Course()
        self._film.reset()
        self._subjects.reset()

    def _of_tracks(self, frame: Frame, tracks: Tracks, scores: BehaviourScores) -> list[Evidence]:
        seen = self._subjects.look(frame, tracks)
        column = scores.probs[:, scores.labels.index(self._behaviour)].tolist()
        judged = {*seen.chosen_inside(self._zone)}
        found = []
        for row, (track, probability) in enumerate(zip(seen.ids, column, strict=True)):
            course = self._courses.get(track)
            if course is None:
                course = self._courses[track] = Course()
            if not course.add(frame.media_s, probability, self._above, self._below) or row not in judged:
                continue
            measures = {f"{self._behaviour}_probability": (probability, self._above)}
            text = f"{_SAID[self._behaviour]} ({probability:.0%} sure)"
            told = seen.evidence(row, text, self._zone.name if self._zone else None, measures)
            details: dict[str, Any] = {
                "probabilities": course.timeline,
                "steps": steps_that_mattered(scores.attention[row], scores.step_s, frame.media_s),
                "unusual": list(scores.unusual[row]),
            }
            found.append(replace(told, score=probability, details=details, strip=self._film.of(told.box_xyxy)))
        return found

    def _of_scene(self, scene: SceneScores, at_s: float) -> Evidence:
        return Evidence(
            subject=_SCENE,
            text=f"people are fighting in the picture ({scene.fight:.0%} sure)",
            measures={"fight_probability": (scene.fight, self._above)},
            score=scene.fight,
            details={
                "probabilities": self._scene.timeline,
                "steps": steps_that_mattered(scene.attention, scene.step_s, at_s),
                "unusual": list(scene.unusual),
            },
            strip=self._film.of(),
        )
