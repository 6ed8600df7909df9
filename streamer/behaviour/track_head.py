"""The head that looks at tracks: all people of all cameras in one run per grid step, each with a memory of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.conformal import Hour
from streamer.behaviour.features import Round, TrackFeatures
from streamer.behaviour.life import Life, hour_of
from streamer.behaviour.normal import CameraNormal
from streamer.behaviour.step_session import StepSession
from streamer.behaviour.step_states import Floats, StepStates
from streamer.behaviour.unusual import Unusual
from streamer.types import Detections, Frame, Tracks

PEOPLE = frozenset({"person"})
"""Labels of tracks that the head was made for; others have no scores."""

OnLife = Callable[[Life], None]
OnSteps = Callable[[str, Floats], None]


@dataclass(frozen=True, slots=True, eq=False)
class TrackScores:
    """By row of Tracks: see types.BehaviourScores."""

    probs: Floats
    anomaly: Floats
    attention: Floats
    unusual: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Person:
    row: int
    hour: Hour


@dataclass(slots=True, eq=False)
class _Camera:
    features: TrackFeatures = field(default_factory=TrackFeatures)
    people: dict[int, _Person] = field(default_factory=dict)


class TrackHead:
    """Memory of all tracks of all cameras. Not for several threads at once.

    embeds     whether the head knows the embeddings that come with the detections
    on_life    is told of every track that has ended and was followed long enough to have a score
    on_steps   is told of every step: the camera, and its tracks' features float32 (m, F)
    """

    def __init__(
        self, session: StepSession, *, embeds: bool, timezone: tzinfo, on_life: OnLife, on_steps: OnSteps | None = None
    ) -> None:
        manifest = session.manifest
        self.labels, self.step_s, self.attention_steps = manifest.labels, manifest.step_s, manifest.attention_steps
        self._states = StepStates(session)
        self._embeds, self._timezone, self._on_life, self._on_steps = embeds, timezone, on_life, on_steps
        self._usual = Unusual(manifest.features, manifest.usual, here=False)
        self._cameras: dict[str, _Camera] = {}
        self._refused_before = 0

    @property
    def lost(self) -> int:
        """Memories given up because something in them was not a number."""
        return self._states.lost

    @property
    def refused(self) -> int:
        """Sightings that made no sense and were passed over."""
        return self._refused_before + sum(camera.features.refused for camera in self._cameras.values())

    def look(self, seen: Sequence[tuple[Frame, Detections, Tracks]]) -> None:
        """Take in one frame each of different cameras. Raises InferenceError."""
        due = [self._rounds(*each) for each in seen]
        for rounds in zip_longest(*due):
            steps = [(frame, step) for (frame, _, _), step in zip(seen, rounds, strict=True) if step is not None]
            if steps:
                self._advance(steps)
        for frame, _, tracks in seen:
            self._end(frame.camera, tracks.ended)

    def scores(self, frame: Frame, tracks: Tracks, normal: CameraNormal | None) -> TrackScores:
        """What is known of this frame's tracks: NaN where there is nothing yet, or nothing to say it by."""
        people, m, states = self._camera(frame.camera).people, len(tracks), self._states
        known = [(n, people[track]) for n, track in enumerate(tracks.ids.tolist()) if track in people]
        at = np.array([n for n, _ in known], np.intp)
        rows = np.array([person.row for _, person in known], np.intp)
        probs = np.full((m, len(self.labels)), np.nan, np.float32)
        anomaly, attention = np.full(m, np.nan, np.float32), np.zeros((m, self.attention_steps), np.float32)
        probs[at], attention[at] = states.probs[rows], states.attention[rows]
        if normal and normal.tracks:
            hours = np.array([-1 if person.hour is None else person.hour for _, person in known], np.int64)
            anomaly[at] = 1.0 - normal.tracks.p_values(states.smoothed[rows], hours)
        words: list[tuple[str, ...]] = [()] * m
        told = (normal.words if normal else self._usual).words(states.features[rows])
        for n, row, said in zip(at.tolist(), rows.tolist(), told, strict=True):
            if not math.isnan(states.probs[row, 0]):
                words[n] = said
        return TrackScores(probs, anomaly, attention, tuple(words))

    def drop(self, camera: str) -> None:
        """The camera's session is over, and with it every track."""
        if (gone := self._cameras.get(camera)) is not None:
            self._end(camera, tuple(gone.people))
            self._refused_before += gone.features.refused
            del self._cameras[camera]

    def _camera(self, name: str) -> _Camera:
        return self._cameras.setdefault(name, _Camera())

    def _rounds(self, frame: Frame, detections: Detections, tracks: Tracks) -> list[Round]:
        """The grid steps that this frame makes due."""
        is_person = np.array([label in PEOPLE for label in tracks.labels], np.bool_)
        people = is_person[tracks.class_ids]
        boxes = tracks.boxes_xyxy[people]
        features = detections.features if self._embeds else None
        embeddings = features.pool(boxes) if features is not None and len(boxes) else None
        return self._camera(frame.camera).features.update(
            frame.media_s, tracks.ids[people], boxes, embeddings, tracks.ended
        )

    def _advance(self, steps: Sequence[tuple[Frame, Round]]) -> None:
        rows: list[int] = []
        for frame, step in steps:
            people = self._camera(frame.camera).people
            for track in step.ids.tolist():
                if track not in people:
                    people[track] = _Person(self._states.claim(), hour_of(frame.captured_at, self._timezone))
                rows.append(people[track].row)
            if self._on_steps:
                self._on_steps(frame.camera, step.features)
        features = np.concatenate([step.features for _, step in steps])
        fresh: NDArray[np.bool_] = np.concatenate([step.fresh for _, step in steps])
        self._states.advance(np.array(rows, np.intp), features, fresh)

    def _end(self, camera: str, tracks: Sequence[int]) -> None:
        people = self._camera(camera).people
        for track in tracks:
            if (person := people.pop(track, None)) is None:
                continue
            peak = float(self._states.peaks[person.row])
            self._states.free(person.row)
            if not math.isnan(peak):
                self._on_life(Life(camera, "track", person.hour, peak, track))
