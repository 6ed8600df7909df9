"""What a net is made of: its weights, its labels, and what is known about both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from export.torchvision.known import Known
from export.torchvision.nets import build, classes_in, with_chance_weights, with_weights
from export.torchvision.weights import NAMELESS, Published, fetch, published_named, read_checkpoint, recognised
from streamer.detect.coco import COCO_91
from streamer.errors import ConfigError
from streamer.model_folder import sha256_of

_TERMS = (
    "torchvision publishes its code and these weights under BSD-3-Clause; it leaves it to the user to see whether "
    "terms of the data that they were trained on apply"
)
_DATA = "COCO train2017; its annotations are under CC BY 4.0, its pictures are their photographers'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A net in eval mode with its labels by class id, and what the manifest says about where it comes from."""

    net: torch.nn.Module
    labels: tuple[str, ...]
    licence: str
    provenance: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)


def from_published(known: Known, name: str, canvas_wh: tuple[int, int]) -> Source:
    """Raises ConfigError (no weights of that name), WeightsUnreachable, ArtifactError (another file in their place)."""
    weights = published_named(known, name)
    return of_published(known, weights, fetch(weights, known), canvas_wh)


def from_checkpoint(known: Known, file: Path, labels: Path | None, licence: str, canvas_wh: tuple[int, int]) -> Source:
    """Raises ArtifactError (no checkpoint of this net), ConfigError (labels that do not go with it).

    A file that is one of torchvision's own is taken as such, whatever it is called.
    """
    state = read_checkpoint(file)
    if weights := recognised(known, file):
        if labels:
            raise ConfigError([f"--labels: {file} holds torchvision's own {weights.name}, which has its labels"])
        return of_published(known, weights, file, canvas_wh)
    n_classes = classes_in(known, state, file)
    names = _labels_for(n_classes, labels, file)
    net = with_weights(known, state, n_classes, canvas_wh, file)
    return Source(
        net=net, labels=names, licence=licence, provenance={"weights": file.name, "weights_sha256": sha256_of(file)}
    )


def from_chance(known: Known, labels: Path | None, canvas_wh: tuple[int, int]) -> Source:
    """Random weights for COCO's labels or for those of a file, the same every time. Raises ConfigError."""
    names = _with_background(read_labels(labels)) if labels else COCO_91
    net = with_chance_weights(build(known, len(names), canvas_wh), known, canvas_wh)
    return Source(net=net, labels=names, licence="unknown", provenance={"weights": "random: it sees what is not there"})


def read_labels(file: Path) -> tuple[str, ...]:
    """One name per line in order of class id; an empty line is an id that never comes out. Raises ConfigError."""
    try:
        lines = file.read_text(encoding="utf-8").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"--labels: {file} cannot be read ({error}); expected one class name per line"]) from error
    names = tuple("" if line.strip() in NAMELESS else line.strip() for line in lines)
    named = [name for name in names if name]
    if len(set(named)) < len(named) or not named:
        twice = ", ".join(sorted({name for name in named if named.count(name) > 1}))
        raise ConfigError([f"--labels: {file} {f'names some classes twice: {twice}' if named else 'holds no names'}"])
    return names


def of_published(known: Known, weights: Published, file: Path, canvas_wh: tuple[int, int]) -> Source:
    """The net that torchvision itself makes of its published weights, from their file."""
    net = with_weights(known, read_checkpoint(file), len(weights.labels), canvas_wh, file, published=True)
    provenance = {
        "weights": weights.name,
        "weights_from": weights.address,
        "weights_sha256": sha256_of(file),
        "recipe": weights.recipe,
        "data": _DATA,
        "terms": _TERMS,
    }
    metrics = {} if weights.coco_ap is None else {"coco_val2017_ap": weights.coco_ap, "measured_by": "torchvision"}
    return Source(net=net, labels=weights.labels, licence="BSD-3-Clause", provenance=provenance, metrics=metrics)


def _labels_for(n_classes: int, labels: Path | None, file: Path) -> tuple[str, ...]:
    """Names for that many classes, the background among them."""
    if labels is None:
        if n_classes == len(COCO_91):
            return COCO_91
        raise ConfigError(
            [
                f"{file} has {n_classes} classes, background included, not COCO's {len(COCO_91)}: name them with "
                "--labels FILE, one per line in order of class id"
            ]
        )
    names = read_labels(labels)
    if len(names) == n_classes - 1:
        return ("", *names)
    if len(names) != n_classes:
        raise ConfigError(
            [
                f"--labels: {labels} names {len(names)} classes, {file} has {n_classes} with the background: expected "
                f"{n_classes - 1} lines, or {n_classes} with an empty one for the background"
            ]
        )
    return names


def _with_background(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if not names[0] else ("", *names)
