"""The temporal models of a configuration, opened and told what is normal at each camera."""

from __future__ import annotations

import logging

from streamer.behaviour.calibration_store import load_calibration
from streamer.behaviour.features import FEATURES
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.model import BehaviourHeads
from streamer.behaviour.normal import CameraNormal
from streamer.behaviour.scene_features import SCENE_FEATURES, SceneFeatures
from streamer.behaviour.step_session import StepSession, open_step
from streamer.behaviour.track_head import OnLife, OnSteps
from streamer.config import Config
from streamer.config.model import Anomaly, Behaviour, RuleConfig
from streamer.detect import OnnxDetector
from streamer.errors import ArtifactError, ConfigError
from streamer.zoo import find_model

_log = logging.getLogger("streamer.assembly")

FALSE_ALERTS_PER_DAY = 2.0
"""The budget by which p-values are made fine enough where no rule states one."""


def open_behaviour(config: Config, detector: OnnxDetector, everywhere: bool = False) -> BehaviourHeads | None:
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


def open_learners(config: Config, detector: OnnxDetector, on_life: OnLife, on_steps: OnSteps) -> BehaviourHeads:
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
    return open_step(load_head(find_model(config.behaviour.track, kind="track head")), FEATURES)


def _scene_session(config: Config, detector: OnnxDetector) -> StepSession | None:
    """None as well where the head learned from another detector's embeddings: it would see noise."""
    if not config.behaviour.scene:
        return None
    head = load_head(find_model(config.behaviour.scene, kind="scene head"))
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
    config: Config, track: StepSession | None, scene: StepSession | None, detector: OnnxDetector
) -> dict[str, CameraNormal]:
    normal = {}
    for name, camera in config.cameras.items():
        budgets = [rule.false_alerts_per_day for rule in camera.rules if isinstance(rule, Anomaly)]
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
                budget = min(budgets, default=FALSE_ALERTS_PER_DAY)
                normal[name] = CameraNormal(found, track.manifest.features, false_alerts_per_day=budget)
        except (ArtifactError, ConfigError) as error:
            _log.warning("camera '%s' is learning: %s", name, error, extra={"camera": name})
    return normal
