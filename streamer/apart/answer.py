"""What an inference node answers: what was found in a whole batch, or that it was too late, or why not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streamer.fit import InputFit
from streamer.types import Boxes, Detections, PictureFeatures

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One answer for all pictures of a question.

    rows: how many objects each picture has; boxes_xyxy float32 (N, 4) in source pixels, scores float32 (N,), class_ids
    int64 (N,): all pictures' one behind the other. embeddings float32 (P, E) and feature_maps float32 (P, C, h, w)
    where they were asked for and the net gives them. took_s: from its arrival to this answer.
    """

    rows: tuple[int, ...]
    boxes_xyxy: Boxes
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    embeddings: NDArray[np.float32] | None = None
    feature_maps: NDArray[np.float32] | None = None
    took_s: float = 0.0

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        arrays = (self.boxes_xyxy, self.scores, self.class_ids, self.embeddings, self.feature_maps)
        return sum(each.nbytes for each in arrays if each is not None)

    def detections(
        self, labels: tuple[str, ...], input_fit: InputFit, sources_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        """One for each picture, as the detector itself would have given them. Raises ValueError where it is not so many
        pictures, or rows are missing."""
        if len(self.rows) != len(sources_wh) or sum(self.rows) != len(self.scores):
            raise ValueError(f"{len(self.rows)} pictures, {len(self.scores)} rows for {len(sources_wh)} that were sent")
        found, at = [], 0
        for nth, (n, source_wh) in enumerate(zip(self.rows, sources_wh, strict=True)):
            features = None
            if self.embeddings is not None and self.feature_maps is not None:
                features = PictureFeatures(self.embeddings[nth], self.feature_maps[nth], input_fit.of(source_wh))
            part = slice(at, at + n)
            found.append(Detections(self.boxes_xyxy[part], self.scores[part], self.class_ids[part], labels, features))
            at += n
        return found


@dataclass(frozen=True, slots=True)
class Late:
    """Nothing was looked at: it could not have been in time. full: too many pictures wait there already; another node
    may well have time."""

    full: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """This node cannot answer such questions at all; why: a sentence."""

    why: str


Answer = Found | Late | Refused


def found_of(detections: Sequence[Detections], *, features: bool, took_s: float) -> Found:
    """The answer that says this."""
    seen = [each.features for each in detections if each.features is not None] if features else []
    whole = bool(seen) and len(seen) == len(detections)
    return Found(
        rows=tuple(map(len, detections)),
        boxes_xyxy=_joined([each.boxes_xyxy for each in detections], np.zeros((0, 4), np.float32)),
        scores=_joined([each.scores for each in detections], np.zeros(0, np.float32)),
        class_ids=_joined([each.class_ids for each in detections], np.zeros(0, np.int64)),
        embeddings=np.stack([each.embedding for each in seen]) if whole else None,
        feature_maps=np.stack([each.feature_map for each in seen]) if whole else None,
        took_s=took_s,
    )


def _joined(arrays: Sequence[NDArray[T]], none: NDArray[T]) -> NDArray[T]:
    return np.concatenate(arrays) if arrays else none
