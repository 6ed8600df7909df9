"""Rules on tracks, each in a drawn walk with known truth."""

from __future__ import annotations

import pytest

from streamer.rules.geometry import Line, Zone
from streamer.rules.intrusion import IntrusionRule
from streamer.rules.line_crossing import LineCrossingRule
from streamer.rules.loitering import LoiteringRule
from streamer.rules.occupancy import OccupancyRule
from streamer.rules.sightings import Sightings
from streamer.rules.speeding import SpeedingRule
from streamer.rules.stopped import StoppedRule
from streamer.rules.wrong_direction import WrongDirectionRule
from streamer.stages import Rule
from streamer.types import Evidence, Tracks
from tests.walks import ASPECT, LABELS, Street, Walk, frame_at, tracks_of

YARD = Zone("yard", [(0.4, 0.4), (0.6, 0.4), (0.6, 0.9), (0.4, 0.9)])
ROAD = Zone("road", [(0.0, 0.3), (1.0, 0.3), (1.0, 0.9), (0.0, 0.9)])
GATE = Line("gate", [(0.3, 0.5), (0.7, 0.5)])
THROUGH_THE_YARD = Walk(((0, 0.1, 0.6), (8, 0.9, 0.6)))  # inside from 3 s to 5 s


def judged(rule: Rule, street: Street) -> list[tuple[float, Evidence]]:
    """Everything that the rule says, with its time."""
    return [(frame.media_s, e) for frame, tracks in street.frames() for e in rule.judge(frame, tracks)]


# --- intrusion ---


def test_intrusion_holds_while_somebody_is_inside() -> None:
    said = judged(IntrusionRule(name="r", zone=YARD), Street([THROUGH_THE_YARD]))
    assert (said[0][0], said[-1][0]) == (pytest.approx(3.0, abs=0.11), pytest.approx(5.0, abs=0.11))
    assert len(said) in (20, 21)
    first = said[0][1]
    assert (first.subject, first.text, first.place, first.label) == ("track:1", "person is in yard", "yard", "person")
    assert first.track_ids == (1,)
    assert first.box_xyxy is not None
    assert first.box_xyxy[3] == pytest.approx(0.6 * 360)
    assert not first.momentary


def test_feet_count_and_not_the_body_unless_the_centre_is_asked_for() -> None:
    beyond = tracks_of((1, 0.5, 0.95))  # feet below the yard, body in it
    assert not IntrusionRule(name="r", zone=YARD).judge(frame_at(0), beyond)
    [evidence] = IntrusionRule(name="r", zone=YARD, anchor="centre").judge(frame_at(0), beyond)
    assert evidence.trail == ((0, pytest.approx(0.5), pytest.approx(0.85)),)


def test_labels_and_scores_choose_who_counts() -> None:
    rule = IntrusionRule(name="r", zone=YARD, labels=frozenset({"car"}), min_score=0.6)
    assert not rule.judge(frame_at(0.0), tracks_of((1, 0.5, 0.5), label="person"))
    assert not rule.judge(frame_at(0.1), tracks_of((2, 0.5, 0.5), label="car", score=0.5))
    assert rule.judge(frame_at(0.2), tracks_of((3, 0.5, 0.5), label="car", score=0.7))


def test_a_score_that_flickers_is_evened_out() -> None:
    rule = IntrusionRule(name="r", zone=YARD, min_score=0.6)
    scores = [0.8, 0.4, 0.8, 0.8, 0.3, 0.8, 0.8]  # on average well above the limit
    held = [bool(rule.judge(frame_at(i / 10), tracks_of((1, 0.5, 0.5), score=s))) for i, s in enumerate(scores)]
    assert all(held)
    lucky = [0.4, 0.4, 0.4, 0.65, 0.4, 0.4]  # once above it is nobody yet
    rule.reset()
    assert not any(rule.judge(frame_at(i / 10), tracks_of((1, 0.5, 0.5), score=s)) for i, s in enumerate(lucky))


def test_who_leaps_through_a_thin_zone_between_two_frames_is_seen() -> None:
    thin = Zone("strip", [(0.49, 0.1), (0.51, 0.1), (0.51, 0.9), (0.49, 0.9)])
    runner = Walk(((0.05, 0.1, 0.5), (2.05, 0.9, 0.5)))  # 0.08 per frame at 5 a second: the strip is 0.02 wide
    said = judged(IntrusionRule(name="r", zone=thin), Street([runner], fps=5))
    assert [e.text for _, e in said] == ["person went through strip between two frames"]


def test_who_was_out_of_sight_for_long_may_have_walked_round_the_zone() -> None:
    rule = IntrusionRule(name="r", zone=YARD)
    assert not rule.judge(frame_at(0.0), tracks_of((1, 0.3, 0.6)))
    assert not rule.judge(frame_at(3.0), tracks_of((1, 0.7, 0.6)))


def test_walking_out_is_no_leap() -> None:
    rule = IntrusionRule(name="r", zone=YARD)
    assert rule.judge(frame_at(0.0), tracks_of((1, 0.5, 0.6)))
    assert not rule.judge(frame_at(0.2), tracks_of((1, 0.7, 0.6)))


# --- loitering ---


def test_loitering_holds_once_the_stay_is_long_enough() -> None:
    stay = Walk(((0, 0.1, 0.6), (3, 0.5, 0.6), (10, 0.52, 0.6), (13, 0.9, 0.6)))  # in the yard from 2.25 s to 10.6 s
    said = judged(LoiteringRule(name="r", zone=YARD, dwell_s=5), Street([stay]))
    assert said[0][0] == pytest.approx(7.3, abs=0.11)
    assert said[-1][0] == pytest.approx(10.6, abs=0.11)
    assert said[0][1].measures["dwell_s"] == (pytest.approx(5.0, abs=0.11), 5)
    assert "stayed 5.0 s in yard (limit 5 s)" in said[0][1].text


def test_passing_through_is_no_loitering() -> None:
    assert not judged(LoiteringRule(name="r", zone=YARD, dwell_s=2.5), Street([THROUGH_THE_YARD]))


def test_a_step_outside_does_not_end_a_stay_but_leaving_does() -> None:
    def entered_again_after(outside_s: float) -> list[tuple[float, Evidence]]:
        a, b = 3.0, 3.0 + outside_s
        walk = Walk(
            ((0, 0.5, 0.6), (a, 0.5, 0.6), (a + 0.01, 0.7, 0.6), (b, 0.7, 0.6), (b + 0.01, 0.5, 0.6), (9, 0.5, 0.6))
        )
        return judged(LoiteringRule(name="r", zone=YARD, dwell_s=5, leave_s=1.0), Street([walk]))

    assert entered_again_after(0.7)[0][0] == pytest.approx(5.0, abs=0.11)
    assert not entered_again_after(2.0)  # the second stay had lasted only 4 s when the walk ended


def test_being_out_of_sight_does_not_end_a_stay() -> None:
    stay = Walk(((0, 0.5, 0.6), (8, 0.5, 0.6)), gone=((2.0, 4.0),))
    said = judged(LoiteringRule(name="r", zone=YARD, dwell_s=5), Street([stay], true_ids=True, forget_s=5))
    assert said[0][0] == pytest.approx(5.0, abs=0.11)


def test_a_new_session_starts_every_stay_anew() -> None:
    rule = LoiteringRule(name="r", zone=YARD, dwell_s=5)
    rule.judge(frame_at(0.0), tracks_of((1, 0.5, 0.6)))
    rule.reset()
    rule.judge(frame_at(4.0, session="s2"), tracks_of((1, 0.5, 0.6)))
    assert not rule.judge(frame_at(6.0, session="s2"), tracks_of((1, 0.5, 0.6)))
    assert rule.judge(frame_at(9.0, session="s2"), tracks_of((1, 0.5, 0.6)))


# --- line crossing ---


def crossings(*points: tuple[float, float, float], fps: float = 10, **street: float) -> tuple[int, int, list[str]]:
    rule = LineCrossingRule(name="r", line=GATE)
    said = judged(rule, Street([Walk(points)], fps=fps, **street))  # type: ignore[arg-type]
    assert all(e.momentary for _, e in said)
    return rule.forward, rule.backward, [e.text for _, e in said]


def test_a_crossing_is_told_once_with_its_way_and_the_counts() -> None:
    forward, backward, said = crossings((0, 0.5, 0.3), (4, 0.5, 0.7), (8, 0.5, 0.3))
    assert (forward, backward) == (1, 1)
    assert said == [
        "person crossed gate forward (1 forward, 0 backward so far)",
        "person crossed gate backward (1 forward, 1 backward so far)",
    ]


def test_walking_round_the_end_of_the_line_crosses_nothing() -> None:
    assert crossings((0, 0.6, 0.4), (2, 0.8, 0.4), (4, 0.8, 0.6), (6, 0.6, 0.6))[:2] == (0, 0)


def test_round_the_end_and_back_through_the_line_is_one_crossing() -> None:
    ways = ((0, 0.6, 0.4), (2, 0.8, 0.4), (4, 0.8, 0.6), (6, 0.6, 0.6), (8, 0.6, 0.4))
    assert crossings(*ways)[:2] == (0, 1)


def test_trembling_on_the_line_is_no_crossing() -> None:
    assert crossings((0, 0.5, 0.4), (2, 0.5, 0.5), (20, 0.5, 0.5), (22, 0.5, 0.4), jitter=0.015)[:2] == (0, 0)
    assert crossings((0, 0.5, 0.4), (2, 0.5, 0.5), (20, 0.5, 0.5), (22, 0.5, 0.6), jitter=0.015)[:2] == (1, 0)


def test_who_leaps_over_line_and_band_between_two_frames_counts() -> None:
    assert crossings((0, 0.5, 0.2), (0.6, 0.5, 0.8), fps=4)[:2] == (1, 0)


def test_circling_the_end_point_is_no_crossing() -> None:
    # Through the line close to its end, round the end, and away on the side from which it came.
    rule = LineCrossingRule(name="r", line=GATE)
    ways = [(0.69, 0.45), (0.695, 0.497), (0.695, 0.503), (0.705, 0.503), (0.705, 0.497), (0.69, 0.45)]
    for i, (x, y) in enumerate(ways):
        assert not rule.judge(frame_at(i / 10), tracks_of((1, x, y)))
    assert (rule.forward, rule.backward) == (0, 0)


def test_only_the_asked_direction_alerts_but_both_are_counted() -> None:
    rule = LineCrossingRule(name="r", line=GATE, direction="backward")
    said = judged(rule, Street([Walk(((0, 0.5, 0.3), (4, 0.5, 0.7), (8, 0.5, 0.3)))]))
    assert [e.measures for _, e in said] == [{"forward": (1, 0), "backward": (1, 0)}]


def test_counts_survive_a_new_session_but_sides_do_not() -> None:
    rule = LineCrossingRule(name="r", line=GATE)
    judged(rule, Street([Walk(((0, 0.5, 0.3), (4, 0.5, 0.7)))]))
    rule.reset()
    rule.judge(frame_at(0, session="s2"), tracks_of((1, 0.5, 0.3)))
    assert rule.forward == 1
    rule.judge(frame_at(1, session="s2"), tracks_of((1, 0.5, 0.7)))
    assert rule.forward == 2


# --- occupancy ---


def people(count: int, **kwargs: tuple[int, ...]) -> Tracks:
    return tracks_of(*((i + 1, 0.42 + 0.02 * i, 0.6) for i in range(count)), **kwargs)


def test_occupancy_tells_too_many_and_too_few() -> None:
    rule = OccupancyRule(name="r", zone=YARD, above=2, below=1, hold_s=0.2)
    assert [e.subject for e in rule.judge(frame_at(0), people(0))] == ["zone:below"]
    assert not rule.judge(frame_at(1), people(1))
    assert not rule.judge(frame_at(2), people(2))
    [evidence] = rule.judge(frame_at(3), people(3))
    assert (evidence.subject, evidence.text) == ("zone:above", "3 in yard (more than 2)")
    assert evidence.measures == {"count_above": (3, 2)}
    assert evidence.track_ids == (1, 2, 3)


def test_a_missed_detection_does_not_empty_the_room() -> None:
    rule = OccupancyRule(name="r", zone=YARD, below=1, hold_s=1.0)
    rule.judge(frame_at(0), people(1))
    assert not rule.judge(frame_at(0.9), people(0))
    assert rule.judge(frame_at(1.1), people(0))


def test_who_is_seen_outside_or_given_up_counts_no_more() -> None:
    rule = OccupancyRule(name="r", zone=YARD, above=1, hold_s=10)
    assert rule.judge(frame_at(0), people(2))
    assert not rule.judge(frame_at(1), tracks_of((1, 0.5, 0.6), (2, 0.9, 0.6)))
    assert rule.judge(frame_at(2), people(2))
    assert not rule.judge(frame_at(3), people(1, ended=(2,)))


# --- wrong direction ---


def test_only_who_moves_against_the_way_goes_wrong() -> None:
    def wrong_ways(walk: Walk) -> list[tuple[float, Evidence]]:
        rule = WrongDirectionRule(name="r", zone=ROAD, heading_deg=90, tolerance_deg=60)
        return judged(rule, Street([walk], jitter=0.004))

    assert not wrong_ways(Walk(((0, 0.1, 0.5), (6, 0.9, 0.5))))  # to the right, as it should be
    against = wrong_ways(Walk(((0, 0.9, 0.5), (6, 0.1, 0.5))))
    assert against[0][0] < 0.8
    assert against[-1][1].measures["off_heading_deg"][0] == pytest.approx(180, abs=5)
    across = wrong_ways(Walk(((0, 0.5, 0.35), (4, 0.5, 0.85))))
    assert across[-1][1].measures["off_heading_deg"][0] == pytest.approx(90, abs=5)


def test_standing_about_has_no_direction() -> None:
    rule = WrongDirectionRule(name="r", zone=ROAD, heading_deg=90)
    assert not judged(rule, Street([Walk(((0, 0.5, 0.5), (10, 0.5, 0.5)))], jitter=0.008, fps=25))


# --- stopped ---


def test_a_car_that_stops_is_told_after_still_s() -> None:
    car = Walk(((0, 0.1, 0.5), (4, 0.5, 0.5), (16, 0.5, 0.5), (20, 0.9, 0.5)), label="car")
    rule = StoppedRule(name="r", zone=ROAD, still_s=8, labels=frozenset({"car"}))
    said = judged(rule, Street([car], jitter=0.003))
    assert said[0][0] == pytest.approx(12.0, abs=0.6)
    assert said[-1][0] == pytest.approx(16.5, abs=1.2)
    assert said[0][1].measures["still_s"][0] == pytest.approx(8, abs=0.2)


def test_a_creeping_queue_has_not_stopped() -> None:
    creeping = Walk(((0, 0.3, 0.5), (30, 0.5, 0.5)), label="car")  # 0.012 picture heights a second
    assert not judged(StoppedRule(name="r", zone=ROAD, still_s=8), Street([creeping], jitter=0.002))


def test_somebody_passing_in_front_of_a_stopped_car_does_not_start_it_anew() -> None:
    rule = StoppedRule(name="r", zone=ROAD, still_s=8)
    held = []
    for i in range(120):
        shaken = 0.03 if 50 <= i < 54 else 0.0  # the box jumps for 0.4 s
        held += [i / 10 for _ in rule.judge(frame_at(i / 10), tracks_of((1, 0.5 + shaken, 0.5)))]
    assert held[0] == pytest.approx(8.0, abs=0.15)


# --- speeding ---


def test_speed_in_picture_heights_follows_from_the_walk() -> None:
    walk = Walk(((0, 0.1, 0.5), (4, 0.9, 0.5)))  # 0.2 widths a second
    true_speed = 0.2 * ASPECT
    said = judged(SpeedingRule(name="r", zone=ROAD, max_speed=0.9 * true_speed), Street([walk], jitter=0.003))
    assert said
    assert all(e.measures["speed_heights_per_s"][0] == pytest.approx(true_speed, rel=0.05) for _, e in said)
    assert not judged(SpeedingRule(name="r", zone=ROAD, max_speed=1.1 * true_speed), Street([walk], jitter=0.003))


def test_a_measured_zone_gives_metres_per_second() -> None:
    walk = Walk(((0, 0.1, 0.5), (4, 0.9, 0.5)))  # the road is 50 m wide in the picture: 10 m/s
    rule = SpeedingRule(name="r", zone=ROAD, max_speed=9, zone_length_m=50, heading_deg=90)
    said = judged(rule, Street([walk]))
    assert said[0][1].measures["speed_m_per_s"] == (pytest.approx(10.0, rel=1e-4), 9)
    assert said[0][1].text == "person moves at 36 km/h in road (limit 32 km/h)"


def test_perspective_is_undone_by_a_zone_that_is_a_rectangle_on_the_ground() -> None:
    # A camera 6 m above a road looks along it: ground (X, Y metres) → picture by similar triangles.
    def seen(x_m: float, y_m: float) -> tuple[float, float]:
        return 0.5 + 0.6 * x_m / y_m / ASPECT * 1.5, 0.2 + 0.9 * 6 / y_m

    near, far, half = 8.0, 40.0, 3.0
    corners = [seen(-half, near), seen(half, near), seen(half, far), seen(-half, far)]
    lane = Zone("lane", [(min(max(x, 0), 1), y) for x, y in corners])
    assert all(0 <= x <= 1 for x, _ in corners)
    rule = SpeedingRule(name="r", zone=lane, max_speed=10, zone_length_m=far - near, zone_width_m=2 * half)
    speeds = []
    for i in range(1, 25):
        x, y = seen(1.0, near + 15.0 * i / 12.5)  # 15 m/s along the road, 12.5 frames a second
        speeds += [e.measures["speed_m_per_s"][0] for e in rule.judge(frame_at(i / 12.5), tracks_of((1, x, y)))]
    assert len(speeds) > 10
    assert all(speed == pytest.approx(15.0, rel=0.01) for speed in speeds)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"zone_length_m": 20.0}, "needs heading_deg"),
        ({"zone_width_m": 20.0}, "without zone_length_m measures nothing"),
        ({"zone_length_m": -1.0, "heading_deg": 0.0}, "must be positive"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(settings: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SpeedingRule(name="r", zone=ROAD, max_speed=1, **settings)


# --- all of them ---


def every_rule(shared: bool) -> list[Rule]:
    who = {"sightings": Sightings()} if shared else {}
    return [
        IntrusionRule(name="a", zone=YARD, **who),
        LoiteringRule(name="b", zone=YARD, dwell_s=1, **who),
        LineCrossingRule(name="c", line=GATE, **who),
        OccupancyRule(name="d", zone=YARD, above=0, **who),
        WrongDirectionRule(name="e", zone=ROAD, heading_deg=270, **who),
        StoppedRule(name="f", zone=ROAD, still_s=1, **who),
        SpeedingRule(name="g", zone=ROAD, max_speed=0.05, **who),
    ]


def test_rules_say_the_same_alone_as_with_a_shared_memory_and_every_time() -> None:
    street = Street(
        [
            THROUGH_THE_YARD,
            Walk(((0, 0.5, 0.3), (3, 0.5, 0.7), (9, 0.5, 0.7))),
            Walk(((2, 0.9, 0.8), (6, 0.2, 0.4)), "car"),
        ],
        jitter=0.004,
        miss=0.1,
        drop=0.05,
        seed=3,
    )

    def run(shared: bool) -> list[list[Evidence]]:
        rules = every_rule(shared)
        return [list(rule.judge(frame, tracks)) for frame, tracks in street.frames() for rule in rules]

    alone = run(shared=False)
    assert alone == run(shared=False)
    assert alone == run(shared=True)
    assert sum(map(len, alone)) > 100


def test_an_empty_frame_is_no_trouble_for_any_rule() -> None:
    for rule in every_rule(shared=True):
        assert not list(rule.judge(frame_at(0), Tracks.none(LABELS)))


def test_what_is_remembered_of_a_track_goes_with_it() -> None:
    sightings = Sightings()
    for i in range(300):
        sightings.of(frame_at(i / 10), tracks_of((i, 0.5, 0.5), ended=(i - 1,)))
    assert len(sightings._paths) == 1


def test_trails_are_bounded_and_tell_where_somebody_was() -> None:
    sightings, street = Sightings(), Street([Walk(((0, 0.1, 0.5), (20, 0.9, 0.5)))], until_s=20)
    for frame, tracks in street.frames():
        trail = sightings.of(frame, tracks).trail(0, "bottom")
    assert len(trail) == 32
    assert all(x == pytest.approx(0.1 + 0.04 * t) and y == pytest.approx(0.5) for t, x, y in trail)
    assert [t for t, _, _ in trail] == sorted(t for t, _, _ in trail)
