"""Which model folder, opened and ready: before the first camera, because opening one holds up every thread."""

from __future__ import annotations

from pathlib import Path

from streamer.config.model import ModelConfig
from streamer.detect import OnnxDetector, load_detector
from streamer.zoo import bundled_model, find_model


def open_detector(model: ModelConfig, folder: Path | None = None) -> OnnxDetector:
    """The detector of a configuration, verified and warmed up; `folder` overrules it. Raises ArtifactError.

    Both may be the bare name of a bundled or pulled model.
    """
    named = folder or model.path
    chosen = find_model(named, kind="detector") if named else bundled_model()
    detector = load_detector(chosen, provider=model.provider, threads=model.threads)
    detector.warm_up()
    return detector
