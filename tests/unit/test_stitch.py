"""Lasting names for tracks whose ids the tracker loses."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.track.stitch import StitchingTracker
from streamer.types import Detections, Tracks
from tests.walks import LABELS, ScriptedTracker, tracks_of

NOTHING = Detections.none(LABELS)
NOBODY = Tracks.none(LABELS)


def names(*script: tuple[float, Tracks], patience_s: float = 2.0) -> list[list[int]]:
    """The names given at each moment of a script."""
    tracker = StitchingTracker(ScriptedTracker([tracks for _, tracks in script]), patience_s=patience_s)
    return [tracker.update(NOTHING, at_s).ids.tolist() for at_s, _ in script]


def ended(*script: tuple[float, Tracks], patience_s: float = 2.0) -> list[tuple[int, ...]]:
    """The names given up at each moment of a script."""
    tracker = StitchingTracker(ScriptedTracker([tracks for _, tracks in script]), patience_s=patience_s)
    return [tracker.update(NOTHING, at_s).ended for at_s, _ in script]


def test_a_track_that_begins_where_another_was_lost_keeps_its_name() -> None:
    assert names((0, tracks_of((7, 0.5, 0.5))), (0.5, NOBODY), (1, tracks_of((9, 0.51, 0.5)))) == [[1], [], [1]]


def test_somebody_who_walks_on_unseen_is_expected_further_on() -> None:
    walking = tracks_of((7, 0.3, 0.5), velocity=(0.2, 0.0))
    assert names((0, walking), (1, tracks_of((9, 0.5, 0.5)))) == [[1], [1]]
    standing = tracks_of((7, 0.3, 0.5))
    assert names((0, standing), (1, tracks_of((9, 0.5, 0.5)))) == [[1], [2]]


def test_a_flicker_between_two_ids_is_one_name() -> None:
    a, b = tracks_of((1, 0.5, 0.5)), tracks_of((2, 0.5, 0.5))
    assert names((0, a), (0.2, b), (0.4, a), (0.6, b), (0.8, a)) == [[1]] * 5


def test_two_who_are_seen_at_once_are_never_one() -> None:
    pair = tracks_of((1, 0.50, 0.5), (2, 0.51, 0.5))
    assert names((0, pair), (0.2, pair)) == [[1, 2], [1, 2]]


def test_who_was_born_while_the_other_was_still_seen_is_somebody_else() -> None:
    # A track is told only once it is confirmed: at 0.6 s it has been there for 0.5 s, beside the other.
    late = tracks_of((2, 0.51, 0.5), age_s=0.5)
    assert names((0, tracks_of((1, 0.5, 0.5))), (0.4, tracks_of((1, 0.5, 0.5))), (0.6, late)) == [[1], [1], [2]]


def test_who_comes_back_while_another_has_the_name_gets_one_of_their_own() -> None:
    script = [
        (0.0, tracks_of((1, 0.5, 0.5))),
        (0.4, tracks_of((2, 0.5, 0.5))),  # taken for 1
        (0.6, tracks_of((1, 0.52, 0.5), (2, 0.5, 0.5))),  # but 1 is back: they are two
        (0.8, tracks_of((1, 0.52, 0.5), (2, 0.5, 0.5))),
    ]
    assert names(*script) == [[1], [1], [2, 1], [2, 1]]


def test_who_comes_back_far_from_where_the_name_went_is_somebody_else() -> None:
    script = [
        (0.0, tracks_of((1, 0.5, 0.5))),
        (0.4, tracks_of((2, 0.5, 0.5), velocity=(0.3, 0))),
        (1.4, tracks_of((2, 0.8, 0.5), velocity=(0.3, 0))),
        (1.6, tracks_of((1, 0.5, 0.5))),
    ]
    assert names(*script) == [[1], [1], [1], [2]]


@pytest.mark.parametrize(
    "other",
    [
        tracks_of((2, 0.5, 0.5), label="car"),
        tracks_of((2, 0.5, 0.5), wh=(0.1, 0.4)),  # twice as tall
        tracks_of((2, 0.7, 0.5)),  # far away
    ],
)
def test_another_kind_size_or_place_is_somebody_else(other: Tracks) -> None:
    assert names((0, tracks_of((1, 0.5, 0.5))), (0.4, other)) == [[1], [2]]


def test_patience_ends() -> None:
    first, second = tracks_of((1, 0.5, 0.5)), tracks_of((2, 0.5, 0.5))
    assert names((0, first), (1.9, second)) == [[1], [1]]
    assert names((0, first), (2.1, second)) == [[1], [2]]


def test_the_nearest_pairs_go_together_whatever_their_order() -> None:
    both = tracks_of((1, 0.50, 0.5), (2, 0.54, 0.5))
    swapped = tracks_of((3, 0.542, 0.5), (4, 0.502, 0.5))
    assert names((0, both), (0.4, swapped)) == [[1, 2], [2, 1]]


def test_a_name_ends_once_and_only_when_nothing_can_go_on_under_it() -> None:
    a, b = tracks_of((1, 0.5, 0.5)), tracks_of((2, 0.5, 0.5))
    gone_2 = Tracks.none(LABELS, ended=(2,))
    # 1 is given up by the tracker while 2 goes on under its name; then 2 is lost, and patience with it.
    script = [(0, a), (0.4, b), (1.0, tracks_of((2, 0.5, 0.5), ended=(1,))), (2.0, gone_2), (2.9, NOBODY)]
    assert ended(*script) == [()] * 5
    assert ended(*script, (3.1, NOBODY), (3.3, NOBODY))[-2:] == [(1,), ()]


def test_a_tracker_that_has_more_patience_keeps_the_name_alive() -> None:
    a = tracks_of((1, 0.5, 0.5))
    script = [(0, a), (1, NOBODY), (5, NOBODY), (8, tracks_of((1, 0.9, 0.9)))]
    assert ended(*script) == [()] * 4
    assert names(*script) == [[1], [], [], [1]]


def test_ages_count_from_the_first_sight_under_the_name() -> None:
    script = [(0.0, tracks_of((1, 0.5, 0.5))), (1.0, tracks_of((2, 0.5, 0.5)))]
    tracker = StitchingTracker(ScriptedTracker([tracks for _, tracks in script]))
    ages = [tracker.update(NOTHING, at_s).age_s for at_s, _ in script]
    np.testing.assert_allclose(np.concatenate(ages), [0.0, 1.0])


def test_after_a_reset_names_start_from_one_and_nobody_is_remembered() -> None:
    tracker = StitchingTracker(ScriptedTracker([tracks_of((1, 0.5, 0.5)), tracks_of((1, 0.2, 0.5), (2, 0.5, 0.5))]))
    tracker.update(NOTHING, 0.0)
    tracker.reset()
    assert tracker.update(NOTHING, 0.2).ids.tolist() == [1, 2]


def test_everything_but_names_and_ages_is_the_trackers_own() -> None:
    inner = tracks_of((5, 0.5, 0.5), (6, 0.2, 0.5), velocity=(0.1, 0.2))
    out = StitchingTracker(ScriptedTracker([inner])).update(NOTHING, 3.0)
    assert out.boxes_xyxy is inner.boxes_xyxy
    assert out.velocity_xy is inner.velocity_xy
    assert out.detection_rows is inner.detection_rows
    assert out.ids.dtype == np.int64
    assert out.age_s.dtype == np.float32
