"""Which model folder, opened and ready: before the first camera, because opening one holds up every thread."""

from __future__ import annotations

from pathlib import Path

from streamer.config.model import ModelConfig
from streamer.detect import OnnxDetector, load_detector
from streamer.zoo import bundled_model


def open_detector(model: ModelConfig, folder: Path | None = None) -> OnnxDetector:
    """The detector of a configuration (`folder` overrules it), verified and warmed up. Raises ArtifactError."""
    chosen = folder or model.path or bundled_model()
    detector = load_detector(chosen, provider=model.provider, threads=model.threads)
    detector.warm_up()
    return detector
