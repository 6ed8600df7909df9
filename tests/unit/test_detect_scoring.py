"""The evaluator of the benchmarks, on cases that can be worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest

from models.average_precision import iou
from tests.benchmarks.scoring import curve_of, read_mot

A, B = [0.0, 0, 10, 10], [100.0, 100, 110, 110]
FAR = [500.0, 500, 510, 510]


def found(*rows):
    return np.array([row for row, _ in rows], float).reshape(-1, 4), np.array([score for _, score in rows], float)


def test_everything_found_is_one():
    truth = {1: np.array([A, B]), 2: np.array([A])}
    curve = curve_of(truth, {1: found((A, 0.9), (B, 0.2)), 2: found((A, 0.5))})
    assert curve.average_precision == pytest.approx(1.0)
    assert curve.best_f1() == (pytest.approx(1.0), pytest.approx(0.2))


def test_nothing_found_is_nought():
    assert curve_of({1: np.array([A])}, {}).average_precision == 0.0
    assert curve_of({1: np.array([A])}, {1: found()}).average_precision == 0.0
    assert curve_of({1: np.array([A])}, {1: found((FAR, 0.9))}).average_precision == 0.0


def test_a_curve_worked_out_on_paper():
    # By score: hit, miss, hit; 4 truths. precision 1, 1/2, 2/3 at recall 1/4, 1/4, 2/4: area 1/4·1 + 1/4·2/3.
    truth = {1: np.array([A, B]), 2: np.array([A, B])}
    curve = curve_of(truth, {1: found((A, 0.9), (FAR, 0.8)), 2: found((A, 0.7))})
    assert curve.average_precision == pytest.approx(0.25 + 0.25 * 2 / 3)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 4, 2 / 4])


def test_precision_is_interpolated_over_all_points():
    # miss, hit, hit; 2 truths: precision 0, 1/2, 2/3; the envelope is 2/3 everywhere.
    curve = curve_of({1: np.array([A, B])}, {1: found((FAR, 0.9), (A, 0.8), (B, 0.7))})
    assert curve.average_precision == pytest.approx(2 / 3)


def test_the_second_box_on_one_person_is_false():
    curve = curve_of({1: np.array([A])}, {1: found((A, 0.9), (A, 0.8))})
    assert curve.precision.tolist() == [1.0, 0.5]


def test_frames_without_truth_boxes_count_their_false_alarms_and_unlisted_frames_do_not():
    listed = curve_of({1: np.array([A]), 2: np.zeros((0, 4))}, {1: found((A, 0.5)), 2: found((A, 0.9))})
    unlisted = curve_of({1: np.array([A])}, {1: found((A, 0.5)), 2: found((A, 0.9))})
    assert listed.average_precision == pytest.approx(0.5)
    assert unlisted.average_precision == pytest.approx(1.0)


def test_overlap_of_half_is_enough_and_less_is_not():
    half, less = [0.0, 0, 10, 5], [0.0, 0, 10, 4.9]
    assert curve_of({1: np.array([A])}, {1: found((half, 0.5))}).average_precision == pytest.approx(1.0)
    assert curve_of({1: np.array([A])}, {1: found((less, 0.5))}).average_precision == 0.0
    np.testing.assert_allclose(iou(np.array([A]), np.array([half, A, B])), [[0.5, 1.0, 0.0]])


def test_mot_files_become_scaled_corners(tmp_path):
    (tmp_path / "gt.txt").write_text("1,9,10,20,30,40\n3,9,0,0,8,8,1,-1,-1,-1\n".replace(",1,-1,-1,-1", ""))
    boxes = read_mot(tmp_path / "gt.txt", scale=0.5)
    assert set(boxes) == {1, 3}
    np.testing.assert_allclose(boxes[1], [[5, 10, 20, 30]])
