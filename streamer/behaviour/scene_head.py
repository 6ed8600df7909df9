"""The head that looks at the whole picture: all cameras in one run per grid step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import zip_longest
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.conformal import Hour
from streamer.behaviour.head_artifact import FIGHT
from streamer.behaviour.life import Life, hour_of
from streamer.behaviour.normal import CameraNormal
from streamer.behaviour.step_session import StepSession
from streamer.behaviour.step_states import Floats, StepStates
from streamer.behaviour.unusual import Unusual
from streamer.types import Detections, Frame, SceneScores, Tracks

SPELL_S = 10.0
"""A picture has no tracks: spells of this length are what is compared with normal ones."""

SceneSteps = Sequence[tuple[float, Floats]]


class PictureSteps(Protocol):
    """Features of the whole picture of one camera session on the grid: scene_features.SceneFeatures."""

    def update(self, at_s: float, image: NDArray[np.uint8], embedding: Floats | None) -> SceneSteps:
        """The steps that have become due: (media time, float32 (F,)), oldest first."""
        ...


@dataclass(slots=True, eq=False)
class _Camera:
    """The camera's row, and the spell that goes on: in which hour and when it began, its highest smoothed surprise."""

    row: int
    steps: PictureSteps
    hour: Hour
    began_s: float
    peak: float = math.nan
    last_step_s: float = -math.inf


class SceneHead:
    """Memory of the pictures of all cameras. Not for several threads at once. Arguments as of TrackHead."""

    def __init__(
        self,
        session: StepSession,
        make_steps: Callable[[], PictureSteps],
        *,
        embeds: bool,
        timezone: tzinfo,
        on_life: Callable[[Life], None],
    ) -> None:
        self.step_s = session.manifest.step_s
        self._states, self._make_steps = StepStates(session), make_steps
        self._embeds, self._timezone, self._on_life = embeds, timezone, on_life
        self._fight = session.manifest.labels.index(FIGHT)
        # Words are told beside what was normal in training: what is usual here is kept for surprise alone.
        self._unusual = Unusual(session.manifest.features, session.manifest.usual, here=False)
        self._cameras: dict[str, _Camera] = {}

    @property
    def lost(self) -> int:
        """Memories given up because something in them was not a number."""
        return self._states.lost

    def look(self, seen: Sequence[tuple[Frame, Detections, Tracks]]) -> None:
        """Take in one frame each of different cameras. Raises InferenceError."""
        due = [self._steps(frame, detections) for frame, detections, _ in seen]
        for steps in zip_longest(*due):
            stepping = [
                (frame, self._cameras[frame.camera], *step)
                for (frame, _, _), step in zip(seen, steps, strict=True)
                if step is not None
            ]
            if stepping:
                rows = np.array([camera.row for _, camera, _, _ in stepping], np.intp)
                # Steps follow each other on the grid; where they do not, the features' own past was cut there.
                after_s = np.array([at_s - camera.last_step_s for _, camera, at_s, _ in stepping])
                fresh: NDArray[np.bool_] = after_s > 1.5 * self.step_s
                self._states.advance(rows, np.stack([features for *_, features in stepping]), fresh)
                for frame, camera, at_s, _ in stepping:
                    self._live_on(frame, camera, at_s)

    def score(self, frame: Frame, normal: CameraNormal | None) -> SceneScores:
        """How the camera's picture behaves; NaN where that is not known yet."""
        row = self._cameras[frame.camera].row
        anomaly = math.nan
        if normal and normal.scene:
            hour = hour_of(frame.captured_at, self._timezone)
            hours = np.array([-1 if hour is None else hour])
            anomaly = 1.0 - float(normal.scene.p_values(self._states.smoothed[[row]], hours)[0])
        states = self._states
        return SceneScores(
            fight=float(states.probs[row, self._fight]),
            anomaly=anomaly,
            attention=states.attention[row].copy(),
            step_s=self.step_s,
            unusual=self._unusual.words(states.features[[row]])[0],
        )

    def drop(self, camera: str) -> None:
        """The camera's session is over. A spell that it cut short is no whole one, and is not told of."""
        if (gone := self._cameras.pop(camera, None)) is not None:
            self._states.free(gone.row)

    def _steps(self, frame: Frame, detections: Detections) -> SceneSteps:
        camera = self._cameras.get(frame.camera)
        if camera is None:
            hour = hour_of(frame.captured_at, self._timezone)
            camera = _Camera(self._states.claim(), self._make_steps(), hour, frame.media_s)
            self._cameras[frame.camera] = camera
        features = detections.features if self._embeds else None
        return camera.steps.update(frame.media_s, frame.image, None if features is None else features.embedding)

    def _live_on(self, frame: Frame, camera: _Camera, at_s: float) -> None:
        camera.last_step_s = at_s
        if at_s - camera.began_s >= SPELL_S:
            if not math.isnan(camera.peak):
                self._on_life(Life(frame.camera, "scene", camera.hour, camera.peak))
            camera.peak, camera.began_s = math.nan, at_s
            camera.hour = hour_of(frame.captured_at, self._timezone)
        camera.peak = float(np.fmax(camera.peak, self._states.smoothed[camera.row]))
