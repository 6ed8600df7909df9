"""Whatever a stream says about its times, those that are passed on rise, and no frame is lost on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.capture.timeline import Timeline
from streamer.errors import SourceCorrupt

times = st.one_of(st.none(), st.floats(-20, 60, allow_nan=False), st.integers(0, 40).map(lambda n: n / 25))
streams = st.lists(st.tuples(times, times), max_size=40)


def run(pairs, reorders=False):
    """Everything that came back, in order; and whether the timeline gave up."""
    timeline = Timeline("gate", reorders=reorders)
    placed = []
    try:
        for item, (pts_s, dts_s) in enumerate(pairs):
            placed += timeline.add(item, pts_s, dts_s)
        placed += timeline.flush()
    except SourceCorrupt:
        return placed, True
    return placed, False


@settings(max_examples=300, deadline=None)
@given(pairs=streams, reorders=st.booleans())
def test_times_rise_strictly_from_nought_whatever_the_stream_says(pairs, reorders):
    placed, _ = run(pairs, reorders)
    media = [p.media_s for p in placed if p.media_s is not None]
    assert all(later > earlier for earlier, later in pairwise(media))
    assert media[:1] in ([], [0.0])


@settings(max_examples=300, deadline=None)
@given(pairs=streams, reorders=st.booleans())
def test_every_frame_comes_back_once_and_in_order(pairs, reorders):
    placed, gave_up = run(pairs, reorders)
    items = [p.item for p in placed]
    assert items == list(range(len(items)))
    assert gave_up or len(items) == len(pairs)


@settings(max_examples=200, deadline=None)
@given(
    fps=st.sampled_from([5, 10, 12.5, 24, 25, 30, 50]),
    origin=st.floats(-1e4, 1e6),
    lost=st.sets(st.integers(1, 39), max_size=10),
    unnamed_first=st.booleans(),
    reorders=st.booleans(),
)
def test_an_honest_stream_keeps_its_times_even_where_frames_were_lost(fps, origin, lost, unnamed_first, reorders):
    truth = [n / fps for n in range(40) if n not in lost]
    pairs = [(origin + t, None) for t in truth]
    if unnamed_first:
        # How far a nameless first frame lies before the second can only be told where frames are evenly spaced.
        truth = [n / fps for n in range(40) if n not in lost or n < 9]
        pairs = [(origin + t, None) for t in truth]
        pairs[0] = (None, None)
    placed, gave_up = run(pairs, reorders)
    assert not gave_up
    assert [p.media_s for p in placed] == pytest.approx(truth, abs=1e-5)
    assert [p.stream_s for p in placed] == pytest.approx([origin + t for t in truth], abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, 3]), min_size=10, max_size=20), st.sampled_from([10, 25]))
def test_b_frames_stamped_in_decoding_order_get_the_times_of_their_places(groups, fps):
    """A mini-GOP of b B-frames is sent P B…B and shown B…B P; the server stamps what it sends by counting."""
    sent, shown = [0], [0]
    for b in groups:
        first = len(sent)
        sent += [first + b, *range(first, first + b)]  # display numbers in sending order
        shown += range(first, first + b + 1)
    stamp = {display: n / fps for n, display in enumerate(sent)}
    pairs = [(stamp[display], n / fps) for n, display in enumerate(shown)]
    placed, gave_up = run(pairs, reorders=True)
    assert not gave_up
    media = [p.media_s for p in placed]
    assert None not in media
    # Exact where B-frames show in the opening; else late by at most one mini-GOP, and at the right rate.
    slack = 0.0 if any(groups[:2]) else max(groups) / fps
    assert all(-1e-6 <= m - n / fps <= slack + 1e-6 for n, m in enumerate(media))


@pytest.mark.parametrize(("by_s", "way"), [(12.4, "ahead"), (-12.4, "back")])
def test_a_jump_ends_the_session_and_says_how_far(by_s, way):
    timeline = Timeline("gate", reorders=False)
    for n in range(500):
        timeline.add(n, n / 25, None)
    with pytest.raises(SourceCorrupt, match=rf"camera 'gate': timestamps jumped {way} 12\.4 s"):
        timeline.add(500, 499 / 25 + by_s, None)


def test_a_duplicate_is_dropped_and_its_neighbours_keep_their_times():
    placed, _ = run([(0.0, None), (0.04, None), (0.04, None), (0.08, None)])
    assert [p.media_s for p in placed] == [0.0, 0.04, None, 0.08]


def test_a_clock_set_back_by_two_seconds_costs_one_frame_and_time_goes_on():
    placed, gave_up = run([(10 + n / 25, None) for n in range(50)] + [(8 + n / 25, None) for n in range(50)])
    assert not gave_up
    media = [p.media_s for p in placed]
    assert media.count(None) == 1
    assert media[-1] == pytest.approx(98 / 25, abs=0.001)


def test_a_frame_without_a_time_after_a_pause_belongs_to_those_after_it():
    placed, _ = run([(0.0, None), (0.1, None), (0.2, None), (None, None), (3.1, None), (3.2, None)])
    assert [p.media_s for p in placed] == pytest.approx([0, 0.1, 0.2, 3.0, 3.1, 3.2])


def test_frames_that_never_have_a_time_are_counted_at_the_declared_rate():
    timeline = Timeline("gate", reorders=False, nominal_s=0.1)
    placed = [p for n in range(6) for p in timeline.add(n, None, None)] + timeline.flush()
    assert [p.media_s for p in placed] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_times_that_stand_still_are_refused_in_the_end():
    timeline = Timeline("gate", reorders=False)
    for n in range(Timeline.MOST_DROPPED_IN_A_ROW + 1):
        timeline.add(n, 5.0, None)
    with pytest.raises(SourceCorrupt, match="do not rise"):
        timeline.add(99, 5.0, None)
