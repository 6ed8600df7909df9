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

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from streamer.artifacts import InputSpec
from streamer.model_folder import ManifestPart, ModelFolder, content_of, incomplete, load_folder, parse_manifest
from streamer.model_signature import PublicKey


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


ClassifierArtifact = ModelFolder[ClassifierManifest]
"""A classifier's folder whose files are there, whose manifest makes sense and whose hash is right."""


def load_classifier(folder: Path, trusted: Sequence[PublicKey] = ()) -> ClassifierArtifact:
    """The classifier's folder, checked: files, signature where there are trusted keys, JSON, schema, sha256.

    Raises ArtifactError, saying what and where.
    """
    return load_folder(folder, _parsed, ("classifier",), lambda gone: incomplete(folder, "a classifier", gone), trusted)


def read_classifier_manifest(path: Path) -> ClassifierManifest:
    """The manifest alone, without its graph. Raises ArtifactError that names every key that is wrong."""
    return _parsed(path, content_of(path))


def _parsed(path: Path, content: bytes) -> ClassifierManifest:
    return parse_manifest(path, content, ClassifierManifest, "a classifier")
