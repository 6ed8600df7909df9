"""The temporal models of the house: what each batch of frames says about the people in them and about the whole."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import tzinfo

import numpy as np

from streamer.behaviour.life import Life
from streamer.behaviour.normal import CameraNormal
from streamer.behaviour.scene_head import PictureSteps, SceneHead
from streamer.behaviour.step_session import StepSession
from streamer.behaviour.track_head import OnLife, OnSteps, TrackHead, TrackScores
from streamer.types import BehaviourScores, Detections, Frame, Tracks

_log = logging.getLogger("streamer.behaviour")


class BehaviourHeads:
    """A stages.BehaviourModel of a track head, a scene head, or both; each call waits for the one before it.

    detector   sha256 of the detector whose embeddings come along; a track head that was not trained on them does
               without, a scene head rests
    normal     camera → what is normal there; a camera without is learning: no anomaly, no tracks_per_day
    on_life    is told of every track and spell that has ended; on_steps of every step's features of tracks
    track_cameras, scene_cameras   at which cameras each head looks; None: at all

    track_hash, scene_hash: sha256 of the heads in use, None where none is.
    Memory is kept per camera, session and track. A new session, or time that runs backward, begins without any.
    """

    def __init__(
        self,
        track: StepSession | None,
        scene: StepSession | None = None,
        *,
        detector: str,
        timezone: tzinfo,
        make_picture_steps: Callable[[], PictureSteps] | None = None,
        normal: Mapping[str, CameraNormal] | None = None,
        on_life: OnLife | None = None,
        on_steps: OnSteps | None = None,
        track_cameras: Collection[str] | None = None,
        scene_cameras: Collection[str] | None = None,
    ) -> None:
        self._detector, self._timezone, self._make_picture_steps = detector, timezone, make_picture_steps
        self._on_life, self._on_steps = on_life, on_steps
        self._track_cameras, self._scene_cameras = track_cameras, scene_cameras
        self._one_at_a_time = threading.Lock()
        self._lost_before = self._refused_before = 0
        self._install(track, scene, normal or {})

    def score(self, seen: Sequence[tuple[Frame, Detections, Tracks]]) -> list[BehaviourScores]:
        """One for each frame, at most one frame of a camera. A frame that makes no step due repeats what was known."""
        with self._one_at_a_time:
            for frame, _, _ in seen:
                self._enter(frame)
            if self._track:
                self._track.look([each for each in seen if self._looks(self._track_cameras, each[0])])
            if self._scene:
                self._scene.look([each for each in seen if self._looks(self._scene_cameras, each[0])])
            return [self._score(frame, tracks) for frame, _, tracks in seen]

    def swap(
        self,
        track: StepSession | None,
        scene: StepSession | None = None,
        normal: Mapping[str, CameraNormal] | None = None,
    ) -> None:
        """Other heads from the next batch on. Every memory begins anew: states of one net mean nothing to another.

        What is normal must have been learned with the new heads; without it every camera is learning.
        """
        with self._one_at_a_time:
            self._lost_before, self._refused_before = self._lost_total(), self._refused_total()
            self._install(track, scene, normal or {})

    def open_more(self, track: StepSession | None = None, scene: StepSession | None = None) -> None:
        """Heads that there were none of, from the next batch on. Those that are there keep what they remember."""
        with self._one_at_a_time:
            if track and self._track is None:
                self._install_track(track)
            if scene and self._scene is None:
                self._install_scene(scene)

    def look_at(self, camera: str, *, tracks: bool, scene: bool, normal: CameraNormal | None) -> None:
        """Whether each head looks at this camera from the next batch on; what they remember of it is given up."""
        with self._one_at_a_time:
            self._drop(camera)
            self._track_cameras = _with(self._track_cameras, camera, tracks)
            self._scene_cameras = _with(self._scene_cameras, camera, scene)
            self._normal.pop(camera, None)
            if normal is not None:
                self._normal[camera] = normal

    def finish(self, camera: str) -> None:
        """No more frames of this camera will come: its tracks have ended."""
        with self._one_at_a_time:
            self._drop(camera)

    @property
    def lost(self) -> int:
        """Memories given up because something in them was not a number; only rises."""
        with self._one_at_a_time:
            return self._lost_total()

    @property
    def refused(self) -> int:
        """Sightings that made no sense and were passed over; only rises."""
        with self._one_at_a_time:
            return self._refused_total()

    @property
    def drift(self) -> dict[str, tuple[float, str | None]]:
        """Camera → how much speaks for a change since its calibration, 0 to 1, and the sentence that is told at 1."""
        with self._one_at_a_time:
            return {camera: (normal.drift.level, normal.drift.text) for camera, normal in self._normal.items()}

    def _install(
        self, track: StepSession | None, scene: StepSession | None, normal: Mapping[str, CameraNormal]
    ) -> None:
        self.track_hash: str | None = None
        self.scene_hash: str | None = None
        self._sessions: dict[str, tuple[str, float]] = {}
        self._normal: dict[str, CameraNormal] = dict(normal)
        self._track: TrackHead | None = None
        self._scene: SceneHead | None = None
        if track:
            self._install_track(track)
        if scene:
            self._install_scene(scene)

    def _install_track(self, track: StepSession) -> None:
        self.track_hash = track.manifest.sha256
        embeds = self._detector in track.manifest.embedding_of
        self._track = TrackHead(
            track, embeds=embeds, timezone=self._timezone, on_life=self._ended, on_steps=self._on_steps
        )

    def _install_scene(self, scene: StepSession) -> None:
        if self._make_picture_steps is None:
            raise ValueError("a scene head needs make_picture_steps: the features that it looks at")
        embeds = self._detector in scene.manifest.embedding_of
        if scene.manifest.embedding_of and not embeds:
            _log.warning(
                "scene head '%s' rests: it learned from the embeddings of another detector", scene.manifest.name
            )
            return
        self.scene_hash = scene.manifest.sha256
        self._scene = SceneHead(
            scene, self._make_picture_steps, embeds=embeds, timezone=self._timezone, on_life=self._ended
        )

    def _enter(self, frame: Frame) -> None:
        session, last_s = self._sessions.get(frame.camera, (frame.session, -math.inf))
        if session != frame.session or frame.media_s < last_s:
            self._drop(frame.camera)
        self._sessions[frame.camera] = (frame.session, frame.media_s)

    def _drop(self, camera: str) -> None:
        for head in (self._track, self._scene):
            if head:
                head.drop(camera)
        self._sessions.pop(camera, None)

    def _score(self, frame: Frame, tracks: Tracks) -> BehaviourScores:
        normal = self._normal.get(frame.camera)
        track = self._track if self._looks(self._track_cameras, frame) else None
        scene = self._scene if self._looks(self._scene_cameras, frame) else None
        of_tracks = track.scores(frame, tracks, normal) if track else _no_scores(len(tracks))
        return BehaviourScores(
            labels=track.labels if track else (),
            probs=of_tracks.probs,
            anomaly=of_tracks.anomaly,
            attention=of_tracks.attention,
            step_s=track.step_s if track else 0.0,
            unusual=of_tracks.unusual,
            tracks_per_day=normal.tracks.tracks_per_day if normal and normal.tracks else None,
            scene=scene.score(frame, normal) if scene else None,
            drift=normal.drift.text if normal else None,
        )

    @staticmethod
    def _looks(cameras: Collection[str] | None, frame: Frame) -> bool:
        return cameras is None or frame.camera in cameras

    def _ended(self, life: Life) -> None:
        if (normal := self._normal.get(life.camera)) is not None:
            normal.take(life)
        if self._on_life:
            self._on_life(life)

    def _lost_total(self) -> int:
        return self._lost_before + sum(head.lost for head in (self._track, self._scene) if head)

    def _refused_total(self) -> int:
        return self._refused_before + (self._track.refused if self._track else 0)


def _with(cameras: Collection[str] | None, camera: str, looks: bool) -> Collection[str] | None:
    """None: all, whatever one of them wants."""
    if cameras is None:
        return None
    return frozenset(cameras) | {camera} if looks else frozenset(cameras) - {camera}


def _no_scores(m: int) -> TrackScores:
    return TrackScores(
        np.zeros((m, 0), np.float32), np.full(m, np.nan, np.float32), np.zeros((m, 0), np.float32), ((),) * m
    )
