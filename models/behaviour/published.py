"""A head's folder in the zoo: the model, its card, its figures; refused or replaced where there is one already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.head_artifact import HeadManifest
from streamer.errors import ArtifactError
from streamer.model_folder import write_model_folder

FIGURES_FILE, CARD_FILE = "figures.json", "CARD.md"


def refuse_if_there(target: Path, replace: bool) -> None:
    """Raises ArtifactError before anything is trained for a folder that may not be replaced."""
    if target.exists() and not replace:
        raise ArtifactError(f"{target}: exists already; --replace replaces it, --out chooses another place")


def write_published(
    target: Path, manifest: HeadManifest, graph: bytes, figures: Mapping[str, object], card: str
) -> None:
    """In the place of what was there. Raises ArtifactError."""
    if target.exists():
        shutil.rmtree(target)
    write_model_folder(manifest, graph, target)
    (target / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (target / CARD_FILE).write_text(card, encoding="utf-8")


def usual_of(names: Sequence[str], steps: NDArray[np.float32]) -> dict[str, tuple[float, float, float]]:
    """Name → what 1 %, 50 % and 99 % of normal steps stay below, of the leading columns of float32 (N, F)."""
    spans = np.percentile(steps[:, : len(names)], (1, 50, 99), axis=0).T
    rounded = ((round(float(v), 5) for v in span) for span in spans)
    return {name: (low, middle, high) for name, (low, middle, high) in zip(names, rounded, strict=True)}
