"""Whether the light changed between two looks at one scene, and how: one gain and one offset for the whole picture.

A switch, a cloud or a camera's own exposure changes every brightness in nearly the same way; whatever moved does not
follow. So the line through (then, now) of all cells is fitted robustly, by least squares reweighted with Cauchy's
weights (Holland and Welsch 1977), which what covers less than half of the picture hardly bends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.float32]

_ROUNDS = 5
_SHARPEST = 1.5
"""Grey levels that count as agreement however calm a scene is: brightness comes in whole levels."""
_FLAT = 1.5
"""Root mean square of the steps from cell to cell, in grey levels, below which there are no edges to compare."""
_PARTS, _MOST_PARTS = 4, 0.75


@dataclass(frozen=True, slots=True)
class Light:
    """now = gain · then + offset, in grey levels; `spread` is what typically remains, as a standard deviation."""

    gain: float
    offset: float
    spread: float

    def on(self, then: Cells) -> Cells:
        """The same scene in this light: float32 like `then`, within 0 to 255."""
        lit: Cells = then * np.float32(self.gain)
        lit += np.float32(self.offset)
        np.maximum(lit, 0, out=lit)
        return np.minimum(lit, 255, out=lit)


def fit_light(then: Cells, now: Cells) -> Light:
    """The light that explains most cells; then and now are float32 (n,), n ≥ 1, the same cells at both times."""
    steady = _refined(then, now, 1.0, middle_of(now - then))
    if steady.spread <= _SHARPEST:
        return steady
    return min(steady, _refined(then, now, *_by_quantiles(then, now)), key=lambda light: light.spread)


def keeps_edges(then: Cells, now: Cells, where: NDArray[np.bool_]) -> bool | None:
    """Whether edges are where they were, inside `where`: if so, the light changed there and nothing came in between.

    float32 (h, w) both. Each of 16 parts of the picture is asked, and three in four must say so: in the picture as a
    whole the leaves of a tree that stayed outweigh a lorry. None where one of the two is too flat or too dark to show
    edges anywhere.
    """
    pairs = (where[:, 1:] & where[:, :-1]).astype(np.float32)
    steps_then, steps_now = np.diff(then, axis=1) * pairs, np.diff(now, axis=1) * pairs
    count = np.maximum(_in_parts(pairs), 1)
    power_then, power_now = _in_parts(np.square(steps_then)), _in_parts(np.square(steps_now))
    telling = np.minimum(power_then, power_now) > _FLAT**2 * count
    if not telling.any():
        return None
    same = _in_parts(steps_then * steps_now) > 0.5 * np.sqrt(power_then * power_now)
    return bool(np.mean(same[telling]) >= _MOST_PARTS)


def _in_parts(values: Cells) -> Cells:
    height, width = values.shape
    rows, columns = min(_PARTS, height), min(_PARTS, width)
    if not values.size:
        return np.zeros((1, 1), np.float32)
    above, left = (np.arange(n) * size // n for n, size in ((rows, height), (columns, width)))
    sums: Cells = np.add.reduceat(np.add.reduceat(values, above, axis=0), left, axis=1)
    return sums


def middle_of(values: Cells) -> float:
    """The median, or a neighbour of it. Sorted, because sorting has vector code and partitioning, so far, has not."""
    return float(np.sort(values)[len(values) // 2])


def _by_quantiles(then: Cells, now: Cells) -> tuple[float, float]:
    low_then, middle_then, high_then = _fifths(then)
    low_now, middle_now, high_now = _fifths(now)
    gain = (high_now - low_now) / (high_then - low_then) if high_then - low_then > 1 else 1.0
    return gain, middle_now - gain * middle_then


def _fifths(values: Cells) -> tuple[float, float, float]:
    """20, 50 and 80 percent, between neighbours where need be: numpy's percentile at a tenth of its cost."""
    ordered = np.sort(values)
    ordered = np.append(ordered, ordered[-1])
    low, middle, high = (_between(ordered, share * (len(values) - 1)) for share in (0.2, 0.5, 0.8))
    return low, middle, high


def _between(ordered: Cells, at: float) -> float:
    below = int(at)
    step = float(ordered[below + 1] - ordered[below])
    return float(ordered[below]) + step * (at - below)


def _refined(then: Cells, now: Cells, gain: float, offset: float) -> Light:
    left = now - np.float32(gain) * then - np.float32(offset)
    spread = 1.48 * middle_of(np.abs(left))
    for _ in range(_ROUNDS):
        weights = 1 / (1 + np.square(left * np.float32(1 / max(_SHARPEST, spread))))
        weights /= weights.sum()
        mean_then, mean_now = float(weights @ then), float(weights @ now)
        around = then - np.float32(mean_then)
        leaning = weights * around
        variance = float(leaning @ around)
        # In a scene of one brightness gain and offset cannot be told apart: then it is all offset.
        gain = max(0.0, float(leaning @ (now - np.float32(mean_now))) / variance) if variance > 1 else 1.0
        offset = mean_now - gain * mean_then
        left = now - np.float32(gain) * then - np.float32(offset)
        spread = 1.48 * middle_of(np.abs(left))
    return Light(gain, offset, spread)
