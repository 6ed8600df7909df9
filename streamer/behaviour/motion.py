"""The motion features of all tracks of one camera, computed together on grid steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PREDICTED: tuple[str, ...] = (
    "straightness", "straightness_10", "pace_3", "turning", "stillness", "width_change_1", "relative_speed",
)  # fmt: skip
"""The leading features, whose next values the track head foresees: how one gets along.

Whoever moves about without getting anywhere, as in a fall or a fight, or faster than people do here, stands out by
these for as long as it lasts. Chosen among all features on left-out clips of CAVIAR's train split.
"""

MOTION: tuple[str, ...] = (
    *PREDICTED,
    # Speeds, in bodies per second over the last 0.2, 0.4, 1 and 3 seconds.
    "speed_02", "speed_04", "speed_1", "speed_3", "sideways_1", "down_1", "peak_speed_3", "fidget",
    "acceleration",
    # The box: logarithms of ratios, now against 0.4 or 1 s ago, the track's slow average, or its look when walking.
    "aspect", "aspect_change_1", "aspect_from_usual", "aspect_from_walking", "height_change_04", "height_change_1",
    "height_from_usual", "height_from_walking", "height_of_body", "wobble_04", "wobble_1",
    # How it stays: log(1 + seconds), shares, log(1 + bodies).
    "still_s", "moving_s", "stillness_5", "stillness_20", "still_share", "longest_still_s", "age_s",
    "away", "path",
    # Others: all but alone_s fall to 0 with distance.
    "company", "approach", "overlap", "crowd", "company_5", "company_20", "together",
    "neighbour_speed", "neighbour_low", "alone_s",
)  # fmt: skip

Float64 = NDArray[np.float64]
Rows = NDArray[np.int64]

_RING = 51
_STILL_BODIES_PER_S = 0.3
_REACH_BODIES = 2.0
_NEIGHBOUR_STEPS = 5
"""A neighbour that was missed in this frame still stands where it was seen within so many steps."""
_LONG_S = 60.0
_WALKED_STEPS = 5


class MotionMemory:
    """The boxes of every track's last 10 seconds and a few slow averages, by row; rows are claimed and freed."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._free: list[int] = []
        self._size = 0
        self._allocate(16)

    def claim(self) -> int:
        """A row without a past."""
        if not self._free:
            self._allocate(2 * self._size)
        row = self._free.pop()
        for column in self._columns.values():
            column[row] = 0
        self._last_step[row] = -1
        return row

    def free(self, row: int) -> None:
        """Give a row back; it is nobody's neighbour any more."""
        self._last_step[row] = -1
        self._free.append(row)

    def step(self, step: int, rows: Rows, boxes: Float64) -> NDArray[np.float32]:
        """Take in the boxes of one grid step, float64 (m, 4): middle x, y, width, height → features (m, MOTION).

        Neighbours are seen as they are at this step, or were within the last second.
        """
        self._take(step, rows, boxes)
        values = {**self._paces(rows), **self._shapes(rows)}
        values |= self._stays(rows, values)
        values |= self._neighbours(step, rows, values)
        features = np.stack([values[name] for name in MOTION], axis=1)
        return np.asarray(np.clip(features, -10.0, 10.0), np.float32)

    # --- memory

    def _allocate(self, size: int) -> None:
        old = dict(self.__dict__.get("_columns", {}))
        shapes: dict[str, tuple[int, ...]] = {"ring": (_RING, 4), "count": (), "body": (), "birth": (2,), "slow": (2,)}
        shapes |= dict.fromkeys(("still_run", "moving_run", "still_all", "still_long", "path", "alone"), ())
        shapes |= {"stillness": (2,), "company": (2,), "low": (), "velocity": (2,), "upright": (2,), "walked": ()}
        self._columns: dict[str, Float64] = {name: np.zeros((size, *shape)) for name, shape in shapes.items()}
        for name, column in old.items():
            self._columns[name][: self._size] = column
        last_step = np.full(size, -1, np.int64)
        if old:
            last_step[: self._size] = self._last_step
        self._last_step: Rows = last_step
        self._free += range(size - 1, self._size - 1, -1)
        self._size = size

    def _take(self, step: int, rows: Rows, boxes: Float64) -> None:
        c = self._columns
        first = c["count"][rows] == 0
        # Neither side alone: from above a person is hardly higher than wide. And boxes are cut at the picture's edge: a
        # body grows as fast as it comes into view, and shrinks slowly.
        size = np.sqrt(boxes[:, 2] * boxes[:, 3])
        body = c["body"][rows]
        keep = np.where(size > body, 0.5, np.exp(-self._step_s / 3.0))
        c["body"][rows] = np.where(first, size, keep * body + (1 - keep) * size)
        logs = np.log(boxes[:, 2:])
        usual = np.exp(-self._step_s / 8.0)
        c["slow"][rows] = np.where(first[:, None], logs, usual * c["slow"][rows] + (1 - usual) * logs)
        c["birth"][rows] = np.where(first[:, None], boxes[:, :2], c["birth"][rows])
        ring = np.roll(c["ring"][rows], -1, axis=1)
        # A young track has always been where it was born: every look back finds something.
        ring[first] = boxes[first, None]
        ring[:, -1] = boxes
        c["ring"][rows] = ring
        c["count"][rows] += 1
        self._last_step[rows] = step

    def _back(self, rows: Rows, steps: int) -> tuple[Float64, Float64]:
        """(box some steps ago or at birth, (m, 4); seconds since then, at least one step, (m,))."""
        lived = np.minimum(self._columns["count"][rows] - 1, steps)
        return self._columns["ring"][rows, -1 - steps], np.maximum(lived, 1) * self._step_s

    def _velocity(self, rows: Rows, steps: int) -> Float64:
        """Bodies per second, (m, 2)."""
        before, for_s = self._back(rows, steps)
        way: Float64 = self._columns["ring"][rows, -1, :2] - before[:, :2]
        return way / (self._columns["body"][rows] * for_s)[:, None]

    # --- features

    def _paces(self, rows: Rows) -> dict[str, Float64]:
        c = self._columns
        middle, body = c["ring"][rows][:, :, :2], c["body"][rows]
        v_1 = self._velocity(rows, 5)
        speed_3 = np.hypot(*self._velocity(rows, 15).T)
        # 0.4 s pieces; those before birth do not count.
        pieces = np.linalg.norm(middle[:, 2:] - middle[:, :-2], axis=2) / (body[:, None] * 2 * self._step_s)
        lived = np.arange(_RING - 2) >= (_RING - c["count"][rows])[:, None]
        pace_10, speed_10 = _mean_of(pieces, lived), np.hypot(*self._velocity(rows, _RING - 1).T)
        pieces, lived = pieces[:, -14:], lived[:, -14:]
        pace_3 = _mean_of(pieces, lived)
        late = (middle[:, -1] - middle[:, -4]) / (body * 3 * self._step_s)[:, None]
        early = (middle[:, -4] - middle[:, -7]) / (body * 3 * self._step_s)[:, None]
        early_speed, late_speed = np.hypot(*early.T), np.hypot(*late.T)
        known = c["count"][rows] >= 7
        angle = np.abs(
            np.arctan2(early[:, 0] * late[:, 1] - early[:, 1] * late[:, 0], (early * late).sum(1))
        ) * np.tanh(2 * np.minimum(early_speed, late_speed))
        c["velocity"][rows] = v_1
        return {
            "speed_02": np.hypot(*self._velocity(rows, 1).T),
            "speed_04": np.hypot(*self._velocity(rows, 2).T),
            "speed_1": np.hypot(*v_1.T),
            "speed_3": speed_3,
            "pace_3": pace_3,
            "peak_speed_3": (pieces * lived).max(1),
            "sideways_1": np.abs(v_1[:, 0]),
            "down_1": v_1[:, 1],
            "acceleration": np.where(known, (late_speed - early_speed) / (3 * self._step_s), 0.0),
            "turning": np.where(known, angle, 0.0),
            "straightness": np.clip((speed_3 + 0.05) / (pace_3 + 0.05), 0.0, 1.5),
            "straightness_10": np.clip((speed_10 + 0.05) / (pace_10 + 0.05), 0.0, 1.5),
        }

    def _shapes(self, rows: Rows) -> dict[str, Float64]:
        c = self._columns
        logs = np.log(c["ring"][rows][:, :, 2:])
        now, usual = logs[:, -1], c["slow"][rows]
        low = now[:, 1] - np.log(c["body"][rows])
        c["low"][rows] = low
        changes = np.abs(np.diff(logs[:, -6:], axis=1)).sum(2)
        unlike_walking = np.where(c["walked"][rows][:, None] >= _WALKED_STEPS, now - c["upright"][rows], 0.0)
        return {
            "aspect": now[:, 0] - now[:, 1],
            "aspect_change_1": (now - logs[:, -6]) @ np.array([1.0, -1.0]),
            "aspect_from_usual": (now - usual) @ np.array([1.0, -1.0]),
            "height_change_04": now[:, 1] - logs[:, -3, 1],
            "height_change_1": now[:, 1] - logs[:, -6, 1],
            "width_change_1": now[:, 0] - logs[:, -6, 0],
            "height_of_body": low,
            "height_from_usual": now[:, 1] - usual[:, 1],
            "wobble_04": changes[:, -2:].mean(1) / self._step_s,
            "wobble_1": changes.mean(1) / self._step_s,
            "aspect_from_walking": unlike_walking @ np.array([1.0, -1.0]),
            "height_from_walking": unlike_walking[:, 1],
        }

    def _stays(self, rows: Rows, paces: dict[str, Float64]) -> dict[str, Float64]:
        c, step_s, speed = self._columns, self._step_s, paces["speed_1"]
        still = speed < _STILL_BODIES_PER_S
        c["still_run"][rows] = np.where(still, c["still_run"][rows] + step_s, 0.0)
        c["moving_run"][rows] = np.where(still, 0.0, c["moving_run"][rows] + step_s)
        c["still_all"][rows] += still * step_s
        c["still_long"][rows] = np.maximum(c["still_long"][rows], c["still_run"][rows])
        c["path"][rows] += np.where(c["count"][rows] > 1, paces["speed_04"] * step_s, 0.0)
        age = c["count"][rows] * step_s
        # How its box looks while it walks: whoever lies down later looks unlike that for as long as he lies.
        c["walked"][rows] += ~still & (c["count"][rows] > 1)
        weight = np.where(still, 0.0, np.maximum(1 - np.exp(-step_s / 3.0), 1 / np.maximum(c["walked"][rows], 1)))
        logs = np.log(c["ring"][rows, -1, 2:])
        c["upright"][rows] += weight[:, None] * (logs - c["upright"][rows])
        stillness = np.exp(-speed / _STILL_BODIES_PER_S)
        away = np.linalg.norm(c["ring"][rows, -1, :2] - c["birth"][rows], axis=1) / c["body"][rows]
        slow = self._averaged("stillness", rows, stillness)
        return {
            "stillness": stillness,
            "still_s": _long(c["still_run"][rows]),
            "moving_s": _long(c["moving_run"][rows]),
            "stillness_5": slow[:, 0],
            "stillness_20": slow[:, 1],
            "still_share": c["still_all"][rows] / age,
            "longest_still_s": _long(c["still_long"][rows]),
            "age_s": _long(age),
            "away": np.log1p(away),
            "path": np.log1p(c["path"][rows]),
            "fidget": paces["pace_3"] - paces["speed_3"],
        }

    def _neighbours(self, step: int, rows: Rows, own: dict[str, Float64]) -> dict[str, Float64]:
        """Everyone else of the last second; the nearest one in bodies is told about in more detail."""
        c = self._columns
        others = np.flatnonzero((self._last_step >= step - _NEIGHBOUR_STEPS) & (self._last_step >= 0))
        mine, theirs = c["ring"][rows], c["ring"][others]
        body = (c["body"][rows][:, None] + c["body"][others][None]) / 2
        far = np.linalg.norm(mine[:, None, -1, :2] - theirs[None, :, -1, :2], axis=2) / body
        far[rows[:, None] == others[None]] = np.inf
        near = np.exp(-far / _REACH_BODIES)
        nearest = far.argmin(1)
        at, m = others[nearest], np.arange(len(rows))
        company = near[m, nearest]
        before = np.linalg.norm(mine[:, -4, :2] - c["ring"][at][:, -4, :2], axis=1) / body[m, nearest]
        # How far both look back must be the same real way: who is younger than that has not been approached yet.
        known = (np.minimum(c["count"][rows], c["count"][at]) >= 4) & (company > 0)
        distance = np.where(company > 0, far[m, nearest], before)
        closing = np.where(known, (before - distance) / (3 * self._step_s), 0.0)
        velocity, other_velocity = c["velocity"][rows], c["velocity"][at]
        relative = np.linalg.norm(velocity - other_velocity, axis=1)
        speed, other_speed = own["speed_1"], np.linalg.norm(other_velocity, axis=1)
        cosine = (velocity * other_velocity).sum(1) / (speed * other_speed + 0.05)
        slow = self._averaged("company", rows, company)
        c["alone"][rows] = np.where(company > np.exp(-1.0), 0.0, c["alone"][rows] + self._step_s)
        return {
            "company": company,
            "approach": closing * company,
            "relative_speed": relative * company,
            "overlap": np.where(company > 0, _overlap(mine[:, -1], c["ring"][at, -1]), 0.0),
            "crowd": np.log1p(near.sum(1)),
            "company_5": slow[:, 0],
            "company_20": slow[:, 1],
            "together": cosine * company,
            "neighbour_speed": other_speed * company,
            "neighbour_low": c["low"][at] * company,
            "alone_s": _long(c["alone"][rows]),
        }

    def _averaged(self, name: str, rows: Rows, now: Float64) -> Float64:
        """Exponential averages over 5 and 20 seconds, (m, 2); of a young track, over its life."""
        column, lived = self._columns[name], self._columns["count"][rows]
        for n, over_s in enumerate((5.0, 20.0)):
            weight = np.maximum(1 - np.exp(-self._step_s / over_s), 1 / lived)
            column[rows, n] += weight * (now - column[rows, n])
        averaged: Float64 = column[rows]
        return averaged


def _mean_of(pieces: Float64, lived: NDArray[np.bool_]) -> Float64:
    mean: Float64 = (pieces * lived).sum(1) / np.maximum(lived.sum(1), 1)
    return mean


def _long(seconds: Float64) -> Float64:
    return np.log1p(np.minimum(seconds, _LONG_S))


def _overlap(a: Float64, b: Float64) -> Float64:
    """Shared area over the smaller one's, row by row; boxes (m, 4): middle x, y, width, height."""
    low = np.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    high = np.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    shared = np.clip(high - low, 0, None).prod(1)
    return np.asarray(shared / np.minimum(a[:, 2:].prod(1), b[:, 2:].prod(1)))
