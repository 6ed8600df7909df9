"""Folders of behaviour heads: `model.onnx`, one step of a recurrent net, beside a `manifest.json`; load, refuse, write.

A manifest of schema "streamer.head/1", key by key (unknown keys are refused):

    schema           "streamer.head/1"
    name             letters, digits, '.', '_', '-'
    task             "track" (one row per track) or "scene" (one row per camera)
    sha256           of model.onnx, lower-case hex
    step_s           seconds between two steps
    features         names of the columns of the input `features`
    predicted        the leading ones of them, whose next values the net foretells
    labels           what the columns of `probs` stand for; a scene head has "fight" among them
    state_width      columns of the input `state`; zeros are a fresh one
    attention_steps  how many steps back the attention reaches, the newest last
    embedding_of     sha256 of the detectors whose embeddings it was trained on; with others it gets none
    usual            {feature: [1 %, 50 %, 99 %]} of normal training steps, for words while a camera has none of its own
    opset            of the graph, default domain
    licence, provenance, parity, metrics    for people and for the model card

What the graph takes and gives follows from these: see graph_inputs and graph_outputs. streamer.behaviour.step_session
opens the graph and holds it to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from streamer.artifacts import Axis
from streamer.errors import ArtifactError
from streamer.model_folder import ManifestPart, ModelFolder, content_of, incomplete, load_folder, parse_manifest
from streamer.model_kinds import HEADS
from streamer.model_signature import PublicKey

Task = Literal["track", "scene"]
Names = tuple[Annotated[str, Field(min_length=1)], ...]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Shapes = dict[str, tuple[Axis, ...]]

FIGHT = "fight"
_TRACK_EXTRAS = {"movement": 4, "context": 4}


class HeadManifest(ManifestPart):
    """What the folder of a behaviour head promises; see the module's docstring for every key."""

    format: Literal["streamer.head/1"] = Field(default="streamer.head/1", alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    task: Task
    sha256: Sha256
    step_s: Annotated[float, Field(gt=0, le=10)]
    features: Annotated[Names, Field(min_length=1)]
    predicted: Annotated[Names, Field(min_length=1)]
    labels: Annotated[Names, Field(min_length=2)]
    state_width: Annotated[int, Field(ge=1, le=1_000_000)]
    attention_steps: Annotated[int, Field(ge=1, le=1000)]
    embedding_of: tuple[Sha256, ...] = ()
    usual: dict[str, tuple[float, float, float]] = Field(default_factory=dict)
    opset: Annotated[int, Field(ge=1)]
    licence: str
    provenance: dict[str, JsonValue] = Field(default_factory=dict)
    parity: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _parts_agree(self) -> HeadManifest:
        for what, names in (("features", self.features), ("labels", self.labels)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what}: each name may come once; found twice: {', '.join(twice)}")
        if self.features[: len(self.predicted)] != self.predicted:
            raise ValueError(
                f"predicted: must be the leading features, in their order; {_parting(self.features, self.predicted)}"
            )
        if self.task == "scene" and FIGHT not in self.labels:
            raise ValueError(f"labels: a scene head needs '{FIGHT}'; found {', '.join(self.labels)}")
        if strange := sorted(set(self.usual) - set(self.features)):
            raise ValueError(f"usual: names unknown features: {', '.join(strange)}")
        return self

    @property
    def graph_inputs(self) -> Shapes:
        """Name → shape of what the graph takes, all float32."""
        return {"features": ("batch", len(self.features)), "state": ("batch", self.state_width)}

    @property
    def graph_outputs(self) -> Shapes:
        """Name → shape of what the graph gives, all float32; a track head also tells movement and context."""
        widths = {
            "probs": len(self.labels),
            "prediction": len(self.predicted),
            "spread": len(self.predicted),
            "attention": self.attention_steps,
            "next_state": self.state_width,
            **(_TRACK_EXTRAS if self.task == "track" else {}),
        }
        return {name: ("batch", width) for name, width in widths.items()}

    def to_json(self) -> str:
        """The text of manifest.json."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


HeadArtifact = ModelFolder[HeadManifest]
"""A head's folder whose files are there, whose manifest makes sense and whose hash is right."""


def load_head(folder: Path, trusted: Sequence[PublicKey] = ()) -> HeadArtifact:
    """The head's folder, checked: files, signature where there are trusted keys, JSON, schema, sha256.

    Raises ArtifactError that says what is wrong and where.

    Whether the graph is what the manifest says needs it opened, whether the features are those that the runtime makes
    needs the runtime's: step_session.open_step checks both.
    """
    return load_folder(folder, _parsed, HEADS, lambda gone: incomplete(folder, "a behaviour head", gone), trusted)


def read_head_manifest(path: Path) -> HeadManifest:
    """The manifest alone, without its graph. Raises ArtifactError that names every key that is wrong."""
    return _parsed(path, content_of(path))


def _parsed(path: Path, content: bytes) -> HeadManifest:
    return parse_manifest(path, content, HeadManifest, "a head")


def check_features(manifest: HeadManifest, runtime: Names, where: str) -> None:
    """Raises ArtifactError where the head was trained on other features than the runtime makes; both are named."""
    if manifest.features != runtime:
        raise ArtifactError(
            f"{where}: head '{manifest.name}' was trained on {len(manifest.features)} features, this version makes "
            f"{len(runtime)}; {_parting(runtime, manifest.features)}. Train and export the head with this version, or "
            "use the version that it was made with."
        )


def _parting(ours: Names, theirs: Names) -> str:
    """Where two lists of names part, both sides named."""
    for i in range(max(len(ours), len(theirs))):
        a = f"'{ours[i]}'" if i < len(ours) else "nothing"
        b = f"'{theirs[i]}'" if i < len(theirs) else "nothing"
        if a != b:
            return f"number {i + 1} should be {a} and is {b}"
    return "they are the same"
