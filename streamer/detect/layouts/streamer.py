"""Our own layout: the graph decodes, the service only picks and suppresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from streamer.artifacts import Axis, Manifest
from streamer.detect.layouts.candidates import Candidates, NamedClasses, Tensors, require


class StreamerLayout:
    """boxes float32 (B, N, 4), xyxy in canvas pixels; scores float32 (B, N, K) in [0, 1]."""

    uses: ClassVar[tuple[str, ...]] = ("boxes", "scores")

    def __init__(self, manifest: Manifest) -> None:
        k = len(manifest.labels)
        boxes = require(manifest, "boxes", (None, None, 4), because="xyxy per box")
        n = boxes[1] if isinstance(boxes[1], int) else None
        require(manifest, "scores", (None, n, k), because=f"one row per box and one score for each of {k} labels")
        self._classes = NamedClasses(manifest.labels)
        self._min_score = manifest.thresholds.min_score

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """See Layout."""
        rows, scores, class_ids = self._classes.worth_a_look(outputs["scores"][picture], self._min_score)
        return Candidates(outputs["boxes"][picture][rows], scores, class_ids)

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """Our exports name their outputs by role."""
        return {name: name for name in ("boxes", "scores") if name in shapes}
