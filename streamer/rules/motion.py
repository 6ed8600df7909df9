"""How fast something has been moving over the last second or so: steadier than a difference of two boxes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

POINTS_IN_WINDOW = 8


class Velocity(NamedTuple):
    """A least-squares velocity, in the units of the positions per second, and the time that it rests on."""

    x: float
    y: float
    over_s: float


class Motion:
    """Recent positions of every track of a camera, in any unit, and the velocity that fits them best.

    Positions are kept for window_s, at most POINTS_IN_WINDOW of them, so the cost does not grow with the frame rate.
    A velocity needs three positions over least_s: less is the detector's jitter.
    """

    def __init__(self, *, window_s: float = 1.0, least_s: float = 0.4) -> None:
        self._window_s, self._least_s = window_s, least_s
        self._spacing_s = window_s / POINTS_IN_WINDOW
        self._points: dict[int, deque[tuple[float, float, float]]] = {}

    def add(self, track: int, at_s: float, x: float, y: float) -> None:
        """The track was seen here."""
        points = self._points.get(track)
        if points is None:
            points = self._points[track] = deque()
        # The newest point is replaced until it is a spacing away from the one before: always fresh, never crowded.
        if len(points) >= 2 and at_s - points[-2][0] < self._spacing_s:
            points.pop()
        points.append((at_s, x, y))
        while at_s - points[0][0] > self._window_s:
            points.popleft()

    def velocity(self, track: int) -> Velocity | None:
        """The least-squares velocity over the window, or None where too little was seen."""
        points = self._points.get(track)
        if points is None or len(points) < 3:
            return None
        newest_s = points[-1][0]
        over_s = newest_s - points[0][0]
        if over_s < self._least_s:
            return None
        n, sum_t, sum_x, sum_y, sum_tt, sum_tx, sum_ty = len(points), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for at_s, x, y in points:
            t = at_s - newest_s  # small numbers: squares of a day's seconds would eat the precision
            sum_t += t
            sum_x += x
            sum_y += y
            sum_tt += t * t
            sum_tx += t * x
            sum_ty += t * y
        spread = n * sum_tt - sum_t * sum_t
        return Velocity((n * sum_tx - sum_t * sum_x) / spread, (n * sum_ty - sum_t * sum_y) / spread, over_s)

    def forget(self, tracks: tuple[int, ...]) -> None:
        """These tracks were given up."""
        for track in tracks:
            self._points.pop(track, None)

    def reset(self) -> None:
        """A new session begins."""
        self._points.clear()
