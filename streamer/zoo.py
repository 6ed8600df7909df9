"""Where the models are that come with the project."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from streamer.errors import ArtifactError

BUNDLED = "drawn-street"


def zoo_folder() -> Path:
    """The folder that holds one folder per bundled model.

    It belongs to the `models` package, which needs torch: found without importing it. Raises ArtifactError.
    """
    spec = importlib.util.find_spec("models")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "zoo"
        if folder.is_dir():
            return folder
    raise ArtifactError(
        "the bundled models are not installed (no folder models/zoo); name a model folder with --model or model.path"
    )


def bundled_model() -> Path:
    """The detector that is used when none is named."""
    return zoo_folder() / BUNDLED
