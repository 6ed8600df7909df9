"""Folders of classifiers: `model.onnx` beside a `manifest.json`; load, refuse, write.

A manifest of schema "streamer.classifier/1", key by key (unknown keys are refused):

    schema      "streamer.classifier/1"
    name        letters, digits, '.', '_', '-'
    sha256      of model.onnx, lower-case hex
    labels      what the columns of the output stand for; "" for one that says: nothing of this kind
    input       the one tensor that crops go into, as in a detector's manifest (streamer/artifacts.py); batch "any" or 1
    output      name of the float32 tensor (batch, labels): probabilities that sum to 1, or logits
    gives       "probabilities" or "logits"
    margin      share of a box's size that is cut out with it on every side
    opset       of the graph, default domain
    licence, provenance, parity, metrics    for people and for the model card
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, JsonValue, ValidationError, model_validator

from streamer.artifacts import GRAPH_FILE, InputSpec, ManifestPart, compare_hash, problem_of, sha256_of, write_artifact
from streamer.errors import ArtifactError
from streamer.model_kinds import MANIFEST_FILE, refuse_other_kinds


class ClassifierManifest(ManifestPart):
    """What the folder of a classifier promises; see the module's docstring for every key."""

    format: Literal["streamer.classifier/1"] = Field(default="streamer.classifier/1", alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    input: InputSpec
    output: Annotated[str, Field(min_length=1)]
    gives: Literal["probabilities", "logits"]
    margin: Annotated[float, Field(ge=0, le=2)] = 0.1
    opset: Annotated[int, Field(ge=1)]
    licence: str
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
    parity: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _parts_agree(self) -> ClassifierManifest:
        named = [label for label in self.labels if label]
        if not named:
            raise ValueError("labels: at least one needs a name")
        if twice := sorted({label for label in named if named.count(label) > 1}):
            raise ValueError(f"labels: each name may come once; found twice: {', '.join(twice)}")
        if self.input.batch == "none":
            raise ValueError("input.batch: a classifier takes 'any' number of crops or 1; found 'none'")
        return self

    def to_json(self) -> str:
        """The text of manifest.json."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


@dataclass(frozen=True, slots=True)
class ClassifierArtifact:
    """A classifier's folder whose files are there, whose manifest makes sense and whose hash is right."""

    folder: Path
    manifest: ClassifierManifest

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
        return graph


def load_classifier(folder: Path) -> ClassifierArtifact:
    """The classifier's folder, checked: files, JSON, schema, sha256. Raises ArtifactError, saying what and where."""
    refuse_other_kinds(folder, "classifier")
    missing = [name for name in (MANIFEST_FILE, GRAPH_FILE) if not (folder / name).is_file()]
    if missing:
        there = "a folder without" if folder.is_dir() else "no folder with"
        raise ArtifactError(
            f"{folder}: expected a classifier, {MANIFEST_FILE} and {GRAPH_FILE}; found {there} {' and '.join(missing)}"
        )
    manifest = read_classifier_manifest(folder / MANIFEST_FILE)
    compare_hash(folder / GRAPH_FILE, manifest.sha256, sha256_of(folder / GRAPH_FILE))
    return ClassifierArtifact(folder, manifest)


def read_classifier_manifest(path: Path) -> ClassifierManifest:
    """The manifest alone, without its graph. Raises ArtifactError that names every key that is wrong."""
    try:
        return ClassifierManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        problems = "\n  ".join(problem_of(dict(each)) for each in error.errors(include_url=False))
        raise ArtifactError(f"{path}: not a classifier that this version can use:\n  {problems}") from error


def write_classifier(manifest: ClassifierManifest, graph: bytes, folder: Path) -> ClassifierArtifact:
    """Write a new classifier's folder, whole or not at all. Raises ArtifactError where it exists already."""
    write_artifact(cast(Any, manifest), graph, folder)  # it asks of a manifest its sha256 and its text
    return ClassifierArtifact(folder, manifest)
