"""Where models are: those that come with the project, those that a person pulled, and any folder by its path."""

from __future__ import annotations

import importlib.util
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from streamer.errors import ArtifactError
from streamer.model_kinds import ModelKind, kind_of, refuse_other_kinds

BUNDLED = "lookout"
MODELS_VARIABLE = "STREAMER_MODELS"


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


def pulled_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder that holds one folder per pulled model; it may not be there yet.

    $STREAMER_MODELS, else streamer/models in the user's data folder (XDG Base Directory Specification 0.8, which has
    relative paths in $XDG_DATA_HOME ignored). Raises ArtifactError where the user has no home folder.
    """
    env = os.environ if environment is None else environment
    if chosen := env.get(MODELS_VARIABLE):
        return Path(chosen).expanduser()
    data = Path(env.get("XDG_DATA_HOME") or "")
    if data.is_absolute():
        return data / "streamer" / "models"
    try:
        home = env.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    except KeyError as error:  # a container under a made-up user
        raise ArtifactError(
            f"user {os.getuid()} has no home folder: say in ${MODELS_VARIABLE} where pulled models lie"
        ) from error
    return Path(home) / ".local" / "share" / "streamer" / "models"


def models_here(environment: Mapping[str, str] | None = None, *, kind: ModelKind | None = None) -> list[Path]:
    """The folders of bundled models, then those of pulled ones; with kind, only those that say that they are of it."""
    folders = [folder for place in _places(environment) for folder in _folders(place)]
    return [folder for folder in folders if kind is None or kind_of(folder) == kind]


def find_model(wanted: Path, environment: Mapping[str, str] | None = None, *, kind: ModelKind | None = None) -> Path:
    """The model folder that a person means by a path or by the bare name of a bundled or pulled model.

    What is there under that path comes first, so that a name never hides a folder; then bundled, then pulled models.
    A path that is more than a name is given back as it is, there or not: load_artifact says what is wrong with it.
    Raises ArtifactError for a name that nothing has, and where kind is given and the model is of another one.
    """
    found = _found(wanted, environment)
    if not found:
        here = sorted({each.name for each in models_here(environment, kind=kind)})
        raise ArtifactError(
            f"{wanted}: there is no such folder, and no {kind or 'model'} of that name is bundled or pulled "
            f"(there are: {', '.join(here) or 'none'}). `streamer models list` shows those and what can be pulled."
        )
    if kind:
        refuse_other_kinds(found, kind)
    return found


def _found(wanted: Path, environment: Mapping[str, str] | None) -> Path | None:
    if wanted.exists() or str(wanted) != wanted.name or wanted.name.startswith("."):
        return wanted
    named = (place / wanted for place in _places(environment))
    return next((folder for folder in named if folder.is_dir()), None)


def _places(environment: Mapping[str, str] | None) -> list[Path]:
    try:
        bundled = [zoo_folder()]
    except ArtifactError:  # a service that names its own models needs none of ours
        bundled = []
    return [*bundled, pulled_folder(environment)]


def _folders(place: Path) -> list[Path]:
    try:
        return [each for each in place.iterdir() if each.is_dir() and not each.name.startswith(".")]
    except OSError:  # not there, or not ours to read: nothing to offer from it
        return []
