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
    """The states of M boxes: mean float64 (2, M, 4), box and velocity per second; cov float64 (3, M, 4), pp, pv, vv."""

    def __init__(self, motion: BoxMotion) -> None:
        self.motion = motion
        self._seen_var, self._push_var, self._first_var = (
            _per_coordinate(pair) ** 2 for pair in (motion.seen_noise, motion.push_noise, motion.first_speed)
        )
        self._memory_s = _per_coordinate(motion.velocity_memory_s)
        self._step: tuple[float, tuple[Floats, ...]] = (-1.0, ())
        self.mean: Floats = np.zeros((2, 0, 4))
        self.cov: Floats = np.zeros((3, 0, 4))

    def __len__(self) -> int:
        return int(self.mean.shape[1])

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget the boxes that are not chosen."""
        self.mean, self.cov = self.mean[:, chosen], self.cov[:, chosen]

    def add(self, boxes_cxcywh: Floats, scores: Floats) -> None:
        """Begin to follow boxes float64 (N, 4) that were seen now, at rest as far as is known."""
        area = _area(boxes_cxcywh)
        mean = np.zeros((2, *boxes_cxcywh.shape))
        mean[0] = boxes_cxcywh
        cov = np.zeros((3, *boxes_cxcywh.shape))
        cov[0], cov[2] = self._noise(area, scores), self._first_var * area
        self.mean = np.concatenate([self.mean, mean], axis=1)
        self.cov = np.concatenate([self.cov, cov], axis=1)

    def predict(self, dt_s: float) -> None:
        """Move every box dt_s seconds on. A size never falls below half of itself in one step."""
        if dt_s <= 0 or not len(self):
            return
        fade, reach, *noise = self._integrals(dt_s)
        (box, velocity), (pp, pv, vv) = self.mean, self.cov
        area = _area(box)
        smallest = 0.5 * box[:, 2:]
        box += reach * velocity
        np.maximum(box[:, 2:], smallest, out=box[:, 2:])
        velocity *= fade
        reach_vv = reach * vv
        pp += reach * (2 * pv + reach_vv) + noise[0] * area
        pv += reach_vv
        pv *= fade
        pv += noise[1] * area
        vv *= fade * fade
        vv += noise[2] * area

    def update(self, rows: Rows, boxes_cxcywh: Floats, scores: Floats) -> None:
        """Correct the boxes in rows by what was seen: float64 (len(rows), 4) and scores float64 (len(rows),)."""
        mean, cov = self.mean[:, rows], self.cov[:, rows]
        gain = cov[:2] / (cov[0] + self._noise(_area(mean[0]), scores))  # of position, of velocity
        mean += gain * (boxes_cxcywh - mean[0])
        cov[2] -= gain[1] * cov[1]
        cov[:2] *= 1 - gain[0]
        self.mean[:, rows], self.cov[:, rows] = mean, cov

    def sight_variance(self) -> Floats:
        """float64 (M, 4): how far, squared, even a doubtful box (score 0) may be expected from each prediction."""
        variance: Floats = self.cov[0] + self._seen_var * (2.0 * _area(self.mean[0]))
        return variance

    def _noise(self, area: Floats, scores: Floats) -> Floats:
        noise: Floats = self._seen_var * (area * (2.0 - scores)[:, None])
        return noise

    def _integrals(self, dt_s: float) -> tuple[Floats, ...]:
        # fade of the velocity, reach (what a velocity adds to a position), and the noise that gathers in pp, pv, vv.
        # Cameras keep their rhythm: the last step's numbers are mostly right for this one.
        if self._step[0] != dt_s:
            self._step = (dt_s, _integrals(dt_s, self._memory_s, self._push_var))
        return self._step[1]


def _integrals(dt_s: float, memory_s: Floats, push_var: Floats) -> tuple[Floats, ...]:
    fade = np.array([exp(-dt_s / m) for m in memory_s])
    reach = memory_s * (1 - fade)
    pp = push_var * memory_s**2 * (dt_s - 2 * reach + 0.5 * memory_s * (1 - fade**2))
    return fade, reach, np.maximum(pp, 0.0), push_var * 0.5 * reach**2, push_var * 0.5 * memory_s * (1 - fade**2)


def _per_coordinate(pair: tuple[float, float]) -> Floats:
    centre, size = pair
    return np.array([centre, centre, size, size])


def _area(boxes_cxcywh: Floats) -> Floats:
    return boxes_cxcywh[:, 2:3] * boxes_cxcywh[:, 3:4]
