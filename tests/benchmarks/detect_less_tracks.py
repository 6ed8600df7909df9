"""How well the tracks that follow from detections cover the true ones: recall, precision and changes of identity."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from models.average_precision import iou
from streamer.track import KalmanTracker
from streamer.track.stitch import StitchingTracker
from streamer.types import Detections
from tests.benchmarks.detect_less_truth import Watched


class TrackJudge:
    """Follows one side's detections with the service's tracker, and holds the tracks to the truth of people.

    In each frame tracks and true boxes are assigned to each other so that the overlap is greatest, at least an IoU of
    0.5 (as MOTA does); an identity changes where a true object is covered by another track than the last time.
    """

    def __init__(self, labels: tuple[str, ...], track_score: float) -> None:
        self._make = lambda: StitchingTracker(KalmanTracker(labels, high_score=track_score))
        self._session: str | None = None
        self._covered: dict[tuple[str, int], list[int]] = {}
        self._last: dict[tuple[str, int], int] = {}
        self.true_boxes = self.told_boxes = self.hits = self.switches = 0

    def saw(self, watched: Watched, found: Detections) -> None:
        """The next frame; another session begins with a fresh tracker."""
        session = watched.frame.session
        if session != self._session:
            self._session, self._tracker = session, self._make()
        tracks = self._tracker.update(found, watched.frame.media_s)
        person = tracks.class_ids == tracks.labels.index("person")
        boxes, ids, true = tracks.boxes_xyxy[person], tracks.ids[person], watched.truth["person"]
        overlap = iou(true.boxes, boxes)
        rows, columns = linear_sum_assignment(np.where(overlap >= 0.5, -overlap, 0.0))
        pairs = [(r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if overlap[r, c] >= 0.5]
        self.true_boxes, self.told_boxes = self.true_boxes + len(true.boxes), self.told_boxes + len(boxes)
        self.hits += len(pairs)
        hit = {r for r, _ in pairs}
        for r, true_id in enumerate(true.ids.tolist()):
            self._covered.setdefault((session, true_id), []).append(int(r in hit))
        for r, c in pairs:
            who, now = (session, int(true.ids[r])), int(ids[c])
            self.switches += self._last.get(who, now) != now
            self._last[who] = now

    def figures(self) -> dict[str, float | int]:
        """Shares of boxes; found_tracks: of the true objects, those that were covered in half of their frames."""
        covered = [np.mean(each) >= 0.5 for each in self._covered.values()]
        return {
            "track_recall": round(self.hits / max(1, self.true_boxes), 4),
            "track_precision": round(self.hits / max(1, self.told_boxes), 4),
            "mota": round((2 * self.hits - self.told_boxes - self.switches) / max(1, self.true_boxes), 4),
            "switches": self.switches,
            "found_tracks": f"{int(np.sum(covered))} of {len(covered)}",
        }
