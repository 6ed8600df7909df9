"""Who belongs to whom, against scipy's solver of the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from streamer.track.assignment import best_pairs


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 25), st.integers(0, 25), st.floats(0, 1), st.sampled_from([1, 2, 16]))
def test_pairs_are_worth_the_most_there_can_be_and_each_row_and_column_has_one_at_most(
    seed: int, m: int, n: int, filled: float, digits: int
) -> None:
    random = np.random.default_rng(seed)
    # Few digits: many pairs worth the same, among which any choice is right.
    worth = np.where(random.random((m, n)) < filled, random.uniform(-0.3, 1, (m, n)).round(digits), 0.0)
    rows, columns = best_pairs(worth)
    gains = np.maximum(worth, 0.0)
    best = gains[linear_sum_assignment(gains, maximize=True)]
    assert worth[rows, columns].sum() == pytest.approx(best.sum(), abs=1e-9)
    assert (worth[rows, columns] > 0).all()
    assert (np.diff(rows) > 0).all()
    assert len(set(columns.tolist())) == len(columns)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_where_one_answer_is_best_it_is_the_same_pairs(seed: int, n: int) -> None:
    worth = np.random.default_rng(seed).uniform(0.1, 1, (n, n + 3))
    rows, columns = best_pairs(worth)
    expected = linear_sum_assignment(worth, maximize=True)
    assert (rows.tolist(), columns.tolist()) == (expected[0].tolist(), expected[1].tolist())
