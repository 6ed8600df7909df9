"""FastestDet (github.com/dog-qiuqiu/FastestDet): one grid of cells, boxes relative to the whole picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from streamer.artifacts import Axis, Manifest
from streamer.detect.layouts.candidates import Candidates, NamedClasses, Tensors, corners, require

STRIDE = 16
OBJECTNESS_POWER, CLASS_POWER = 0.6, 0.4


class FastestDetLayout:
    """predictions float32 (B, 5+K, H/16, W/16): objectness; x, y (tanh), w, h (sigmoid); classes."""

    uses: ClassVar[tuple[str, ...]] = ("predictions",)

    def __init__(self, manifest: Manifest) -> None:
        (w, h), k = manifest.input.size, len(manifest.labels)
        self._grid_wh = (w // STRIDE, h // STRIDE)
        because = f"objectness, 4 box values, {k} labels; cells of {STRIDE} pixels on {w}×{h}"
        require(manifest, "predictions", (None, 5 + k, h // STRIDE, w // STRIDE), because=because)
        self._canvas_wh = np.array([w, h], np.float32)
        self._classes = NamedClasses(manifest.labels)
        self._min_score = manifest.thresholds.min_score
        self._min_objectness = self._min_score ** (1 / OBJECTNESS_POWER)

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """See Layout."""
        raw = outputs["predictions"][picture]
        raw = raw.reshape(raw.shape[0], -1)
        # Neither factor exceeds 1: objectness alone rules out most cells.
        cells = np.flatnonzero(~(raw[0] < self._min_objectness))
        found = raw[:, cells]
        likely = found[5:] if self._classes.all_named else found[5 + self._classes.ids]
        with np.errstate(invalid="ignore"):  # a negative score is no number, and taken out by the detector
            scores = found[0] ** OBJECTNESS_POWER * likely.max(axis=0) ** CLASS_POWER
        enough = np.flatnonzero(~(scores < self._min_score))
        cells, scores, class_ids = cells[enough], scores[enough], self._classes.ids[likely[:, enough].argmax(axis=0)]
        found = found[:, enough].T
        grid = np.array(self._grid_wh, np.float32)
        corner = np.stack([cells % self._grid_wh[0], cells // self._grid_wh[0]], axis=1).astype(np.float32)
        centres = (corner + np.tanh(found[:, 1:3])) / grid
        with np.errstate(over="ignore"):
            sizes = 1 / (1 + np.exp(-found[:, 3:5]))
        boxes = np.concatenate([centres * self._canvas_wh, sizes * self._canvas_wh], axis=1)
        return Candidates(corners(boxes), scores, class_ids)

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """The one output of rank 4."""
        fitting = [name for name, shape in shapes.items() if len(shape) == 4]
        return {fitting[0]: "predictions"} if len(fitting) == 1 else {}
