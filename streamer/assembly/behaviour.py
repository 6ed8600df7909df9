"""The temporal models of a configuration, opened and told what is normal at each camera."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamer.behaviour.calibration_store import load_calibration
from streamer.behaviour.features import FEATURES
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.model import BehaviourHeads
from streamer.behaviour.normal import CameraNormal
from streamer.behaviour.scene_features import SCENE_FEATURES, SceneFeatures
from streamer.behaviour.step_session import StepSession, open_step
from streamer.behaviour.track_head import OnLife, OnSteps
from streamer.config import CameraConfig, Config
from streamer.config.model import Anomaly, Behaviour, RuleConfig
from streamer.detect.known import KnownDetector
from streamer.errors import ArtifactError, ConfigError
from streamer.zoo import find_model

_log = logging.getLogger("streamer.assembly")

FALSE_ALERTS_PER_DAY = 2.0
"""The budget by which p-values are made fine enough where no rule states one."""


def open_behaviour(config: Config, detector: KnownDetector, everywhere: bool = False) -> BehaviourHeads | None:
    """The heads of a configuration, None where none is asked for; calibrated cameras have their normal.

    Each head looks only at the cameras whose rules need it, unless it shall look everywhere: one look at a whole
    picture costs as much as the detector's. A calibration that cannot be used leaves its camera learning, with a
    warning: it is no reason to watch nothing. Raises ArtifactError for a head that cannot be used.
    """
    cameras = frozenset(config.cameras)
    everywhere = everywhere or config.behaviour.everywhere
    track_cameras, scene_cameras = (cameras, cameras) if everywhere else _asked_for(config)
    track = _track_session(config) if track_cameras else None
    scene = _scene_session(config, detector) if scene_cameras else None
    if track is None and scene is None:
        return None
    return BehaviourHeads(
        track,
        scene,
        detector=detector.model_hash,
        timezone=config.zone_info(),
        make_picture_steps=SceneFeatures,
        normal=_normal(config, track, scene, detector),
        track_cameras=track_cameras,
        scene_cameras=scene_cameras,
    )


def open_learners(config: Config, detector: KnownDetector, on_life: OnLife, on_steps: OnSteps) -> BehaviourHeads:
    """The same heads for calibration: nothing is normal yet, and every ended track is told of.

    Raises ConfigError where the track head is switched off: there would be nothing to learn.
    """
    track = _track_session(config)
    if track is None:
        raise ConfigError(["behaviour.track is null: without a track head there is nothing to calibrate"])
    return BehaviourHeads(
        track,
        _scene_session(config, detector),
        detector=detector.model_hash,
        timezone=config.zone_info(),
        make_picture_steps=SceneFeatures,
        on_life=on_life,
        on_steps=on_steps,
    )


def check_behaviour(config: Config, origin: str) -> None:
    """Raises ConfigError naming every rule whose model is switched off."""
    problems = []
    for camera, settings in config.cameras.items():
        for rule in settings.rules:
            where = f"{origin}: cameras.{camera}.rules.{rule.name}"
            sees = (config.behaviour.track, config.behaviour.scene if _is_of_the_picture(rule) else None)
            if isinstance(rule, Behaviour | Anomaly) and not any(sees):
                problems.append(
                    f"{where}: {rule.kind} needs behaviour.track, which is null: name a head, or take it out"
                )
    if problems:
        raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one camera wants of the heads; budget: of false alerts a day, the least that one of its rules states."""

    tracks: bool
    scene: bool
    budget: float


def needs_of(camera: CameraConfig, config: Config) -> Needs:
    """What this camera's rules ask for."""
    everywhere = config.behaviour.everywhere
    return Needs(
        everywhere or any(isinstance(rule, Behaviour | Anomaly) for rule in camera.rules),
        everywhere or any(_is_of_the_picture(rule) for rule in camera.rules),
        min(_budgets(camera), default=FALSE_ALERTS_PER_DAY),
    )


class Behaving:
    """The heads of a running service; `model` is None as long as no camera has asked for one."""

    def __init__(self, config: Config, detector: KnownDetector) -> None:
        """Raises ArtifactError for a head that cannot be used."""
        self._config, self._detector = config, detector
        self._track: StepSession | None = None
        self._scene: StepSession | None = None
        self.model: BehaviourHeads | None = None
        self._needs: dict[str, Needs] = {}

    def open_for(self, config: Config) -> None:
        """Open what these cameras ask for and is not open yet. Raises ArtifactError; those that are open stay."""
        needs = [needs_of(camera, config) for camera in config.cameras.values()]
        if any(each.tracks for each in needs) and self._track is None:
            self._track = _track_session(config)
        if any(each.scene for each in needs) and self._scene is None:
            self._scene = _scene_session(config, self._detector)
        if self._track is None and self._scene is None:
            return
        if self.model is None:
            self.model = BehaviourHeads(
                None,
                detector=self._detector.model_hash,
                timezone=config.zone_info(),
                make_picture_steps=SceneFeatures,
                track_cameras=(),
                scene_cameras=(),
            )
        self.model.open_more(self._track, self._scene)

    def take(self, name: str, camera: CameraConfig) -> None:
        """From now on the heads look at this camera as its rules want; open_for() comes first."""
        needs = needs_of(camera, self._config)
        if self.model is not None and needs != self._needs.get(name):
            self._needs[name] = needs
            normal = _normal_of(name, camera, self._config, self._track, self._scene, self._detector)
            self.model.look_at(name, tracks=needs.tracks, scene=needs.scene, normal=normal)

    def forget(self, name: str) -> None:
        """The camera is gone."""
        self._needs.pop(name, None)
        if self.model is not None:
            self.model.look_at(name, tracks=False, scene=False, normal=None)


def _asked_for(config: Config) -> tuple[frozenset[str], frozenset[str]]:
    """The cameras whose rules need the track head, and the scene head."""
    rules = [(name, rule) for name, camera in config.cameras.items() for rule in camera.rules]
    tracks = {name for name, rule in rules if isinstance(rule, Behaviour | Anomaly)}
    scenes = {name for name, rule in rules if _is_of_the_picture(rule)}
    return frozenset(tracks), frozenset(scenes)


def _is_of_the_picture(rule: RuleConfig) -> bool:
    """Whether the scene head alone can make the rule hold; in a zone only tracks can."""
    return rule.kind == "behaviour.fighting" and rule.zone is None


def _track_session(config: Config) -> StepSession | None:
    if not config.behaviour.track:
        return None
    return open_step(load_head(find_model(config.behaviour.track, kind="track head"), config.model.keys), FEATURES)


def _scene_session(config: Config, detector: KnownDetector) -> StepSession | None:
    """None as well where the head learned from another detector's embeddings: it would see noise."""
    if not config.behaviour.scene:
        return None
    head = load_head(find_model(config.behaviour.scene, kind="scene head"), config.model.keys)
    if head.manifest.embedding_of and detector.model_hash not in head.manifest.embedding_of:
        asked_for = "scene" in config.behaviour.model_fields_set
        _log.log(
            logging.WARNING if asked_for else logging.INFO,
            "%s rests: it learned from the embeddings of another detector than %s; fights are seen by track only",
            head.manifest.name,
            detector.model_name,
        )
        return None
    return open_step(head, SCENE_FEATURES)


def _normal(
    config: Config, track: StepSession | None, scene: StepSession | None, detector: KnownDetector
) -> dict[str, CameraNormal]:
    found = {name: _normal_of(name, camera, config, track, scene, detector) for name, camera in config.cameras.items()}
    return {name: normal for name, normal in found.items() if normal is not None}


def _normal_of(
    name: str,
    camera: CameraConfig,
    config: Config,
    track: StepSession | None,
    scene: StepSession | None,
    detector: KnownDetector,
) -> CameraNormal | None:
    try:
        found = load_calibration(
            config.data_dir,
            name,
            head=track.manifest.sha256 if track else None,
            scene_head=scene.manifest.sha256 if scene else None,
            detector=detector.model_hash,
            timezone=config.timezone,
        )
        if found and track:
            budget = min(_budgets(camera), default=FALSE_ALERTS_PER_DAY)
            return CameraNormal(found, track.manifest.features, false_alerts_per_day=budget)
    except (ArtifactError, ConfigError) as error:
        _log.warning("camera '%s' is learning: %s", name, error, extra={"camera": name})
    return None


def _budgets(camera: CameraConfig) -> list[float]:
    return [rule.false_alerts_per_day for rule in camera.rules if isinstance(rule, Anomaly)]
