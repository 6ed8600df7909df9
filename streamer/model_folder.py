"""Model folders of every kind: a graph beside a manifest that says everything about it; load, verify, refuse, write.

What a manifest promises differs by kind: artifacts.py (detectors), behaviour/head_artifact.py,
detect/classifier_artifact.py. That its files are there, that its keys make sense, that the graph is the one that was
hashed, does not.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from streamer.errors import ArtifactError
from streamer.model_kinds import MANIFEST_FILE, ModelKind, refuse_other_kinds
from streamer.model_signature import PublicKey, refuse_unsigned
from streamer.onnx_opset import refuse_weights_elsewhere

GRAPH_FILE = "model.onnx"


class ManifestPart(BaseModel):
    """Unknown keys are refused, values are not guessed, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Promises(Protocol):
    """What every manifest has."""

    @property
    def sha256(self) -> str:
        """Of the graph, lower-case hex."""
        ...

    def to_json(self) -> str:
        """The text of manifest.json."""
        ...


M = TypeVar("M", bound=Promises)
P = TypeVar("P", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ModelFolder(Generic[M]):
    """A model folder whose files are there, whose manifest makes sense and whose hash is right."""

    folder: Path
    manifest: M

    @property
    def graph_path(self) -> Path:
        """Where model.onnx lies."""
        return self.folder / GRAPH_FILE

    def read_graph(self) -> bytes:
        """The graph's bytes, verified: what is run is what was hashed. Raises ArtifactError."""
        try:
            graph = self.graph_path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"{self.graph_path}: cannot be read: {error.strerror or error}") from error
        compare_hash(self.graph_path, self.manifest.sha256, hashlib.sha256(graph).hexdigest())
        refuse_weights_elsewhere(graph, str(self.graph_path))
        return graph


def load_folder(
    folder: Path,
    parse: Callable[[Path, bytes], M],
    kinds: tuple[ModelKind, ...],
    missing: Callable[[list[str]], str],
    trusted: Sequence[PublicKey] = (),
) -> ModelFolder[M]:
    """The folder, checked: its kind, its files, who signed it, its manifest as `parse` takes it, its sha256.

    missing: the names of files that are not there → the sentence that says so. trusted: one of these must have signed
    the manifest; with none, nobody need have. Raises ArtifactError, ConfigError where what verifies is not installed.
    """
    refuse_other_kinds(folder, *kinds)
    if gone := [name for name in (MANIFEST_FILE, GRAPH_FILE) if not (folder / name).is_file()]:
        raise ArtifactError(missing(gone))
    content = content_of(folder / MANIFEST_FILE)
    if trusted:  # of the very bytes that are believed below
        refuse_unsigned(folder, content, trusted)
    manifest = parse(folder / MANIFEST_FILE, content)
    compare_hash(folder / GRAPH_FILE, manifest.sha256, sha256_of(folder / GRAPH_FILE))
    return ModelFolder(folder, manifest)


def incomplete(folder: Path, what: str, gone: list[str]) -> str:
    """The sentence for a folder that should be `what` and lacks files."""
    there = "a folder without" if folder.is_dir() else "no folder with"
    return f"{folder}: expected {what}, {MANIFEST_FILE} and {GRAPH_FILE}; found {there} {' and '.join(gone)}"


def content_of(path: Path) -> bytes:
    """The bytes of a manifest. Raises ArtifactError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse_manifest(path: Path, content: bytes, model: type[P], what: str) -> P:
    """The manifest in these bytes of path. what: "a head", say. Raises ArtifactError that names each wrong key."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        problems = "\n  ".join(problem_of(dict(each)) for each in error.errors(include_url=False))
        raise ArtifactError(f"{path}: not {what} that this version can use:\n  {problems}") from error


def write_model_folder(
    manifest: M, graph: bytes, folder: Path, prove: Callable[[ModelFolder[M]], None] | None = None
) -> ModelFolder[M]:
    """Write a new model folder, whole or not at all; the manifest's sha256 must be the graph's.

    prove is called with the complete folder before it gets its name: what it raises leaves nothing behind.
    Raises ArtifactError where the folder exists already: a model that someone runs is never replaced under them.
    """
    compare_hash(folder / GRAPH_FILE, manifest.sha256, hashlib.sha256(graph).hexdigest())
    if folder.exists():
        raise ArtifactError(f"{folder}: exists already and is not overwritten; name another folder or remove it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, so that the last step is one rename within one file system.
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            building.chmod(0o755)
            (building / GRAPH_FILE).write_bytes(graph)
            (building / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
            if prove:
                prove(ModelFolder(building, manifest))
            os.rename(building, folder)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return ModelFolder(folder, manifest)


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file. Raises ArtifactError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def compare_hash(path: Path, expected: str, found: str) -> None:
    """Raises ArtifactError where they differ."""
    if found != expected:
        raise ArtifactError(
            f"{path}: sha256 mismatch: the manifest expects {expected}, the file has {found}. "
            "The file is damaged or was replaced: fetch or export the folder again."
        )


def problem_of(error: dict[str, object]) -> str:
    """One line for one wrong key: where, what is expected, what was found."""
    loc = error["loc"]
    assert isinstance(loc, tuple)
    where = ".".join(str(step) for step in loc) or "manifest"
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key (schema version 1 has no such key)"
    if error["type"] in ("missing", "json_invalid", "value_error"):
        return f"{where}: {said[:1].lower()}{said[1:]}"
    found = error["input"]
    shown = f"{found!r}" if not isinstance(found, float) or math.isfinite(found) else str(found)
    return f"{where}: {said[:1].lower()}{said[1:]}; found {shown if len(shown) <= 80 else shown[:77] + '…'}"
