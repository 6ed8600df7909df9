"""Which model a person means on the command line: a folder, a model that is here, or one that the catalogue has."""

from __future__ import annotations

from pathlib import Path

from streamer.catalogue import Entry, read_catalogue
from streamer.errors import ArtifactError
from streamer.zoo import find_model


def folder_of(wanted: Path) -> Path:
    """The folder of a model that is here. Raises ArtifactError, for one that only the catalogue has too."""
    found = folder_or_entry(wanted)
    if isinstance(found, Entry):
        raise ArtifactError(f"{found.name}: is in the catalogue, but not here: streamer models pull {found.name}")
    return found


def folder_or_entry(wanted: Path) -> Path | Entry:
    """The model's folder, or the catalogue's entry where it has not been pulled. Raises ArtifactError for neither."""
    try:
        return find_model(wanted)
    except ArtifactError:
        if entry := read_catalogue().get(str(wanted)):
            return entry
        raise
