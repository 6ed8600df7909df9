"""A Kalman filter over many boxes at once, in closed form, for time steps of any length.

A box is centre x, centre y, width, height. Each of the four moves by itself: position and velocity, nothing shared. So
the 8×8 covariance of the usual filter (SORT, Bewley et al., ICIP 2016) is four blocks of 2×2, three numbers each, and
predict and update are a few products over (M, 4) arrays: no matrix, no loop. A test holds this to the plain 8×8 filter.

Velocity fades (an Ornstein-Uhlenbeck process: Li and Jilkov, "Survey of maneuvering target tracking I", 2003), so that
what is hidden does not run out of the picture, and its noise is integrated exactly over the step: two steps of 0.1 s
give what one of 0.2 s gives, whatever frames were dropped. That does the work of OC-SORT's re-update too (Cao et al.,
CVPR 2023): after a gap the velocity is uncertain, and the next box sets it anew.

Lengths are in box sizes, √(width · height), so a picture of another size is tracked the same. A box of low score is
believed less (Du et al., "GIAOTracker", ICCVW 2021: noise that falls with the score).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxMotion:
    """How boxes move and how well they are seen; pairs are (centre, size), unit: box sizes and seconds.

    seen_noise        standard deviation of a detected box with score 1 (with score 0: √2 times that)
    push_noise        root of the spectral density of the acceleration
    velocity_memory_s after this time a velocity has faded to 1/e
    first_speed       standard deviation of the velocity of what has just appeared
    """

    seen_noise: tuple[float, float] = (0.07, 0.08)
    push_noise: tuple[float, float] = (1.3, 0.3)
    velocity_memory_s: tuple[float, float] = (2.0, 0.5)
    first_speed: tuple[float, float] = (2.0, 0.3)


class BoxFilter:
    """The states of M boxes: mean float64 (2, M, 4), box and velocity per second; cov float64 (3, M, 4), pp, pv, vv.

    Kept as one array (4, 6, M): per coordinate its position, velocity, pp, pv, vv, and the box's area, which noise goes
    by. What time does to these six is linear, so that a step is one small matrix per coordinate; of a handful of boxes
    it is the number of operations that costs, not their size.
    """

    def __init__(self, motion: BoxMotion) -> None:
        self.motion = motion
        self._seen_var, self._first_var = (
            _per_coordinate(pair)[:, None] ** 2 for pair in (motion.seen_noise, motion.first_speed)
        )
        self._state: Floats = np.zeros((4, 6, 0))

    def __len__(self) -> int:
        return int(self._state.shape[2])

    @property
    def mean(self) -> Floats:
        """float64 (2, M, 4), where they are and how they move: a view."""
        return self._state[:, :2].transpose(1, 2, 0)

    @property
    def cov(self) -> Floats:
        """float64 (3, M, 4), how uncertain that is: a view."""
        return self._state[:, 2:5].transpose(1, 2, 0)

    @property
    def boxes(self) -> Floats:
        """float64 (4, M), centre x and y, width, height: a view."""
        return self._state[:, 0]

    @property
    def centre_variance(self) -> Floats:
        """float64 (2, M), of x and y: a view."""
        return self._state[:2, 2]

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget the boxes that are not chosen."""
        self._state = self._state[:, :, chosen]

    def add(self, boxes_cxcywh: Floats, scores: Floats) -> None:
        """Begin to follow boxes float64 (N, 4) that were seen now, at rest as far as is known."""
        boxes = boxes_cxcywh.T
        area = boxes[2] * boxes[3]
        state = np.zeros((4, 6, len(scores)))
        state[:, 0], state[:, 2], state[:, 4] = boxes, self._noise(area, scores), self._first_var * area
        self._state = np.concatenate([self._state, state], axis=2)

    def predict(self, dt_s: float) -> None:
        """Move every box dt_s seconds on. A size never falls below half of itself in one step."""
        if dt_s <= 0 or not len(self):
            return
        state = self._state
        np.multiply(state[2, 0], state[3, 0], out=state[:, 5])
        smallest = 0.5 * state[2:, 0]
        state = _step(self.motion, dt_s) @ state
        np.maximum(state[2:, 0], smallest, out=state[2:, 0])
        self._state = state

    def update(self, rows: Rows, boxes_cxcywh: Floats, scores: Floats) -> None:
        """Correct the boxes in rows by what was seen: float64 (len(rows), 4) and scores float64 (len(rows),)."""
        now = self._state.take(rows, axis=2)
        position = now[:, 0]
        gain = now[:, 2:4] / (now[:, 2] + self._noise(position[2] * position[3], scores))[:, None]  # of both means
        now[:, :2] += gain * (boxes_cxcywh.T - position)[:, None]
        now[:, 4] -= gain[:, 1] * now[:, 3]
        now[:, 2:4] *= 1 - gain[:, :1]
        self._state[:, :, rows] = now

    def sight_variance(self) -> Floats:
        """float64 (4, M): how far, squared, even a doubtful box (score 0) may be expected from each prediction."""
        position = self._state[:, 0]
        variance: Floats = self._state[:, 2] + self._seen_var * (2.0 * (position[2] * position[3]))
        return variance

    def _noise(self, area: Floats, scores: Floats) -> Floats:
        noise: Floats = self._seen_var * (area * (2.0 - scores))
        return noise


def _step(motion: BoxMotion, dt_s: float) -> Floats:
    """float64 (4, 6, 6): what dt_s seconds make of position, velocity, pp, pv, vv and area, per coordinate."""
    centre, size = (
        _step_of_one(dt_s, memory_s, push**2)
        for memory_s, push in zip(motion.velocity_memory_s, motion.push_noise, strict=True)
    )
    return np.array((centre, centre, size, size))


def _step_of_one(dt_s: float, memory_s: float, push_var: float) -> tuple[tuple[float, ...], ...]:
    fade = exp(-dt_s / memory_s)
    reach = memory_s * (1 - fade)  # what a velocity adds to a position
    # The noise that gathers meanwhile, integrated over the step; rounding may take its first term below 0.
    pp = max(0.0, push_var * memory_s**2 * (dt_s - 2 * reach + 0.5 * memory_s * (1 - fade**2)))
    pv, vv = push_var * 0.5 * reach**2, push_var * 0.5 * memory_s * (1 - fade**2)
    return (
        (1.0, reach, 0.0, 0.0, 0.0, 0.0),
        (0.0, fade, 0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, 2 * reach, reach**2, pp),
        (0.0, 0.0, 0.0, fade, fade * reach, pv),
        (0.0, 0.0, 0.0, 0.0, fade**2, vv),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    )


def _per_coordinate(pair: tuple[float, float]) -> Floats:
    centre, size = pair
    return np.array([centre, centre, size, size])
