"""What happened, found in true boxes; where in the play a camera is; which alerts are right."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.demo.script import Ground
from streamer.demo.street import Street
from streamer.demo.truth import Event, Play, _inside, _spells, events_of
from streamer.demo.verdict import Opened, Sighting, compare, find_phase
from streamer.demo.views import GATE, PERIOD_S, SEED, VIEWS
from streamer.demo.watch import Post, posts

FPS = 10
SQUARE = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)]


def one_person(path: list[tuple[float, float]], seen: list[float] | None = None, class_id: int = 0) -> Play:
    feet = np.array(path, float)[:, None]
    visible = np.ones(len(path)) if seen is None else np.array(seen)
    return Play(FPS, feet, visible[:, None], np.zeros((len(path), 1, 4)), np.array([class_id]))


def watch(kind: str, **rule: Any) -> Post:
    return Post(GATE, {"spot": SQUARE}, {"kerb": [(0.4, 0.5), (0.6, 0.5)]}, ({"kind": kind, **rule},))


def stays(seconds_inside: float, total_s: float = 30.0, start_s: float = 5.0) -> list[tuple[float, float]]:
    return [
        (0.5, 0.5) if start_s <= i / FPS < start_s + seconds_inside else (0.1, 0.1) for i in range(int(total_s * FPS))
    ]


def test_somebody_in_the_zone_is_one_intrusion_from_entry_to_exit() -> None:
    events = events_of(one_person(stays(6.0)), watch("intrusion", zone="spot", labels=["person"]))
    assert events == [Event("intrusion", "spot", 5.0, 11.0, plain=True)]


def test_a_car_in_the_zone_is_no_intruder_where_people_are_meant() -> None:
    assert not events_of(one_person(stays(6.0), class_id=1), watch("intrusion", zone="spot", labels=["person"]))


def test_an_intruder_hidden_for_most_of_the_time_need_not_be_found() -> None:
    [event] = events_of(one_person(stays(6.0), [0.2] * 300), watch("intrusion", zone="spot", labels=["person"]))
    assert not event.plain


def test_a_stay_over_the_seam_of_the_loop_is_one_stay() -> None:
    path = np.roll(np.array(stays(6.0)), 220, axis=0)  # inside from 27 s to 3 s of the next round
    events = events_of(one_person([tuple(p) for p in path]), watch("intrusion", zone="spot", labels=["person"]))
    assert [(e.start_s, e.end_s) for e in events] == [(27.0, 33.0)]


@pytest.mark.parametrize(("stay_s", "found", "plain"), [(8.0, 0, False), (10.0, 1, False), (14.0, 1, True)])
def test_loitering_is_plain_only_with_time_to_spare(stay_s: float, found: int, plain: bool) -> None:
    events = events_of(one_person(stays(stay_s)), watch("loitering", zone="spot", dwell_s=10.0, labels=["person"]))
    assert len(events) == found
    assert all(event.plain == plain and event.start_s == pytest.approx(15.0) for event in events)


def test_crossing_there_and_back_is_two_crossings_and_passing_the_end_is_none() -> None:
    ys = np.concatenate([np.linspace(0.45, 0.55, 50), np.linspace(0.55, 0.45, 50)])
    rule = watch("line_crossing", line="kerb", labels=["person"])
    assert len(events_of(one_person([(0.5, y) for y in ys]), rule)) == 2
    assert not events_of(one_person([(0.7, y) for y in ys]), rule)


def test_who_comes_into_sight_beyond_the_line_has_crossed_nothing() -> None:
    path = [(0.5, 0.45)] * 20 + [(np.nan, np.nan)] * 20 + [(0.5, 0.55)] * 20 + [(np.nan, np.nan)] * 5
    assert not events_of(one_person(path), watch("line_crossing", line="kerb", labels=["person"]))


def test_a_car_that_stands_long_enough_has_stopped_and_a_slow_one_has_not() -> None:
    rule = watch("stopped", zone="spot", still_s=4.0, labels=["car"])
    drives = [(0.1 + 0.004 * i, 0.5) for i in range(100)]
    stands = [*drives, *[(0.5, 0.5)] * 80, *[(0.5 + 0.004 * i, 0.5) for i in range(100)]]
    [event] = events_of(one_person(stands, class_id=1), rule)
    assert event.plain
    assert event.start_s == pytest.approx(14.0, abs=0.2)
    crawls = [(0.4 + 0.0015 * i, 0.5) for i in range(130)] + [(0.1, 0.1)]
    assert not events_of(one_person(crawls, class_id=1), rule)


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_inside_agrees_with_opencv(x: float, y: float, reverse: bool) -> None:
    polygon = [(0.2, 0.1), (0.9, 0.3), (0.7, 0.8), (0.1, 0.6)]
    distance = cv2.pointPolygonTest(np.array(polygon, np.float32), (x, y), True)
    if abs(distance) < 1e-4:
        return
    ordered = polygon[::-1] if reverse else polygon
    assert bool(_inside(np.array([[[x, y]]]), ordered)[0, 0]) == (distance > 0)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_spells_on_a_circle_cover_what_holds_and_never_touch(holds: list[bool]) -> None:
    spells, n = _spells(np.array(holds)), len(holds)
    covered = [i % n for first, last in spells for i in range(first, last)]
    assert sorted(covered) == [i for i in range(n) if holds[i]]
    if not all(holds):
        assert all(not holds[first - 1] and not holds[last % n] for first, last in spells)


@pytest.fixture(scope="module")
def gate_play() -> Play:
    street = Street(GATE, SEED, PERIOD_S)
    return Play.of([street.truth(i / FPS) for i in range(round(PERIOD_S * FPS))], FPS, GATE.picture_wh)


@pytest.mark.parametrize("phase_s", [0.0, 2.1, 31.4, 55.8])
def test_the_phase_is_found_from_shaken_and_missing_boxes(gate_play: Play, phase_s: float) -> None:
    rng = np.random.default_rng(1)
    sightings = []
    for k in range(60):
        media_s = k * 0.2
        truth = gate_play.boxes[round((media_s + phase_s) * FPS) % len(gate_play.boxes)]
        boxes = truth[~np.isnan(truth[:, 0])]
        boxes = boxes[rng.random(len(boxes)) < 0.7] + rng.normal(0, 2, 4)
        sightings.append(Sighting(media_s, boxes))
    found = find_phase(gate_play, sightings)
    assert found is not None
    assert min(abs(found - phase_s), PERIOD_S - abs(found - phase_s)) <= 0.21


def test_no_phase_is_claimed_from_boxes_that_fit_nowhere(gate_play: Play) -> None:
    rng = np.random.default_rng(2)
    corners = rng.uniform(0, 300, (40, 3, 2))
    nonsense = [Sighting(i * 0.2, np.concatenate([c, c + 30], 1)) for i, c in enumerate(corners)]
    assert find_phase(gate_play, nonsense) is None
    assert find_phase(gate_play, []) is None


def test_a_saved_play_is_the_same_play(gate_play: Play, tmp_path: Any) -> None:
    gate_play.save(tmp_path / "play.npz")
    loaded = Play.load(tmp_path / "play.npz")
    assert np.array_equal(loaded.feet, gate_play.feet, equal_nan=True)
    assert loaded.period_s == gate_play.period_s == PERIOD_S


def test_the_demos_play_holds_every_kind_of_event_soon_and_plain() -> None:
    watched = posts(Ground())
    plain: set[str] = set()
    for camera, view in VIEWS.items():
        street = Street(view, SEED, PERIOD_S)
        play = Play.of([street.truth(i / FPS) for i in range(round(PERIOD_S * FPS))], FPS, view.picture_wh)
        events = [event for event in events_of(play, watched[camera]) if event.plain]
        plain |= {event.kind for event in events}
        if camera in ("gate", "yard"):
            assert min(e.start_s for e in events if e.kind == "intrusion") < 5.0
    assert plain >= {"intrusion", "loitering", "line_crossing", "stopped"}


EVENT = Event("intrusion", "yard", 10.0, 20.0, plain=True)


def test_an_alert_in_time_finds_its_event_in_every_round() -> None:
    alerts = [Opened("intrusion", "yard", 11.0), Opened("intrusion", "yard", 66.5)]
    verdict = compare([EVENT], 56.0, alerts, 0.0, 100.0)
    assert (verdict.true["intrusion"], verdict.found["intrusion"]) == (2, 2)
    assert not verdict.unexplained


def test_one_alert_finds_one_event_and_the_wrong_place_finds_none() -> None:
    twin = Event("intrusion", "yard", 12.0, 18.0, plain=True)
    verdict = compare(
        [EVENT, twin], 56.0, [Opened("intrusion", "yard", 12.5), Opened("intrusion", "road", 12.5)], 0.0, 40.0
    )
    assert (verdict.true["intrusion"], verdict.found["intrusion"]) == (2, 1)
    assert verdict.unexplained["intrusion"] == 1


def test_a_second_alert_on_the_same_event_is_a_repetition_and_one_on_nothing_is_unexplained() -> None:
    alerts = [Opened("intrusion", "yard", at_s) for at_s in (11.0, 15.0, 35.0)]
    verdict = compare([EVENT], 56.0, alerts, 0.0, 40.0)
    assert (verdict.found["intrusion"], verdict.repeated["intrusion"], verdict.unexplained["intrusion"]) == (1, 1, 1)


def test_an_event_that_was_not_watched_from_its_beginning_is_not_asked_for() -> None:
    assert not compare([EVENT], 56.0, [], 12.0, 40.0).true
    assert not compare([EVENT], 56.0, [], 0.0, 12.0).true


def test_an_event_at_the_edge_explains_an_alert_but_is_not_asked_for() -> None:
    edge = Event("intrusion", "yard", 10.0, 10.2, plain=False)
    verdict = compare([edge], 56.0, [Opened("intrusion", "yard", 10.1)], 0.0, 40.0)
    assert not verdict.true
    assert not verdict.unexplained
