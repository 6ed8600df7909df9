"""What is remembered about each track beside its motion: a struct of arrays with one row per track."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streamer.track.kalman import Floats, Rows


class TrackTable:
    """M tracks, oldest first.

    ids         int64 (M,), 0 until confirmed
    hits        int64 (M,), frames in which it was seen
    kinds       int (M,), see association.kinds_of
    first_s     float64 (M,), media time of the first and last_s of the last box
    trust       float64 (M,), sum of all scores
    recent      float64 (M,), mean score of late
    scores      float64 (M,), score of the last box
    votes       float64 (M, K), sum of scores per label
    """

    COLUMNS = ("ids", "hits", "kinds", "first_s", "last_s", "trust", "recent", "scores", "votes")

    def __init__(self, label_count: int) -> None:
        self.ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self.hits: NDArray[np.int64] = np.zeros(0, np.int64)
        self.kinds: NDArray[np.intp] = np.zeros(0, np.intp)
        self.first_s: Floats = np.zeros(0)
        self.last_s: Floats = np.zeros(0)
        self.trust: Floats = np.zeros(0)
        self.recent: Floats = np.zeros(0)
        self.scores: Floats = np.zeros(0)
        self.votes: Floats = np.zeros((0, label_count))

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget the tracks that are not chosen."""
        for name, column in self._columns():
            setattr(self, name, column[chosen])

    def add(self, scores: Floats, class_ids: NDArray[np.int64], kinds: NDArray[np.intp], at_s: float) -> None:
        """Append tracks that were seen for the first time; their hits and votes are counted by see()."""
        n = len(scores)
        begun: dict[str, NDArray[np.generic]] = {
            "kinds": kinds,
            "first_s": np.full(n, at_s),
            "last_s": np.full(n, at_s),
            "recent": scores,
        }
        for name, column in self._columns():
            more = begun.get(name, np.zeros((n, *column.shape[1:]), column.dtype))
            setattr(self, name, np.concatenate([column, more]))
        self.see(np.arange(len(self) - n, len(self)), scores, class_ids, at_s, memory_s=1.0)

    def see(self, rows: Rows, scores: Floats, class_ids: NDArray[np.int64], at_s: float, memory_s: float) -> None:
        """Count a box for each of the tracks in rows; the mean of late forgets with memory_s."""
        hits = self.hits[rows] + 1
        self.hits[rows] = hits
        # A plain mean at first, then one that forgets with time, not with frames.
        weight = np.maximum(1.0 - np.exp((self.last_s[rows] - at_s) / memory_s), 1.0 / hits)
        recent = self.recent[rows]
        self.recent[rows] = recent + weight * (scores - recent)
        self.trust[rows] += scores
        self.scores[rows] = scores
        self.last_s[rows] = at_s
        self.votes[rows, class_ids] += scores

    def _columns(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        for name in self.COLUMNS:
            yield name, getattr(self, name)
