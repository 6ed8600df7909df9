"""Which model folder, opened and ready: before the first camera, because opening one holds up every thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamer.caches import cache_folder
from streamer.config import Config
from streamer.config.model import ModelConfig
from streamer.cores import usable_cores
from streamer.detect import OnnxDetector, load_detector
from streamer.detect.known import DetectorLanes
from streamer.detect.plan import Arrangement, Plan, arrangements
from streamer.detect.planning import call_seconds, measured, plan_file, remember, remembered
from streamer.detect.pool import DetectorPool
from streamer.errors import ConfigError
from streamer.service import Service
from streamer.telemetry.metrics import Metrics
from streamer.track import TrackerSettings
from streamer.zoo import bundled_model, find_model

_CLEARLY_FASTER = 1.3
"""Int8 is chosen where it saves a quarter of the time; where the processor lacks its instructions it is slower."""

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A detector on all lanes that it may use, warmed up, and what its calls cost. elsewhere: where it runs on other
    nodes, and this one only asks (assembly/apart.py)."""

    pool: DetectorLanes
    plan: Plan
    elsewhere: Elsewhere | None = None


ModelOf = Callable[[Config], OpenModel]
"""Opens the model of a configuration. Raises ArtifactError, ConfigError, InferenceError."""


class Elsewhere(Protocol):
    """A model on other nodes, for the house that asks them."""

    def serve(self, service: Service, metrics: Metrics, wants_features: Callable[[], bool]) -> None:
        """Know whom it is asked for, and where to count; before the first question."""
        ...

    def trouble(self) -> str | None:
        """Why nobody could be asked now, in a sentence; None where somebody can."""
        ...

    def close(self) -> None:
        """Nobody is asked any more."""
        ...


def model_here(config: Config) -> OpenModel:
    """The model on this machine, as everywhere but in a cluster whose capture nodes have none."""
    if config.inference.apart is not None:
        _log.warning("inference.apart is for clusters (streamer cluster run): here the model runs on this machine")
    return open_model(config.model, config.inference.max_batch)


def open_detector(model: ModelConfig, folder: Path | None = None) -> OnnxDetector:
    """The detector of a configuration on one lane, verified and warmed up; `folder` overrules it. Raises ArtifactError.

    Both may be the bare name of a bundled or pulled model.
    """
    threads = 1 if model.threads == "auto" else model.threads
    return _opened(model, folder_of(model, folder), threads, model.devices[0])


def open_model(model: ModelConfig, max_batch: int) -> OpenModel:
    """The detector of a configuration as the service uses it. Raises ArtifactError, ConfigError, InferenceError.

    How the cores are used best is measured when a model is opened on a machine for the first time.
    """
    folder = folder_of(model, None)
    if model.provider != "cpu":
        detectors = [_opened(model, folder, 1, device) for device in model.devices]
        plan = Plan(Arrangement(len(detectors), 1), call_seconds(detectors[0], max_batch), {})
        return OpenModel(DetectorPool(detectors), plan)

    def lanes(arrangement: Arrangement) -> list[OnnxDetector]:
        fit = [one] if arrangement.threads == tried[0].threads else []
        return fit + [_opened(model, folder, arrangement.threads, None) for _ in range(arrangement.lanes - len(fit))]

    tried = _tried(model)
    one = _opened(model, folder, tried[0].threads, None)
    path = plan_file(cache_folder("plans"), one, sum(each.lanes * each.threads for each in tried), max_batch)
    known = remembered(path)
    if known is not None and known.arrangement in tried:
        plan, opened = known, lanes(known.arrangement)
    else:
        plan, opened = measured(lanes, tried, max_batch)
        remember(path, plan)
    of = plan.arrangement
    said = f"calls at a time: {of.lanes}, threads of each: {of.threads}"
    _log.info("model %s: %s, %.0f pictures a second", one.model_name, said, plan.capacity)
    return OpenModel(DetectorPool(opened), plan)


def _tried(model: ModelConfig) -> tuple[Arrangement, ...]:
    cores = usable_cores()
    threads = cores if model.threads == "auto" else model.threads
    if model.lanes == "auto":
        return arrangements(threads)
    if model.lanes > threads:
        raise ConfigError([f"model.lanes: {model.lanes} calls at a time need as many cores; there are {threads}"])
    return (Arrangement(model.lanes, threads // model.lanes),)


def folder_of(model: ModelConfig, folder: Path | None) -> Path:
    """The folder that a configuration means; `folder` overrules it. Raises ArtifactError."""
    named = folder or model.path
    chosen = find_model(named, kind="detector") if named else bundled_model()
    return _faster(model, chosen) if model.precision == "fastest" else chosen


def _faster(model: ModelConfig, folder: Path) -> Path:
    """The folder, or that of the same net in int8 beside it, where its calls are clearly faster on this machine."""
    int8 = folder.with_name(f"{folder.name}-int8")
    if not int8.is_dir():
        _log.warning(
            "model.precision: fastest: there is no %s beside %s; it runs as it was exported", int8.name, folder
        )
        return folder
    seconds = {each: call_seconds(_opened(model, each, 1, None), 1)[1] for each in (folder, int8)}
    _log.info("model %s: %.1f ms a picture, in int8 %.1f", folder.name, seconds[folder] * 1e3, seconds[int8] * 1e3)
    return int8 if seconds[int8] * _CLEARLY_FASTER < seconds[folder] else folder


def _opened(model: ModelConfig, folder: Path, threads: int, device: int | str | None) -> OnnxDetector:
    detector = load_detector(
        folder,
        provider=model.provider,
        threads=threads,
        device=device,
        precision="as_exported" if model.precision == "fastest" else model.precision,
        least_score=TrackerSettings().low_score,
        trusted=model.keys,
    )
    detector.warm_up()
    return detector
