"""From a catalogue entry to a model folder that the service runs: fetched, proved, adopted, and only then named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue
from rich.filesize import decimal

from streamer.artifacts import Artifact, load_artifact
from streamer.catalogue import Address, Download, Entry, Partial, Patience, PlaceUnusable, Watcher
from streamer.detect.adopt import Wishes, adopt
from streamer.detect.coco import COCO_80
from streamer.errors import ArtifactError
from streamer.model_folder import sha256_of
from streamer.model_kinds import kind_of

_WAY_OUT = "Remove it first, or pull into another place with --to."


def already_here(entry: Entry, to: Path) -> Artifact | None:
    """The whole and right model under that name, None where there is nothing.

    Raises ArtifactError where something else lies there: it is not overwritten.
    """
    folder = to / entry.name
    if not os.path.lexists(folder):
        return None
    kept = f"{folder}: exists already and is not overwritten"
    try:
        artifact = load_artifact(folder)
    except ArtifactError as error:
        why = f"it is no model that can be used (`streamer models verify {folder}` says why)"
        if (kind := kind_of(folder)) not in ("detector", None):
            why = f"it is a {kind}, not a detector"
        raise ArtifactError(f"{kept}: {why}. {_WAY_OUT}") from error
    if artifact.manifest.sha256 != entry.sha256:
        raise ArtifactError(
            f"{kept}: it holds another model than the catalogue's '{entry.name}': sha256 {artifact.manifest.sha256}, "
            f"expected {entry.sha256}. {_WAY_OUT}"
        )
    return artifact


def pull_from_address(
    entry: Entry, to: Path, address: Address, watcher: Watcher, patience: Patience | None = None
) -> Artifact:
    """Fetch the entry's file and make the model folder to/NAME of it.

    What has come lies in to/.NAME-HASH.part and is gone on from by the next pull, whichever address that one uses;
    a file with a wrong hash is deleted. Raises DownloadFailed and PlaceUnusable; ArtifactError where the file is not
    the promised one, is no model of the entry's layout, or the folder exists; ConfigError where ONNX Runtime is not
    installed.
    """
    with Partial(to / f".{entry.name}-{entry.sha256[:12]}.part") as partial:
        _refuse_if_there(to / entry.name)  # another pull may have finished while this one came to the lock
        _refuse_if_full(entry, to, 2 * entry.size_bytes - partial.size)  # the folder gets a copy of its own
        Download(address, partial, entry.size_bytes, watcher, patience).run()
        found = partial.sha256()
        if found != entry.sha256:
            partial.delete()
            raise ArtifactError(_mismatch(entry, address.shown, found) + " What came was deleted; nothing was written.")
        artifact = _adopt(entry, partial.path, to, address.shown)
        partial.delete()
    return artifact


def pull_from_file(entry: Entry, to: Path, file: Path) -> Artifact:
    """Make the model folder to/NAME of a copy of the entry's file. Raises as pull_from_address; the copy is kept."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise ArtifactError(
            f"{file}: cannot be read: {error.strerror or error}; name a copy of {entry.file_name}, or an address"
        ) from error
    if file.is_dir():
        raise ArtifactError(f"{file}: is a folder; name the copy of {entry.file_name} itself")
    if size != entry.size_bytes:
        raise ArtifactError(
            f"{file}: is not the file of '{entry.name}': it has {size} bytes, expected {entry.size_bytes}. "
            f"`streamer models adopt {file} --layout {entry.layout} --out DIR` takes any file of the family."
        )
    _refuse_if_full(entry, to, entry.size_bytes)
    found = sha256_of(file)
    if found != entry.sha256:
        raise ArtifactError(_mismatch(entry, str(file), found) + " Nothing was written.")
    return _adopt(entry, file, to, f"a copy, {file.name}")


def _adopt(entry: Entry, file: Path, to: Path, origin: str) -> Artifact:
    """The verified file as to/NAME, whole or not at all, with its story in the manifest."""
    story: Mapping[str, JsonValue] = {
        "catalogue": entry.name,
        "adopted_from": entry.file_name,
        "address": entry.address,
        **({"fetched_from": origin} if origin != entry.address else {}),
        "licence_address": entry.licence_address,
    }
    wishes = Wishes(
        labels=COCO_80,
        name=entry.name,
        licence=entry.licence,
        size=entry.size,
        sha256=entry.sha256,  # again: it may have been replaced since it was looked at
        provenance=story,
    )
    return adopt(file, entry.layout, to / entry.name, wishes)


def _refuse_if_there(folder: Path) -> None:
    if os.path.lexists(folder):
        raise ArtifactError(f"{folder}: exists already and is not overwritten. {_WAY_OUT}")


def _refuse_if_full(entry: Entry, to: Path, needed: int) -> None:
    """So many bytes must be free where `to` is, or will be."""
    free = shutil.disk_usage(next(place for place in (to, *to.parents) if os.path.exists(place))).free
    if free < needed:
        raise PlaceUnusable(
            f"{to}: '{entry.name}' needs {decimal(needed)} there while it is pulled, and {decimal(free)} are free; "
            "make room, or choose another place with --to"
        )


def _mismatch(entry: Entry, origin: str, found: str) -> str:
    return (
        f"{origin}: is not the published file of '{entry.name}': the catalogue expects sha256 {entry.sha256}, "
        f"the file has {found}."
    )
