"""What analysis tells a camera's gate: who is there, whether anybody moves, and for how long nobody was."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.capture.vacancy import Vacancy
from streamer.presence import Presence, anybody_moves
from streamer.types import Tracks


def tracks(*each: tuple[tuple[float, float, float, float], tuple[float, float]]) -> Tracks:
    """Of boxes and velocities."""
    n = len(each)
    return Tracks(
        ids=np.arange(n),
        boxes_xyxy=np.array([box for box, _ in each], np.float32).reshape(n, 4),
        velocity_xy=np.array([velocity for _, velocity in each], np.float32).reshape(n, 2),
        age_s=np.ones(n, np.float32),
        scores=np.ones(n, np.float32),
        class_ids=np.zeros(n, np.int64),
        detection_rows=np.arange(n),
        labels=("person",),
    )


STANDS = ((100.0, 100.0, 140.0, 200.0), (3.0, 4.0))
WALKS = ((300.0, 100.0, 340.0, 200.0), (60.0, 0.0))
FAR_AND_SLOW = ((300.0, 100.0, 308.0, 120.0), (6.0, 0.0))


def test_somebody_moves_who_goes_on_by_a_third_of_his_size_in_a_second():
    assert not anybody_moves(tracks())
    assert not anybody_moves(tracks(STANDS))
    assert anybody_moves(tracks(STANDS, WALKS))
    assert anybody_moves(tracks(FAR_AND_SLOW))


def test_a_copy_knows_what_the_original_knows_and_is_told_seldom():
    presence, copy, told = Presence(), Presence(), 0
    for followed, alerted, moving in [(0, False, False)] * 12 + [(2, True, True)] * 7 + [(1, True, False)] * 5:
        before = presence.news
        presence.sees(followed, alerted, moving)
        if presence.news != before:
            told += 1
            copy.hears(presence.news)
        assert (copy.anybody, copy.alerted, copy.moving) == (presence.anybody, presence.alerted, presence.moving)
        assert 0 <= presence.vacant_frames - copy.vacant_frames < 5
    assert told == 4


def test_vacancy_grows_while_analysis_says_so_and_ends_with_somebody_or_with_its_silence():
    presence = Presence()
    vacancy = Vacancy(presence)
    lasted_s = []
    for look in range(60):  # five a second, as the frames
        if look < 40:
            presence.sees(1 if 20 <= look < 23 else 0)
        lasted_s.append(vacancy.lasted_s(look / 5))
    assert max(lasted_s[:5]) == 0  # the first five say little
    assert lasted_s[19] == pytest.approx(3.0)
    assert max(lasted_s[20:28]) == 0
    assert lasted_s[39] == pytest.approx(2.4)
    assert lasted_s[46] == pytest.approx(3.8)
    assert max(lasted_s[48:]) == 0  # analysis says nothing any more


def test_without_analysis_nobody_knows():
    assert Vacancy(None).lasted_s(10.0) == 0.0
