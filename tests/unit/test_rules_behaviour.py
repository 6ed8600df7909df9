"""Rules on what temporal models say, with scores written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.alerts.book import CameraAlertBook
from streamer.alerts.policy import AlertPolicy
from streamer.assembly.rules import build_rules, build_trouble_rules
from streamer.config import Config
from streamer.rules.anomaly import AnomalyRule
from streamer.rules.behaviour import BehaviourRule
from streamer.rules.drift import DriftRule
from streamer.rules.film_strip import EVERY_S, PICTURES, FilmStrip
from streamer.rules.geometry import Zone
from streamer.stages import Rule
from streamer.types import BehaviourScores, Evidence, SceneScores, Tracks
from tests.walks import frame_at, tracks_of

BEHAVIOURS = ("walking", "running", "standing", "active", "browsing", "fallen", "fighting")
LEFT = Zone("left", [(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
HERE, THERE = (1, 0.25, 0.5), (2, 0.75, 0.5)


def behaving(
    *who: tuple[int, float, float],
    fallen: tuple[float, ...] = (),
    anomaly: tuple[float, ...] = (),
    fight: float | None = None,
    tracks_per_day: float | None = None,
    ended: tuple[int, ...] = (),
) -> Tracks:
    """Tracks at these places; the probability of having fallen and the anomaly of each."""
    m = len(who)
    probs = np.full((m, len(BEHAVIOURS)), 0.01, np.float32)
    probs[:, BEHAVIOURS.index("fallen")] = fallen or (0.0,) * m
    scores = BehaviourScores(
        labels=BEHAVIOURS,
        probs=probs,
        anomaly=np.array(anomaly or (0.0,) * m, np.float32),
        attention=np.tile(np.array([0.0, 0.25, 0.75], np.float32), (m, 1)),
        step_s=0.2,
        unusual=(("three times as fast as usual here",),) * m,
        tracks_per_day=tracks_per_day,
        scene=None
        if fight is None
        else SceneScores(fight, float("nan"), np.array([0.0, 0.25, 0.75], np.float32), 0.2, ("all at once",)),
    )
    tracks = tracks_of(*who, ended=ended) if who else Tracks.none(("person",), ended)
    return replace(tracks, behaviour=scores)


def fallen_rule(**changes: object) -> BehaviourRule:
    settings = {"name": "fall", "behaviour": "fallen", "above": 0.6, "below": 0.4, "film": FilmStrip()}
    return BehaviourRule(**(settings | changes))


def course_of(rule: Rule, *probabilities: float) -> list[list[Evidence]]:
    """What the rule says at each step of one track, 0.2 s apart."""
    frames = (frame_at(0.2 * n) for n in range(len(probabilities)))
    return [
        list(rule.judge(frame, behaving(HERE, fallen=(p,)))) for frame, p in zip(frames, probabilities, strict=True)
    ]


def test_it_holds_from_above_on_until_below() -> None:
    said = course_of(fallen_rule(), 0.5, 0.6, 0.41, 0.39, 0.5, 0.7)
    assert [len(each) for each in said] == [0, 1, 1, 0, 0, 1]


def test_it_tells_what_when_and_how_sure() -> None:
    [told] = course_of(fallen_rule(), 0.1, 0.3, 0.87)[-1]
    assert told.text == "person has fallen (87% sure)"
    assert told.subject == "track:1"
    assert told.measures == {"fallen_probability": (pytest.approx(0.87), 0.6)}
    assert told.details["probabilities"] == [[0.0, 0.1], [0.2, 0.3], [0.4, 0.87]]
    assert told.details["steps"] == [[0.2, 0.25], [0.4, 0.75]]
    assert told.details["unusual"] == ["three times as fast as usual here"]
    assert told.place is None


def test_whom_nobody_can_judge_yet_raises_nothing_and_ends_nothing() -> None:
    said = course_of(fallen_rule(), float("nan"), 0.9, float("nan"), 0.5)
    assert [len(each) for each in said] == [0, 1, 0, 1]


def test_tracks_have_their_own_courses_and_lose_them_with_their_end() -> None:
    rule = fallen_rule()
    assert [e.track_ids for e in rule.judge(frame_at(0.0), behaving(HERE, THERE, fallen=(0.9, 0.5)))] == [(1,)]
    # Track 1 ends; whoever gets its number next starts below.
    rule.judge(frame_at(0.2), behaving(THERE, fallen=(0.5,), ended=(1,)))
    assert not rule.judge(frame_at(0.4), behaving(HERE, fallen=(0.5,)))


def test_a_zone_limits_where() -> None:
    rule = fallen_rule(zone=LEFT)
    [told] = rule.judge(frame_at(0.0), behaving(HERE, THERE, fallen=(0.9, 0.9)))
    assert (told.track_ids, told.place) == ((1,), "left")


def test_without_a_model_nothing_is_said() -> None:
    assert not fallen_rule().judge(frame_at(0.0), tracks_of(HERE))


def test_a_fight_is_seen_in_the_picture_without_any_track() -> None:
    rule = fallen_rule(behaviour="fighting")
    said = [rule.judge(frame_at(0.2 * n), behaving(fight=p)) for n, p in enumerate((0.2, 0.8, 0.5, 0.3))]
    assert [len(each) for each in said] == [0, 1, 1, 0]
    told = said[1][0]
    assert (told.subject, told.text) == ("scene", "people are fighting in the picture (80% sure)")
    assert told.details["probabilities"] == [[0.0, 0.2], [0.2, 0.8]]
    assert told.details["steps"] == [[0.0, 0.25], [0.2, 0.75]]
    assert told.details["unusual"] == ["all at once"]
    assert not fallen_rule(behaviour="fighting", zone=LEFT).judge(frame_at(0.0), behaving(fight=0.9))
    assert not fallen_rule().judge(frame_at(0.0), behaving(fight=0.9))


def test_an_anomaly_is_judged_by_the_budget_of_the_camera() -> None:
    # 400 tracks a day and 2 alerts a day: one in 200 may reach the limit.
    rule = AnomalyRule(name="odd", false_alerts_per_day=2.0, film=FilmStrip())
    tracks = behaving(HERE, THERE, anomaly=(0.9949, 0.9951), tracks_per_day=400.0)
    [told] = rule.judge(frame_at(0.0), tracks)
    assert told.track_ids == (2,)
    assert told.measures == {"anomaly": (pytest.approx(0.9951), pytest.approx(0.995))}
    assert told.text == "person moves as hardly anybody does here: three times as fast as usual here"


def test_a_camera_that_is_still_learning_raises_no_anomaly() -> None:
    rule = AnomalyRule(name="odd", false_alerts_per_day=2.0, film=FilmStrip())
    assert not rule.judge(frame_at(0.0), behaving(HERE, anomaly=(1.0,)))
    assert not rule.judge(frame_at(0.2), behaving(HERE, anomaly=(float("nan"),), tracks_per_day=400.0))


def test_the_film_strip_is_short_and_cut_to_its_subject() -> None:
    film = FilmStrip()
    rule = fallen_rule(film=film)
    image = np.arange(36 * 64 * 3, dtype=np.uint8).reshape(36, 64, 3)
    for n in range(40):
        told = rule.judge(frame_at(0.1 * n, image=image), behaving(HERE, fallen=(0.9,)))
    moments = [at for at, _ in told[0].strip]
    assert len(moments) == PICTURES
    assert np.diff(moments) == pytest.approx(EVERY_S)
    assert moments[-1] == pytest.approx(3.5)
    x0, y0, x1, y1 = (edge / 10 for edge in told[0].box_xyxy)  # 640 × 360 is shown as 64 × 36
    for _, small in told[0].strip:
        assert small.shape[0] >= min(y1, 36) - max(y0, 0) - 2
        assert small.shape[1] >= x1 - x0 - 2
        assert small.size < image.size
    assert film.of()[0][1] is image


def test_alerts_of_behaviour_say_why_and_carry_their_strip() -> None:
    rule = fallen_rule()
    book = CameraAlertBook(
        "gate",
        {"fall": AlertPolicy()},
        model_hash="m",
        config_hash="c",
        snapshot_path=lambda change: f"{change.id}.jpg",
    )
    frame, tracks = frame_at(0.0), behaving(HERE, fallen=(0.9,))
    [opened] = book.record(rule, tuple(rule.judge(frame, tracks)), frame)
    assert opened.kind == "behaviour.fallen"
    assert opened.reason["probabilities"] == [[0.0, 0.9]]
    assert [at for at, _ in opened.strip] == [0.0]


def test_a_configuration_becomes_rules_of_behaviour() -> None:
    config = Config.model_validate(
        {
            "cameras": {
                "gate": {
                    "url": "x.mp4",
                    "zones": {"left": [[0, 0], [0.5, 0], [0.5, 1]]},
                    "rules": [
                        {"name": "fall", "kind": "behaviour.fallen", "zone": "left", "above": 0.7},
                        {"name": "fight", "kind": "behaviour.fighting"},
                        {"name": "odd", "kind": "behaviour.anomaly", "false_alerts_per_day": 0.5},
                    ],
                }
            }
        }
    )
    fall, fight, odd = build_rules(config.cameras["gate"], config.zone_info())
    assert (fall.kind, fall.settings["above"], fall.settings["zone"]) == ("behaviour.fallen", 0.7, "left")
    assert (fight.kind, fight.settings["zone"]) == ("behaviour.fighting", None)
    assert (odd.kind, odd.settings["false_alerts_per_day"]) == ("behaviour.anomaly", 0.5)


def test_thresholds_in_the_wrong_order_are_refused() -> None:
    rule = {"name": "fall", "kind": "behaviour.fallen", "above": 0.3, "below": 0.5}
    with pytest.raises(ValueError, match=r"'below: 0\.5' must not be more than 'above: 0\.3'"):
        Config.model_validate({"cameras": {"gate": {"url": "x.mp4", "rules": [rule]}}})


def test_drift_is_an_alert_about_the_camera() -> None:
    rule, moved = DriftRule(), "what moves here is no longer what was calibrated"
    steady = behaving(HERE)
    assert not rule.judge(frame_at(0.0), steady)
    assert not rule.judge(frame_at(0.0), tracks_of(HERE))
    drifted = replace(steady, behaviour=replace(steady.behaviour, drift=moved))
    [told] = rule.judge(frame_at(0.2), drifted)
    assert (told.subject, told.text) == ("camera", moved)
    anomaly = {"name": "odd", "kind": "behaviour.anomaly"}
    for rules, kinds in (([], []), ([anomaly], ["behaviour.drift"])):
        config = Config.model_validate({"cameras": {"gate": {"url": "x.mp4", "rules": rules}}})
        made = build_trouble_rules(config.cameras["gate"])
        assert [each.kind for each in made if each.kind.startswith("behaviour.")] == kinds


def test_each_track_is_an_anomaly_once() -> None:
    rule = AnomalyRule(name="odd", false_alerts_per_day=2.0, film=FilmStrip())
    # The limit is 0.99; an alert goes on down to 0.98.
    course = (0.5, 0.991, 0.985, 0.979, 0.995)
    said = [
        rule.judge(frame_at(0.2 * n), behaving(HERE, anomaly=(a,), tracks_per_day=200.0)) for n, a in enumerate(course)
    ]
    assert [len(each) for each in said] == [0, 1, 1, 0, 0]
    # Its end frees its number.
    rule.judge(frame_at(2.0), behaving(THERE, anomaly=(0.1,), tracks_per_day=200.0, ended=(1,)))
    assert rule.judge(frame_at(2.2), behaving(HERE, anomaly=(0.995,), tracks_per_day=200.0))


def test_a_quiet_camera_does_not_alert_on_everybody() -> None:
    rule = AnomalyRule(name="odd", false_alerts_per_day=2.0, film=FilmStrip())
    tracks = behaving(HERE, THERE, anomaly=(0.94, 0.96), tracks_per_day=1.0)
    assert [told.track_ids for told in rule.judge(frame_at(0.0), tracks)] == [(2,)]
