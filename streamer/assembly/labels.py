"""Do the rules ask for what the model can see? Only both together can tell."""

from __future__ import annotations

import difflib

from streamer.config import Config
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
        for rule in settings.rules:
            asked = rule.labels if isinstance(rule, TrackRule) and "labels" in rule.model_fields_set else None
            for label in asked or ():
                if label not in names:
                    close = difflib.get_close_matches(label, names, n=1)
                    known = f"did you mean '{close[0]}'?" if close else f"it knows {', '.join(names)}"
                    problems.append(
                        f"{origin}: cameras.{camera}.rules.{rule.name}.labels: the model has no '{label}'; {known}"
                    )
    if problems:
        raise ConfigError(problems)
