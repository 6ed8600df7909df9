"""How much of the last hour a camera was really watched: silence is not safety."""

from __future__ import annotations

import threading

_BUCKET_S = 60.0
_BUCKETS = 60


class Coverage:
    """Share of the last hour (or of the time since start, if shorter) that analysed frames stand for.

    An analysed frame stands for the time since the one before it, but for at most `reach_s`: after a longer gap the
    camera was not watched in between. Times are monotonic seconds; calls may come from any thread.
    """

    def __init__(self, started_s: float, reach_s: float) -> None:
        self._lock = threading.Lock()
        self._started_s = started_s
        self._reach_s = reach_s
        self._last_s: float | None = None
        self._covered: dict[int, float] = {}

    def reaches(self, reach_s: float) -> None:
        """From now on an analysed frame stands for so long at most."""
        with self._lock:
            self._reach_s = reach_s

    def analysed(self, at_s: float) -> None:
        """A frame that was received at this time has been analysed."""
        with self._lock:
            gap_s = self._reach_s if self._last_s is None else at_s - self._last_s
            self._last_s = at_s if self._last_s is None else max(at_s, self._last_s)
            bucket = int(at_s // _BUCKET_S)
            self._covered[bucket] = self._covered.get(bucket, 0.0) + min(max(gap_s, 0.0), self._reach_s)
            if len(self._covered) > _BUCKETS + 1:
                for old in [b for b in self._covered if b < bucket - _BUCKETS]:
                    del self._covered[old]

    def ratio(self, now_s: float) -> float:
        """In [0, 1]; 0 where nothing was analysed yet."""
        with self._lock:
            oldest = int(now_s // _BUCKET_S) - _BUCKETS
            covered_s = sum(seconds for bucket, seconds in self._covered.items() if bucket > oldest)
            span_s = min(now_s - self._started_s, _BUCKETS * _BUCKET_S)
            return min(1.0, covered_s / span_s) if span_s > 0 else 0.0
