"""DETR (Carion et al. 2020, arXiv:2005.12872) and its family: a fixed set of queries, no NMS needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from streamer.artifacts import Axis, Manifest
from streamer.detect.layouts.candidates import Candidates, Float32, NamedClasses, Tensors, corners, require


class DetrLayout:
    """boxes float32 (B, Q, 4): cx, cy, w, h as fractions of the canvas; logits float32 (B, Q, K or K+1)."""

    uses: ClassVar[tuple[str, ...]] = ("boxes", "logits")

    def __init__(self, manifest: Manifest) -> None:
        k = len(manifest.labels)
        boxes = require(manifest, "boxes", (None, None, 4), because="cx, cy, w, h per query")
        q = boxes[1] if isinstance(boxes[1], int) else None
        because = f"one row per query; {k} labels with a sigmoid each, or with 'nothing there' after them for a softmax"
        logits = require(manifest, "logits", (None, q, k), (None, q, k + 1), because=because)
        self._softmax = logits[2] == k + 1
        self._canvas = np.array([*manifest.input.size, *manifest.input.size], np.float32)
        self._classes = NamedClasses(manifest.labels)
        self._min_score = manifest.thresholds.min_score
        self._min_logit = (
            math.log(self._min_score / (1 - self._min_score))
            if 0 < self._min_score < 1
            else math.copysign(math.inf, self._min_score - 0.5)
        )

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """See Layout."""
        logits: Float32 = outputs["logits"][picture]
        if self._softmax:
            with np.errstate(invalid="ignore"):
                likely = np.exp(logits - logits.max(axis=1, keepdims=True))
                likely /= likely.sum(axis=1, keepdims=True)
            rows, scores, class_ids = self._classes.worth_a_look(likely[:, :-1], self._min_score)
        else:
            rows, best, class_ids = self._classes.worth_a_look(logits, self._min_logit)
            with np.errstate(over="ignore"):
                scores = np.float32(1) / (np.float32(1) + np.exp(-best))
        return Candidates(corners(outputs["boxes"][picture][rows] * self._canvas), scores, class_ids)

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """Two outputs of rank 3; the one that ends in 4 holds the boxes."""
        boxes = [name for name, shape in shapes.items() if len(shape) == 3 and shape[2] == 4]
        logits = [name for name, shape in shapes.items() if len(shape) == 3 and shape[2] != 4]
        return {boxes[0]: "boxes", logits[0]: "logits"} if len(boxes) == 1 and len(logits) == 1 else {}
