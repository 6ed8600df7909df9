"""The filter in closed form against the plain one with 8×8 matrices, written from the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad_vec
from scipy.linalg import expm

from streamer.track.kalman import BoxFilter, BoxMotion

MOTION = BoxMotion()


class PlainFilter:
    """One box, 8 states (four positions, four velocities), matrices; noise by numerical integration."""

    def __init__(self, box: np.ndarray, score: float) -> None:
        self.x = np.concatenate([box, np.zeros(4)])
        first = np.repeat(MOTION.first_speed, 2) ** 2 * box[2] * box[3]
        self.p = np.diag(np.concatenate([self.noise(box, score), first]))

    def noise(self, box: np.ndarray, score: float) -> np.ndarray:
        return np.repeat(MOTION.seen_noise, 2) ** 2 * box[2] * box[3] * (2 - score)

    def predict(self, dt_s: float) -> None:
        drift = np.zeros((8, 8))
        drift[:4, 4:] = np.eye(4)
        drift[4:, 4:] = -np.diag(1 / np.repeat(MOTION.velocity_memory_s, 2))
        push = np.zeros((8, 8))
        push[4:, 4:] = np.diag(np.repeat(MOTION.push_noise, 2) ** 2 * self.x[2] * self.x[3])
        gathered, _ = quad_vec(lambda s: expm(drift * s) @ push @ expm(drift * s).T, 0, dt_s, epsabs=1e-10)
        f = expm(drift * dt_s)
        self.x, self.p = f @ self.x, f @ self.p @ f.T + gathered

    def update(self, box: np.ndarray, score: float) -> None:
        h = np.eye(4, 8)
        s = h @ self.p @ h.T + np.diag(self.noise(self.x[:4], score))
        k = self.p @ h.T @ np.linalg.inv(s)
        self.x = self.x + k @ (box - h @ self.x)
        self.p = (np.eye(8) - k @ h) @ self.p


def test_the_closed_form_is_the_plain_filter_with_matrices() -> None:
    random = np.random.default_rng(5)
    boxes = random.uniform([50, 50, 30, 60], [600, 400, 80, 200], (3, 4))
    scores = np.array([0.3, 0.8, 1.0])
    ours = BoxFilter(MOTION)
    ours.add(boxes, scores)
    plain = [PlainFilter(b, s) for b, s in zip(boxes, scores, strict=True)]
    for dt_s in (0.04, 0.04, 0.2, 1.3, 0.003):
        ours.predict(dt_s)
        for one in plain:
            one.predict(dt_s)
        seen = np.array([2, 0])  # in another order, and one of them hidden
        boxes = boxes + random.normal(0, 4, boxes.shape)
        ours.update(seen, boxes[seen], scores[seen])
        for i in seen:
            plain[i].update(boxes[i], scores[i])
        for i, one in enumerate(plain):
            np.testing.assert_allclose(ours.mean[:, i].ravel(), one.x, rtol=1e-9, atol=1e-8)
            for n, (a, b) in enumerate(((0, 0), (0, 4), (4, 4))):
                block = np.diag(one.p[a : a + 4, b : b + 4])
                np.testing.assert_allclose(ours.cov[n, i], block, rtol=1e-6, atol=1e-7)
            off_diagonal = one.p.reshape(2, 4, 2, 4)[:, ~np.eye(4, dtype=bool).any(axis=1)]
            assert not off_diagonal.any(), "coordinates never mix, or three numbers each would not be enough"


@pytest.mark.parametrize("parts", [(0.1, 0.1), (0.04, 0.16), (0.05, 0.05, 0.05, 0.05)])
def test_where_the_centre_will_be_does_not_depend_on_the_frames_between(parts: tuple[float, ...]) -> None:
    def after(steps: tuple[float, ...]) -> BoxFilter:
        filter_ = BoxFilter(MOTION)
        filter_.add(np.array([[100.0, 100.0, 40.0, 90.0]]), np.ones(1))
        filter_.mean[1, :, :2] = 30.0, -12.0
        for dt_s in steps:
            filter_.predict(dt_s)
        return filter_

    whole, pieces = after((0.2,)), after(parts)
    np.testing.assert_allclose(pieces.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(pieces.cov, whole.cov, rtol=1e-9)


def test_a_shrinking_box_never_turns_inside_out() -> None:
    filter_ = BoxFilter(MOTION)
    filter_.add(np.array([[100.0, 100.0, 40.0, 90.0]]), np.ones(1))
    filter_.mean[1, :, 2:] = -5000.0
    for _ in range(5):
        filter_.predict(0.5)
    assert (filter_.mean[0, :, 2:] > 0).all()


def test_no_time_passing_changes_nothing() -> None:
    filter_ = BoxFilter(MOTION)
    filter_.add(np.array([[100.0, 100.0, 40.0, 90.0]]), np.ones(1))
    before = filter_.mean.copy(), filter_.cov.copy()
    filter_.predict(0.0)
    np.testing.assert_array_equal(filter_.mean, before[0])
    np.testing.assert_array_equal(filter_.cov, before[1])
