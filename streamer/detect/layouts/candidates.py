"""What an adapter promises: from output tensors to the boxes of one picture that are worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Axis, Manifest
from streamer.errors import ArtifactError
from streamer.types import Boxes

Tensors = Mapping[str, NDArray[Any]]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes before NMS, in any order.

    boxes_xyxy float32 (N, 4), canvas pixels; scores float32 (N,); class_ids int64 (N,). Rows that hold NaN or infinity
    may be among them: an adapter never hides them, the detector takes them out and counts them.
    """

    boxes_xyxy: Boxes
    scores: Float32
    class_ids: NDArray[np.int64]


class Layout(Protocol):
    """Reads the outputs of one family of nets; knows its manifest, keeps nothing between pictures."""

    uses: ClassVar[tuple[str, ...]]  # the roles of the outputs that decode() reads

    def __init__(self, manifest: Manifest) -> None:
        """Raises ArtifactError where the manifest's outputs cannot be of this layout."""
        ...

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """The boxes of one picture of the batch that score min_score or more; outputs by role, floats as float32."""
        ...

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """Guess output name → role from the shapes of a graph that comes without a manifest; {} where nothing fits."""
        ...


class NamedClasses:
    """Class ids that may come out: those whose label is not empty."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.n = len(labels)
        self.ids = np.array([i for i, label in enumerate(labels) if label], np.int64)
        self.all_named = len(self.ids) == self.n

    def worth_a_look(self, scores: Float32, at_least: float) -> tuple[NDArray[np.int64], Float32, NDArray[np.int64]]:
        """Rows whose best class reaches at_least: (rows, their best scores, their best class ids).

        scores float32 (N, K) → int64 (M,), float32 (M,), int64 (M,). Rows with NaN count as reaching it.
        """
        hits = np.flatnonzero(~((scores if self.all_named else scores[:, self.ids]) < at_least).ravel())
        # One flat comparison, then the few rows that have a hit: an argmax over all N × K costs ten times as much.
        rows = hits // len(self.ids)
        if len(rows) > 1:
            rows = rows[np.concatenate([_FIRST, rows[1:] != rows[:-1]])]
        return rows, *self.best(scores[rows])

    def best(self, scores: Float32) -> tuple[Float32, NDArray[np.int64]]:
        """The best class of every row: float32 (N, K) → its scores float32 (N,), its ids int64 (N,)."""
        if self.all_named:
            return scores.max(axis=1), scores.argmax(axis=1)
        named = scores[:, self.ids]
        return named.max(axis=1), self.ids[named.argmax(axis=1)]


_FIRST = np.ones(1, bool)


def corners(centres_and_sizes: Float32) -> Float32:
    """float32 (N, 4) cx, cy, w, h → float32 (N, 4) xyxy."""
    half = centres_and_sizes[:, 2:] * np.float32(0.5)
    return np.concatenate([centres_and_sizes[:, :2] - half, centres_and_sizes[:, :2] + half], axis=1)


def require(manifest: Manifest, role: str, *patterns: tuple[int | None, ...], because: str) -> tuple[Axis, ...]:
    """The declared shape of the output with this role, which must match one of the patterns (None: any size).

    A free axis matches any size: the first run shows its real one. Raises ArtifactError with both sides.
    """
    head = f"model '{manifest.name}', layout {manifest.layout}"
    wanted = " or ".join(_written(p) for p in patterns)
    found = {o.as_role: o for o in manifest.outputs}
    if role not in found:
        raise ArtifactError(
            f"{head}: needs an output with role '{role}' of shape {wanted}; "
            f"the manifest's outputs have the roles {', '.join(sorted(found))}"
        )
    shape = found[role].shape
    for pattern in patterns:
        if len(pattern) == len(shape) and all(
            p is None or isinstance(s, str) or s == p for p, s in zip(pattern, shape, strict=True)
        ):
            return shape
    raise ArtifactError(
        f"{head}: output '{found[role].name}' ({role}) must have the shape {wanted} ({because}); "
        f"the manifest says {_written(shape)}"
    )


def _written(shape: tuple[Axis | None, ...]) -> str:
    return "(" + ", ".join("any" if axis is None else str(axis) for axis in shape) + ")"
