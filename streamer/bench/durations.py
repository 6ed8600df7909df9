"""A book of durations, by what they are of: percentiles of what was measured, not of a histogram's buckets."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations lie, in milliseconds; `samples` of them."""

    samples: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float

    def as_dict(self) -> dict[str, float]:
        """For JSON, to a microsecond."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


class DurationBook:
    """Durations in seconds under names; may be written from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, seconds: float) -> None:
        """One more."""
        with self._lock:
            self._seconds[name].append(seconds)

    def forget(self) -> None:
        """Begin anew: what came so far was warming up."""
        with self._lock:
            self._seconds.clear()

    def spreads(self) -> dict[str, Spread]:
        """By name, in the order in which the names first came."""
        with self._lock:
            return {name: spread(seconds) for name, seconds in self._seconds.items()}


def spread(seconds: list[float]) -> Spread:
    """Percentiles are durations that really occurred: the smallest that is not exceeded by the given share."""
    if not seconds:
        return Spread(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ms = np.asarray(seconds) * 1e3
    p50, p90, p99 = np.quantile(ms, [0.5, 0.9, 0.99], method="inverted_cdf")
    return Spread(len(ms), float(ms.mean()), float(p50), float(p90), float(p99), float(ms.max()))
