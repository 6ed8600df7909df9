"""Do the rules ask for what the model can see? Only both together can tell."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from streamer.config import CameraConfig, Config
from streamer.config.model import TrackRule
from streamer.errors import ConfigError
from streamer.stages import Detector


def check_labels(config: Config, detector: Detector, origin: str) -> None:
    """Raises ConfigError naming every label that the model does not know.

    A rule that was left with its default labels is taken as it is: a model without buses cannot miss one.
    """
    problems = []
    names = [label for label in detector.labels if label]  # '' is an id that never comes out
    for camera, settings in config.cameras.items():
        for where, label in _asked(settings):
            if label not in names:
                close = difflib.get_close_matches(label, names, n=1)
                known = f"did you mean '{close[0]}'?" if close else f"it knows {', '.join(names)}"
                problems.append(f"{origin}: cameras.{camera}.{where}.labels: the model has no '{label}'; {known}")
    if problems:
        raise ConfigError(problems)


def _asked(camera: CameraConfig) -> Iterator[tuple[str, str]]:
    """The key that asks, and the label that it asks for."""
    for rule in camera.rules:
        if isinstance(rule, TrackRule) and "labels" in rule.model_fields_set:
            yield from ((f"rules.{rule.name}", label) for label in rule.labels or ())
    if camera.detect.second_look:
        yield from (("detect.second_look", label) for label in camera.detect.second_look.labels)
