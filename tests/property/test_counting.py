"""Counting under id loss, flicker, dropped frames and jitter: what is counted is what was walked."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamer.rules.geometry import Line, Zone
from streamer.rules.line_crossing import LineCrossingRule
from streamer.rules.loitering import LoiteringRule
from streamer.rules.occupancy import OccupancyRule
from streamer.track.stitch import StitchingTracker
from streamer.types import Detections, Frame, Tracks
from tests.walks import LABELS, ScriptedTracker, Street, Walk, true_crossings

MANY = settings(max_examples=60, deadline=None)
GATE = ((0.3, 0.5), (0.7, 0.5))
LANES = (0.12, 0.36, 0.5, 0.64, 0.88)  # the outer two lead round the line's ends
NOTHING = Detections.none(LABELS)


def stitched(street: Street) -> list[tuple[Frame, Tracks]]:
    """The street through a stitching tracker around one that loses its ids as drawn."""
    drawn = list(street.frames())
    tracker = StitchingTracker(ScriptedTracker([tracks for _, tracks in drawn]))
    return [(frame, tracker.update(NOTHING, frame.media_s)) for frame, _ in drawn]


def followable(street: Street, longest_s: float = 1.2) -> bool:
    """Whether anybody could follow them: seen near each way point, and never out of sight for longer than longest_s.

    Dropped frames, flicker and drawn losses add up now and then to more than that; such a draw has no known answer.
    """
    for number, walk in enumerate(street.walks):
        seen = street.sightings.get(number, [])
        if not all(any(abs(seen_s - t) <= 0.45 for seen_s in seen) for t, _, _ in walk.points):
            return False
        if any(b - a > longest_s for a, b in pairwise(seen)):
            return False
    return True


def _gone(dice: random.Random, start_s: float, end_s: float, *, longest_s: float) -> tuple[float, float]:
    """A span of being out of sight in the middle of a leg, so that nobody turns round while unseen."""
    length = min(longest_s, (end_s - start_s) * 0.6)
    middle = dice.uniform(start_s + 0.5 * (end_s - start_s) - 0.1, start_s + 0.5 * (end_s - start_s) + 0.1)
    return middle - length / 2, middle + length / 2


def _paces(dice: random.Random, lane: float, *, legs: int, losses: bool) -> Walk:
    """Up and down one lane, across the line's height on every leg, lost from sight in the middle of some."""
    points, gone, t, below = [], [], dice.uniform(0, 1), dice.random() < 0.5
    for leg in range(legs + 1):
        y = dice.uniform(0.6, 0.75) if below else dice.uniform(0.25, 0.4)
        if leg:
            before = t = t + dice.uniform(0.3, 1.0)  # they stand for a moment before they turn
            points.append((t, points[-1][1], points[-1][2]))
            t += abs(y - points[-1][2]) / dice.uniform(0.08, 0.16)  # picture heights a second: up to a brisk walk
            if losses and dice.random() < 0.6:
                gone.append(_gone(dice, before, t, longest_s=0.6))
        points.append((t, lane + dice.uniform(-0.01, 0.01), y))
        below = not below
    points.append((t + 0.5, points[-1][1], points[-1][2]))
    return Walk(tuple(points), gone=tuple(gone))


def _count(frames: list[tuple[Frame, Tracks]], band: float = 0.02) -> tuple[int, int]:
    rule = LineCrossingRule(name="gate", line=Line("gate", GATE), band=band)
    told = [evidence for frame, tracks in frames for evidence in rule.judge(frame, tracks)]
    assert len(told) == rule.forward + rule.backward
    return rule.forward, rule.backward


def _truth(walks: list[Walk]) -> tuple[int, int]:
    each = [true_crossings(walk, GATE) for walk in walks]
    return sum(forward for forward, _ in each), sum(backward for _, backward in each)


@MANY
@given(
    seed=st.integers(0, 10**9),
    lanes=st.sets(st.sampled_from(LANES), min_size=1, max_size=4),
    legs=st.integers(1, 5),
    fps=st.sampled_from([5.0, 8.0, 12.5, 25.0]),
)
def test_crossings_are_counted_once_whatever_the_tracker_loses(
    seed: int, lanes: set[float], legs: int, fps: float
) -> None:
    dice = random.Random(seed)
    walks = [_paces(dice, lane, legs=legs, losses=True) for lane in sorted(lanes)]
    street = Street(walks, fps=fps, drop=0.1, miss=0.15, jitter=0.009, seed=seed)
    frames = stitched(street)
    assume(followable(street))
    assert _count(frames) == _truth(walks)


@MANY
@given(seed=st.integers(0, 10**9), fps=st.sampled_from([5.0, 10.0, 25.0]))
def test_trembling_never_adds_a_crossing(seed: int, fps: float) -> None:
    # Somebody walks up to the line, stands on it for a while, and goes on or back.
    dice = random.Random(seed)
    turns_back = dice.random() < 0.5
    far = 0.3 if turns_back else 0.7
    stands = dice.uniform(0.495, 0.505)
    walk = Walk(((0, 0.5, 0.3), (2, 0.5, stands), (12, 0.5, stands), (14, 0.5, far)))
    frames = list(Street([walk], fps=fps, jitter=0.014, miss=0.1, seed=seed, true_ids=True, forget_s=5).frames())
    assert _count(frames) == ((0, 0) if turns_back else (1, 0))


@MANY
@given(seed=st.integers(0, 10**9), fps=st.sampled_from([4.0, 5.0, 10.0, 25.0]))
def test_stays_are_as_long_as_they_were_whatever_the_tracker_loses(seed: int, fps: float) -> None:
    dice = random.Random(seed)
    zone = Zone("yard", [(0.4, 0.3), (0.6, 0.3), (0.6, 0.8), (0.4, 0.8)])
    enters, stay_s, jitter = dice.uniform(1, 3), dice.uniform(4, 12), 0.004
    x = dice.uniform(0.45, 0.55)
    leaves = enters + 1 + stay_s
    gone = tuple(
        (at, at + dice.uniform(0.3, 0.8)) for at in (enters + 1 + stay_s * share for share in (0.2, 0.5)) if stay_s > 5
    )
    points = ((0, 0.4 - 0.05 * enters, 0.6), (enters, 0.4, 0.6), (enters + 1, x, 0.6), (leaves, x, 0.6))
    walk = Walk((*points, (leaves + 1, 0.6, 0.6), (leaves + 3, 0.7, 0.6)), gone=gone)
    street = Street([walk], fps=fps, miss=0.1, drop=0.05, jitter=jitter, seed=seed)
    rule = LoiteringRule(name="r", zone=zone, dwell_s=3)
    told = [(frame.media_s, e) for frame, tracks in stitched(street) for e in rule.judge(frame, tracks)]
    assume(followable(street))
    assert len({e.subject for _, e in told}) == 1
    # The stay runs from the first sighting inside to the last one; jitter leaves a few of them open.
    depth = {t: min(walk.at(t)[0] - 0.4, 0.6 - walk.at(t)[0]) for t in street.sightings[0]}
    surely = [t for t, inside in depth.items() if inside > jitter]
    perhaps = [t for t, inside in depth.items() if inside > -jitter]
    longest_s = max(e.measures["dwell_s"][0] for _, e in told)
    assert surely[-1] - surely[0] - 1e-9 <= longest_s <= perhaps[-1] - perhaps[0] + 1e-9


@MANY
@given(seed=st.integers(0, 10**9), count=st.integers(1, 6))
def test_as_many_are_in_the_room_as_walked_in_whatever_the_tracker_loses(seed: int, count: int) -> None:
    dice = random.Random(seed)
    room = Zone("room", [(0.02, 0.3), (0.98, 0.3), (0.98, 0.98), (0.02, 0.98)])
    walks = []
    for i in range(count):
        x = 0.1 + 0.15 * i
        spans = tuple((s, s + dice.uniform(0.2, 0.8)) for s in (dice.uniform(2, 3), dice.uniform(5, 6)))
        walks.append(Walk(((0, x, 0.5), (8, x + dice.uniform(-0.02, 0.02), 0.6)), gone=spans))
    rule = OccupancyRule(name="r", zone=room, above=0)
    street = Street(walks, fps=10, miss=0.1, drop=0.05, jitter=0.004, seed=seed, until_s=7.9)
    frames = stitched(street)
    assume(followable(street, longest_s=1.0))
    counts = []
    for frame, tracks in frames:
        rule.judge(frame, tracks)
        counts.append((frame.media_s, rule.present))
    assert all(present == count for at_s, present in counts if at_s >= 1.0)


@MANY
@given(
    seed=st.integers(0, 10**9),
    lanes=st.sets(st.sampled_from(LANES), min_size=1, max_size=5),
    fps=st.sampled_from([5.0, 12.5, 25.0]),
)
def test_everybody_keeps_one_name_and_no_two_share_one(seed: int, lanes: set[float], fps: float) -> None:
    dice = random.Random(seed)
    walks = [_paces(dice, lane, legs=3, losses=True) for lane in sorted(lanes)]
    street = Street(walks, fps=fps, miss=0.15, drop=0.1, jitter=0.009, seed=seed)
    frames, ended = stitched(street), []
    assume(followable(street))
    for _, tracks in frames:
        ids = tracks.ids.tolist()
        assert len(set(ids)) == len(ids)
        assert not set(ids) & set(ended)
        ended += tracks.ended
        assert len(set(ended)) == len(ended)
    names = {name for _, tracks in frames for name in tracks.ids.tolist()}
    assert names == set(range(1, len(walks) + 1))
