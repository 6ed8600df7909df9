"""What a model folder is for: told from its manifest, before anything in there is held to what it promises.

So that a head that is named where a detector is wanted is met with one sentence, and not with every key that a
detector's manifest has and a head's has not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from streamer.errors import ArtifactError

MANIFEST_FILE = "manifest.json"

ModelKind = Literal["detector", "track head", "scene head", "classifier"]
HEADS: tuple[ModelKind, ...] = ("track head", "scene head")

_HEAD_SCHEMA = "streamer.head/"
_CLASSIFIER_SCHEMA = "streamer.classifier/"
_HEAD_OF_TASK: dict[str, ModelKind] = {"track": "track head", "scene": "scene head"}
_NAMED_UNDER: dict[ModelKind, str] = {
    "detector": "model.path",
    "track head": "behaviour.track",
    "scene head": "behaviour.scene",
    "classifier": "detect.second_look.model of a camera",
}


def kind_of(folder: Path) -> ModelKind | None:
    """What the folder says that it is, of whatever version; None where it says nothing that can be read."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict):
        return None
    if str(manifest.get("schema")).startswith(_CLASSIFIER_SCHEMA):
        return "classifier"
    if not str(manifest.get("schema")).startswith(_HEAD_SCHEMA):
        return "detector"
    return _HEAD_OF_TASK.get(str(manifest.get("task")))


def refuse_other_kinds(folder: Path, *wanted: ModelKind) -> None:
    """Raises ArtifactError where the folder is of another kind; one that says nothing is left to whoever loads it."""
    kind = kind_of(folder)
    if kind is not None and kind not in wanted:
        raise ArtifactError(
            f"{folder.absolute().name} is a {kind}, not a {' or '.join(wanted)}: name it under {_NAMED_UNDER[kind]}"
        )
