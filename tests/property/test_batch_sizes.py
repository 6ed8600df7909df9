"""Any number of frames is cut into runs that hold each frame once, in order, and waste no more than they must."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sessions.batch_sizes import GPU_SIZES, BatchSizes

SIZES = st.sets(st.integers(1, 20), min_size=1, max_size=5).map(lambda sizes: tuple(sorted(sizes)))


@given(SIZES, st.integers(0, 100))
def test_every_picture_is_run_once_in_order_at_a_prepared_size(sizes, pictures):
    runs = BatchSizes(sizes).runs(pictures)
    assert [slot for run in runs for slot in range(run.first, run.first + run.pictures)] == list(range(pictures))
    assert all(run.padded in sizes and 1 <= run.pictures <= run.padded for run in runs)
    assert len(runs) == -(-pictures // sizes[-1])


@given(SIZES, st.integers(1, 100))
def test_no_smaller_prepared_size_would_have_held_a_run(sizes, pictures):
    for run in BatchSizes(sizes).runs(pictures):
        assert not [size for size in sizes if run.pictures <= size < run.padded]


@given(st.integers(1, 100))
def test_on_a_gpu_less_than_half_of_a_run_is_padding(pictures):
    assert all(2 * run.pictures > run.padded for run in BatchSizes(GPU_SIZES).runs(pictures))


def test_without_prepared_sizes_all_go_at_once():
    assert BatchSizes().runs(13) == [(0, 13, 13)]
    assert BatchSizes().runs(0) == []


@pytest.mark.parametrize("sizes", [(0, 1), (2, 1), (2, 2)])
def test_sizes_that_do_not_rise_are_refused(sizes):
    with pytest.raises(ValueError, match="rise"):
        BatchSizes(sizes)
