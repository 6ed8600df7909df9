"""torchvision's detectors exported whole: boxes, labels and scores of one picture, after the net's own NMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Axis, Manifest
from streamer.detect.layouts.candidates import Candidates, Tensors, require
from streamer.errors import ArtifactError, InferenceError


class TorchvisionLayout:
    """boxes float32 (N, 4), xyxy in canvas pixels; labels int (N,); scores float32 (N,). A batch axis of 1 is fine."""

    uses: ClassVar[tuple[str, ...]] = ("boxes", "labels", "scores")

    def __init__(self, manifest: Manifest) -> None:
        boxes = require(manifest, "boxes", (None, 4), (1, None, 4), because="xyxy per object")
        self._has_batch_axis = len(boxes) == 3
        flat: tuple[int | None, ...] = (1, None) if self._has_batch_axis else (None,)
        require(manifest, "labels", flat, because="one class id per object")
        require(manifest, "scores", flat, because="one score per object")
        if manifest.input.batch == "any":
            raise ArtifactError(
                f"model '{manifest.name}', layout torchvision: gives the objects of one picture, so input.batch must "
                "be 1 or 'none'; the manifest says 'any'"
            )
        self._name, self._n_labels = manifest.name, len(manifest.labels)
        self._named = np.array([bool(label) for label in manifest.labels])
        self._min_score = manifest.thresholds.min_score

    def decode(self, outputs: Tensors, picture: int) -> Candidates:
        """See Layout. Raises InferenceError for a class id without a label."""
        boxes, labels, scores = outputs["boxes"], outputs["labels"], outputs["scores"]
        if self._has_batch_axis:
            boxes, labels, scores = boxes[picture], labels[picture], scores[picture]
        class_ids: NDArray[np.int64] = labels.astype(np.int64, copy=False)
        if len(class_ids) and not (class_ids.min() >= 0 and class_ids.max() < self._n_labels):
            raise InferenceError(
                f"model '{self._name}' gave class id {class_ids.max() if class_ids.min() >= 0 else class_ids.min()}, "
                f"but its manifest has {self._n_labels} labels (ids 0-{self._n_labels - 1}): complete its labels"
            )
        chosen = ~(scores < self._min_score) & self._named[class_ids]
        return Candidates(boxes[chosen], scores[chosen], class_ids[chosen])

    @staticmethod
    def roles(shapes: Mapping[str, tuple[Axis, ...]]) -> dict[str, str]:
        """The outputs by name where they have torchvision's, else boxes, labels, scores in torchvision's order."""
        if {"boxes", "labels", "scores"} <= shapes.keys():
            return {name: name for name in ("boxes", "labels", "scores")}
        names = list(shapes)
        in_order = len(names) == 3 and shapes[names[0]][-1:] == (4,)
        return dict(zip(names, ("boxes", "labels", "scores"), strict=True)) if in_order else {}
