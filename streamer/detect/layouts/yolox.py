"""YOLOX (Ge et al. 2021, arXiv:2107.08430) as its own export script writes it: decoded outside the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from streamer.artifacts import Axis, Manifest
from streamer.detect.layouts.candidates import Candidates, NamedClasses, Tensors, corners, require
from streamer.errors import ArtifactError

STRIDES = (8, 16, 32)


class YoloxLayout:
    """predictions float32 (B, N, 5+K): raw cx, cy, w, h per cell of strides 8, 16, 32; objectness; classes."""

    uses: ClassVar[tuple[str, ...]] = ("predictions",)

    def __init__(self, manifest: Manifest) -> None:
        (w, h), k = manifest.input.size, len(manifest.labels)
        if w % STRIDES[-1] or h % STRIDES[-1]:
            raise ArtifactError(
                f"model '{manifest.name}', layout yolox: input.size must be multiples of {STRIDES[-1]}; found {w}×{h}"
            )
        cells, strides = [], []
        for stride in STRIDES:
            ys, xs = np.mgrid[: h // stride, : w // stride]
            cells.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
            strides.append(np.full(xs.size, stride))
        self._cells = np.concatenate(cells).astype(np.float32)
        self._strides = np.concatenate(strides).astype(np.float32)[:, None]
        n = len(self._cells)
        because = f"{n} cells of strides 8, 16, 32 on {w}×{h}; 4 box values, objectness, {k} labels"
        require(manifest, "predictions", (None, n, 5 + k), because=because)
        self._classes = NamedClasses(manifest.labels)
        self._min_score = manifest.thresholds.min_score

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """See Layout."""
        raw = outputs["predictions"][picture]
        # A class score is at most 1, so objectness alone rules out nearly every cell.
        cells = np.flatnonzero(~(raw[:, 4] < self._min_score))
        found = raw[cells]
        scores, class_ids = self._classes.best(found[:, 5:])
        scores *= found[:, 4]
        enough = ~(scores < self._min_score)
        found, cells, scores, class_ids = found[enough], cells[enough], scores[enough], class_ids[enough]
        with np.errstate(over="ignore"):  # an endless box is infinite, and taken out by the detector
            sizes = np.exp(found[:, 2:4])
        boxes = np.concatenate([found[:, :2] + self._cells[cells], sizes], axis=1) * self._strides[cells]
        return Candidates(corners(boxes), scores, class_ids)

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """The one output of rank 3."""
        fitting = [name for name, shape in shapes.items() if len(shape) == 3]
        return {fitting[0]: "predictions"} if len(fitting) == 1 else {}
