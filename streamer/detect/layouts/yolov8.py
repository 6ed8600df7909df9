"""YOLOv8 and what came after in its form (v9, v11, …): boxes decoded in the graph, no objectness, NMS outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from streamer.artifacts import Axis, Manifest
from streamer.detect.layouts.candidates import Candidates, NamedClasses, Tensors, corners, require
from streamer.errors import ArtifactError


class Yolov8Layout:
    """predictions float32 (B, 4+K, N), or its transpose (B, N, 4+K): cx, cy, w, h in canvas pixels; classes."""

    uses: ClassVar[tuple[str, ...]] = ("predictions",)

    def __init__(self, manifest: Manifest) -> None:
        k = len(manifest.labels)
        shape = require(
            manifest,
            "predictions",
            (None, 4 + k, None),
            (None, None, 4 + k),
            because=f"4 box values and {k} labels per box",
        )
        if 4 + k not in shape[1:]:
            raise ArtifactError(
                f"model '{manifest.name}', layout yolov8: the manifest leaves both axes of its output free; one must "
                f"be {4 + k} (4 box values and {k} labels), so that it is known which holds the boxes"
            )
        self._attributes_first = shape[1] == 4 + k
        self._classes = NamedClasses(manifest.labels)
        self._min_score = manifest.thresholds.min_score

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """See Layout."""
        raw = outputs["predictions"][picture]
        if self._attributes_first:
            # Read along the memory: the best class of every box, and only then the few boxes themselves.
            best = raw[4:].max(axis=0) if self._classes.all_named else raw[4 + self._classes.ids].max(axis=0)
            found = raw[:, ~(best < self._min_score)].T
        else:
            found = raw
        rows, scores, class_ids = self._classes.worth_a_look(found[:, 4:], self._min_score)
        return Candidates(corners(found[rows, :4]), scores, class_ids)

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """The one output of rank 3; others (mask prototypes) are left alone."""
        fitting = [name for name, shape in shapes.items() if len(shape) == 3]
        return {fitting[0]: "predictions"} if len(fitting) == 1 else {}
