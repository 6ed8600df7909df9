"""A model folder that can be asked for everything: raw outputs, candidates before suppression, what would be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.calibration import Canvas, feeder
from streamer.artifacts import Artifact
from streamer.detect.layouts import Candidates, layout_of
from streamer.detect.nms import nms
from streamer.detect.session import as_float32, open_session
from streamer.sessions import OnnxSession

Outputs = Mapping[str, NDArray[Any]]


class Speaker:
    """One model folder, opened on one thread. Raises ArtifactError where graph and manifest disagree."""

    def __init__(self, artifact: Artifact) -> None:
        self.manifest = artifact.manifest
        self._session: OnnxSession = open_session(artifact, "cpu", threads=1)
        self._names = [each.name for each in self._session.outputs]
        self._roles = {output.name: output.as_role for output in self.manifest.outputs}
        self._layout = layout_of(self.manifest)
        self._feed = feeder(self.manifest.input)

    @property
    def uneven(self) -> frozenset[str]:
        """Outputs with free axes besides the batch."""
        first = 1 if self.manifest.input.batch == "any" else 0
        outputs = self.manifest.outputs
        return frozenset(each.name for each in outputs if any(isinstance(axis, str) for axis in each.shape[first:]))

    def say(self, pictures: Sequence[Canvas]) -> dict[str, NDArray[Any]]:
        feed = {self.manifest.input.name: self._feed(pictures)}
        return dict(zip(self._names, self._session.run(self._names, feed), strict=True))

    def candidates(self, outputs: Outputs) -> Candidates:
        """What the first picture of a run holds, before suppression."""
        by_role = {role: as_float32(outputs[name]) for name, role in self._roles.items()}
        found = self._layout.decode(by_role, 0)
        good = np.isfinite(found.scores) & np.isfinite(found.boxes_xyxy).all(axis=1)
        return Candidates(found.boxes_xyxy[good], found.scores[good], found.class_ids[good])

    def shown(self, outputs: Outputs) -> Candidates:
        """What of it the service would show at its operating point."""
        found, limits = self.candidates(outputs), self.manifest.thresholds
        rows = np.arange(len(found.scores))
        if limits.nms_iou is not None:
            rows = nms(found.boxes_xyxy, found.scores, found.class_ids, limits.nms_iou, limits.max_objects)
        points = np.array([limits.track_score_of(label) for label in self.manifest.labels], np.float32)
        has_area = (found.boxes_xyxy[rows, 2:] > found.boxes_xyxy[rows, :2]).all(axis=1)
        rows = rows[has_area & (found.scores[rows] >= points[found.class_ids[rows]])]
        return Candidates(found.boxes_xyxy[rows], found.scores[rows], found.class_ids[rows])
