"""Follows the objects of one camera from frame to frame, in seconds: frames drop by design."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.track.association import affinity, assign, covered, kinds_of
from streamer.track.kalman import BoxFilter, BoxMotion, Floats, Rows
from streamer.track.settings import TrackerSettings
from streamer.track.table import TrackTable
from streamer.types import Detections, Tracks

LONGEST_SLEEP_S = 15.0
"""Between two looks so far apart an object that does not move is still the same one."""
_LARGEST_PX = 1e7
_NO_ROWS: Rows = np.zeros(0, np.intp)


class KalmanTracker:
    """A stages.Tracker: two-stage association of predicted boxes (ByteTrack), numpy over all tracks at once.

    A track begins with a box of new_score that no track took, counts (gets its id, is reported) once it is confirmed,
    and is given up lost_after_s after it was last seen; ids of those that counted are then in Tracks.ended. Reported
    are tracks that are confirmed and were seen in this frame, oldest first. Boxes without area or not finite are passed
    over. Deterministic: same calls, same answers. One thread at a time.

    Settings may be given whole, by name, or both: KalmanTracker(labels, lost_after_s=2.0).
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        settings: TrackerSettings | None = None,
        motion: BoxMotion | None = None,
        /,
        **changed: float,
    ) -> None:
        self.labels = labels
        try:
            self.settings = replace(settings or TrackerSettings(), **changed)  # type: ignore[arg-type]
        except TypeError as error:
            known = ", ".join(TrackerSettings.__slots__)
            raise ValueError(f"tracker: unknown setting among {sorted(changed)}; there are {known}") from error
        self._motion = motion or BoxMotion()
        self._kinds = kinds_of(labels, self.settings.alike)
        self.reset()

    def reset(self) -> None:
        """Forget everything; ids start again from 1."""
        self._filter = BoxFilter(self._motion)
        self._table = TrackTable(len(self.labels))
        self._next_id = 1
        self._at_s: float | None = None
        self._step_s = 0.0
        self._nothing_seen_yet = True

    def update(self, detections: Detections, at_s: float) -> Tracks:
        """Tracks after a frame at media time at_s, in seconds. Raises ValueError where time runs backward."""
        ended = self._advance(at_s)
        boxes, scores, class_ids, rows = self._usable(detections)
        seen, taken = self._associate(boxes, scores, class_ids)
        self._filter.update(seen, boxes[taken], scores[taken])
        self._table.see(seen, scores[taken], class_ids[taken], at_s, self.settings.score_memory_s)
        born = self._births(boxes, scores, class_ids, taken)
        if len(born):
            self._filter.add(boxes[born], scores[born])
            self._table.add(scores[born], class_ids[born], self._kinds[class_ids[born]], at_s)
            seen = np.concatenate([seen, np.arange(len(self._table) - len(born), len(self._table))])
            taken = np.concatenate([taken, born])
        self._confirm(seen, at_s)
        if len(boxes):
            self._nothing_seen_yet = False
        told = self._tell(seen, taken, boxes, rows, ended, at_s)
        self._forget_rumours(at_s)
        return told

    def _advance(self, at_s: float) -> tuple[int, ...]:
        """Give up what was unseen for too long, move the rest to at_s; returns the ids given up."""
        previous_s, self._at_s = self._at_s, at_s
        if previous_s is None:
            return ()
        dt_s = at_s - previous_s
        if not dt_s >= 0:
            raise ValueError(
                f"tracker: media time ran from {previous_s:.3f} back to {at_s:.3f} s; reset() between sessions"
            )
        # Analysed once in two seconds, everything would be lost in every frame: two usual steps are always granted.
        patience_s = max(self.settings.lost_after_s, 2 * self._step_s)
        if dt_s <= LONGEST_SLEEP_S:  # a camera that slept, because nothing moved: nobody was looked for and not found
            patience_s = max(patience_s, dt_s)
        step_s = min(dt_s, 5.0)
        self._step_s = step_s if self._step_s == 0 else self._step_s + 0.2 * (step_s - self._step_s)
        ended: tuple[int, ...] = ()
        lost = at_s - self._table.last_s > patience_s
        if lost.any():
            ended = tuple(int(i) for i in self._table.ids[lost] if i)
            self._filter.keep(~lost)
            self._table.keep(~lost)
        self._filter.predict(dt_s)
        return ended

    def _usable(self, detections: Detections) -> tuple[Floats, Floats, NDArray[np.int64], Rows]:
        """Boxes as centre and size float64 (N, 4), scores, class ids, and their rows in the detections."""
        corners = detections.boxes_xyxy.astype(np.float64)
        boxes = np.empty_like(corners)
        with np.errstate(invalid="ignore"):  # inf - inf: not good below
            np.subtract(corners[:, 2:], corners[:, :2], out=boxes[:, 2:])
            np.add(corners[:, :2], 0.5 * boxes[:, 2:], out=boxes[:, :2])
        sizes, scores = boxes[:, 2:], detections.scores.astype(np.float64)
        good = (sizes > 0) & (sizes < _LARGEST_PX)
        sure = detections.scores >= self.settings.low_score
        if good.all() and sure.all():
            return boxes, scores, detections.class_ids, np.arange(len(scores))
        rows = (sure & good.all(axis=1)).nonzero()[0]
        return boxes[rows], scores[rows], detections.class_ids[rows], rows

    def _associate(self, boxes: Floats, scores: Floats, class_ids: NDArray[np.int64]) -> tuple[Rows, Rows]:
        """Rows of tracks and of boxes that belong together."""
        if not len(boxes) or not len(self._table):
            return _NO_ROWS, _NO_ROWS
        fit = affinity(self._filter, self._table.scores, boxes, scores, self.settings)
        fit[self._table.kinds[:, None] != self._kinds[class_ids]] = -1.0
        high = scores >= self.settings.high_score
        if high.all():
            return assign(fit, self.settings.high_overlap)
        high_rows, low_rows = high.nonzero()[0], (~high).nonzero()[0]
        tracks, chosen = assign(fit.take(high_rows, axis=1), self.settings.high_overlap)
        if len(tracks) == len(self._table):
            return tracks, high_rows[chosen]
        free = np.ones(len(self._table), bool)
        free[tracks] = False
        left = free.nonzero()[0]
        more, low = assign(fit[left[:, None], low_rows], self.settings.low_overlap)
        return np.concatenate([tracks, left[more]]), np.concatenate([high_rows[chosen], low_rows[low]])

    def _births(self, boxes: Floats, scores: Floats, class_ids: NDArray[np.int64], taken: Rows) -> Rows:
        """Rows of boxes that begin a track: good, free, and no second box of what was already found."""
        free = scores >= self.settings.birth_score
        free[taken] = False
        born = free.nonzero()[0]
        if not len(born) or not len(taken):
            return born
        again = covered(boxes[born], boxes[taken]) >= self.settings.same_overlap
        again &= self._kinds[class_ids[born]][:, None] == self._kinds[class_ids[taken]]
        return born[~again.any(axis=1)]

    def _confirm(self, seen: Rows, at_s: float) -> None:
        """Give ids to those among the seen that have earned one, oldest track first."""
        table = self._table
        waiting = np.sort(seen[table.ids[seen] == 0])
        if not len(waiting):
            return
        sure = (table.hits[waiting] >= 2) & (table.trust[waiting] >= self.settings.confirm_score)
        sure &= at_s - table.first_s[waiting] >= self.settings.confirm_after_s
        if self._nothing_seen_yet:
            sure |= table.trust[waiting] >= self.settings.instant_score
        sure_rows = waiting[sure]
        table.ids[sure_rows] = np.arange(self._next_id, self._next_id + len(sure_rows))
        self._next_id += len(sure_rows)

    def _tell(self, seen: Rows, taken: Rows, boxes: Floats, rows: Rows, ended: tuple[int, ...], at_s: float) -> Tracks:
        table = self._table
        reported = (table.ids[seen] > 0) & (table.recent[seen] >= self.settings.report_score)
        seen, taken = seen[reported], taken[reported]
        order = np.argsort(seen)
        seen, taken = seen[order], taken[order]
        if not len(seen):
            return Tracks.none(self.labels, ended)
        # The detection is noisy and the filter is late: the mean of both is nearer to the truth than either.
        told = boxes[taken]
        told += self.settings.box_trust * (self._filter.boxes[:, seen].T - told)
        half = 0.5 * told[:, 2:]
        corners = np.empty((len(seen), 4), np.float32)
        np.subtract(told[:, :2], half, out=corners[:, :2], casting="same_kind")
        np.add(told[:, :2], half, out=corners[:, 2:], casting="same_kind")
        return Tracks(
            ids=table.ids[seen],
            boxes_xyxy=corners,
            velocity_xy=self._filter.mean[1, seen, :2].astype(np.float32),
            age_s=(at_s - table.first_s[seen]).astype(np.float32),
            scores=table.scores[seen].astype(np.float32),
            class_ids=table.votes[seen].argmax(axis=1),
            detection_rows=rows[taken],
            labels=self.labels,
            ended=ended,
        )

    def _forget_rumours(self, at_s: float) -> None:
        """A track that nobody confirmed lives only from one frame to the next."""
        stay = (self._table.ids > 0) | (self._table.last_s == at_s)
        if not stay.all():
            self._filter.keep(stay)
            self._table.keep(stay)
