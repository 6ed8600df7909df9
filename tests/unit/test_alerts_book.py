"""The life of alerts: opened, updated, closed, with hysteresis, cooldown and limits."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from streamer.alerts.book import CameraAlertBook, Moment, closing_change
from streamer.alerts.policy import AlertPolicy
from streamer.alerts.snapshots import snapshot_path
from streamer.alerts.wording import alert_id, slug
from streamer.rules.geometry import Line, Zone
from streamer.rules.intrusion import IntrusionRule
from streamer.rules.line_crossing import LineCrossingRule
from streamer.types import AlertChange, Evidence
from tests.walks import EPOCH, Street, Walk, frame_at, tracks_of

YARD = Zone("yard", [(0.4, 0.4), (0.6, 0.4), (0.6, 0.9), (0.4, 0.9)])
POLICY = AlertPolicy(open_after_s=1.0, gap_s=0.5, clear_after_s=2.0, update_every_s=100)


class Told:
    """A book of one rule, fed by a drawing of its evidence: one letter per subject and frame."""

    def __init__(self, policy: AlertPolicy = POLICY, *, fps: float = 2.0, camera: str = "gate") -> None:
        self.book = CameraAlertBook(camera, {"r": policy}, model_hash="m1", config_hash="c1")
        self.fps, self.frames, self.changes = fps, 0, []
        self.session = "s1"

    def see(self, drawing: str, *, momentary: bool = False) -> list[str]:
        """'a.b' is a, nobody, b in the next three frames; with spaces, 'ab . b', frames may hold several."""
        before = len(self.changes)
        for letters in drawing.split() if " " in drawing else drawing:
            subjects = [c for c in letters if c != "."]
            at_s = self.frames / self.fps
            evidence = [Evidence(subject=c, text=f"{c} is there", momentary=momentary) for c in subjects]
            now = Moment(self.session, EPOCH + at_s, at_s)
            self.changes += self.book.record_at("r", "kind", evidence, now)
            self.frames += 1
        return [f"{c.type} {c.reason['text'][0]} {c.media_s:g}" for c in self.changes[before:]]


def test_an_alert_opens_when_its_condition_has_held_and_closes_when_it_has_been_gone() -> None:
    assert Told().see("..aaaa......") == ["opened a 2", "closed a 4.5"]


def test_a_blink_opens_nothing() -> None:
    told = Told(fps=4)
    assert told.see("aa....aa....aaa.....") == []


def test_a_lapse_shorter_than_its_gap_does_not_start_the_condition_anew() -> None:
    told = Told(fps=4)
    assert told.see("a.aaa") == ["opened a 1"]
    assert told.changes[0].started_at == EPOCH


def test_blinks_do_not_add_up_to_a_condition() -> None:
    assert Told(AlertPolicy(open_after_s=3, gap_s=0.5), fps=4).see("a...a...a...a...a...a...") == []


def test_a_condition_that_comes_back_in_time_keeps_its_alert() -> None:
    assert Told().see("aaaa..aa..aa") == ["opened a 1"]


def test_every_subject_has_an_alert_of_its_own() -> None:
    assert Told(AlertPolicy(clear_after_s=1)).see("a ab ab b b b . . .") == [
        "opened a 0",
        "opened b 0.5",
        "closed a 2",
        "closed b 3.5",
    ]


def test_in_the_cooldown_nothing_opens_and_afterwards_what_still_holds_does() -> None:
    told = Told(AlertPolicy(clear_after_s=0.5, cooldown_s=3), fps=2)
    assert told.see("a.") == ["opened a 0", "closed a 0.5"]
    assert told.see("bbbbbb") == ["opened b 3.5"]
    assert dict(told.book.suppressed) == {("r", "cooldown"): 1}
    assert told.changes[-1].started_at == EPOCH + 1.0


def test_what_is_over_before_the_cooldown_is_never_told_but_counted() -> None:
    told = Told(AlertPolicy(clear_after_s=0.5, cooldown_s=10), fps=2)
    told.see("a.")
    assert told.see("b...c...") == []
    assert dict(told.book.suppressed) == {("r", "cooldown"): 2}


def test_no_more_than_so_many_are_open_at_once_and_the_next_opens_when_there_is_room() -> None:
    told = Told(AlertPolicy(clear_after_s=0.5, max_open=1), fps=2)
    assert told.see("ab ab b b") == ["opened a 0", "closed a 1", "opened b 1"]
    assert dict(told.book.suppressed) == {("r", "max_open"): 1}


def test_what_happens_in_a_moment_opens_and_closes_in_it() -> None:
    told = Told(AlertPolicy(open_after_s=5))
    assert told.see("a.a", momentary=True) == ["opened a 0", "closed a 0", "opened a 1", "closed a 1"]
    assert len({c.id for c in told.changes}) == 2


def test_moments_obey_the_cooldown_too() -> None:
    told = Told(AlertPolicy(cooldown_s=1.5))
    assert told.see("a b . b", momentary=True) == ["opened a 0", "closed a 0", "opened b 1.5", "closed b 1.5"]


def test_updates_come_at_most_so_often_and_only_with_news() -> None:
    book = CameraAlertBook("gate", {"r": AlertPolicy(update_every_s=1.0)}, model_hash="m", config_hash="c")

    def see(at_s: float, dwell_s: float, score: float = 0.5) -> list[str]:
        evidence = Evidence(subject="a", text="t", measures={"dwell_s": (dwell_s, 1)}, score=score)
        changes = book.record_at("r", "k", [evidence], Moment("s", EPOCH + at_s, at_s))
        return [f"{c.type} {c.seq} {c.score:g}" for c in changes]

    assert see(0.0, 5) == ["opened 1 0.5"]
    assert see(0.5, 6) == []  # too soon
    assert see(1.0, 5) == []  # nothing new
    assert see(1.1, 6) == ["updated 2 0.5"]
    assert see(2.0, 7) == []
    assert see(2.1, 6, 0.8) == ["updated 3 0.8"]
    assert see(3.2, 6, 0.3) == []  # the best score stays


def test_a_box_that_has_moved_is_news_and_one_that_trembles_is_not() -> None:
    book = CameraAlertBook("gate", {"intruder": AlertPolicy(update_every_s=0.1)}, model_hash="m", config_hash="c")
    rule = IntrusionRule(name="intruder", zone=YARD)
    told = []
    for i, x in enumerate([0.45, 0.451, 0.449, 0.47, 0.471]):
        frame = frame_at(i / 5)
        told.append([c.type for c in book.record(rule, rule.judge(frame, tracks_of((1, x, 0.6))), frame)])
    assert told == [["opened"], [], [], ["updated"], []]


def test_the_end_of_a_session_closes_what_is_open_at_the_last_moment_that_was_seen() -> None:
    told = Told(AlertPolicy(clear_after_s=60))
    told.see("ab a a .")
    closed = told.book.end_session("the camera's session ended")
    assert [(c.type, c.seq, c.media_s, c.reason["closed_because"]) for c in closed] == [
        ("closed", 2, 1.5, "the camera's session ended")
    ] * 2
    assert closed[1].reason["held_until"] == EPOCH
    assert told.book.end_session("again") == []


def test_a_condition_that_was_not_an_alert_yet_does_not_reach_into_the_next_session() -> None:
    told = Told()
    told.see("a")
    told.book.end_session("x")
    told.session, told.frames = "s2", 0
    assert told.see("aaa") == ["opened a 1"]


def test_a_cooldown_reaches_into_the_next_session_by_the_wall_clock() -> None:
    book = CameraAlertBook("gate", {"r": AlertPolicy(cooldown_s=10)}, model_hash="m", config_hash="c")
    there = [Evidence(subject="a", text="t")]
    book.record_at("r", "k", there, Moment("s1", EPOCH, 500.0))
    book.end_session("x")
    assert not book.record_at("r", "k", there, Moment("s2", EPOCH + 4, 0.0))
    assert not book.record_at("r", "k", there, Moment("s2", EPOCH + 9.9, 5.9))
    assert book.record_at("r", "k", there, Moment("s2", EPOCH + 10, 6.0))


def test_a_clock_that_was_set_back_by_an_hour_does_not_silence_a_rule_for_an_hour() -> None:
    book = CameraAlertBook("gate", {"r": AlertPolicy(cooldown_s=10)}, model_hash="m", config_hash="c")
    there = [Evidence(subject="a", text="t")]
    book.record_at("r", "k", there, Moment("s1", EPOCH, 500.0))
    book.end_session("x")
    assert book.record_at("r", "k", there, Moment("s2", EPOCH - 3600, 0.0))


def test_a_rule_without_a_policy_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="camera 'gate': rule 'x' has no alert policy; there are r"):
        CameraAlertBook("gate", {"r": POLICY}, model_hash="m", config_hash="c").record_at(
            "x", "k", [], Moment("s", 0, 0)
        )


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"severity": "loud"}, "'loud' is none of info, warning, critical"),
        ({"cooldown_s": -1}, "cooldown_s must not be negative"),
        ({"max_open": 0}, "max_open: at least 1"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        AlertPolicy(**settings)


# --- what an alert says ---


def intrusion() -> list[AlertChange]:
    policy = AlertPolicy(severity="critical", clear_after_s=1)
    book = CameraAlertBook(
        "Tor 3/Süd", {"night yard": policy}, model_hash="abc", config_hash="def", snapshot_path=snapshot_path
    )
    rule = IntrusionRule(name="night yard", zone=YARD, labels=frozenset({"person"}), min_score=0.25)
    walk = Walk(((0, 0.1, 0.6), (8, 0.9, 0.6)), score=0.87)
    changes = []
    for frame, tracks in Street([walk]).frames():
        changes += book.record(rule, rule.judge(frame, tracks), frame)
    return changes


def test_an_alert_says_what_where_when_how_sure_and_why() -> None:
    opened, closed = (next(c for c in intrusion() if c.type == t) for t in ("opened", "closed"))
    assert (opened.camera, opened.rule, opened.kind, opened.severity) == (
        "Tor 3/Süd",
        "night yard",
        "intrusion",
        "critical",
    )
    assert (opened.label, opened.place, opened.track_ids, opened.score) == ("person", "yard", (1,), 0.87)
    assert opened.started_at == opened.at == pytest.approx(EPOCH + 3.0, abs=0.11)
    assert opened.media_s == pytest.approx(3.0, abs=0.11)
    assert opened.box == pytest.approx((0.4 - 0.0225, 0.4, 0.4 + 0.0225, 0.6), abs=0.012)
    assert opened.reason["text"] == "person is in yard"
    assert opened.reason["rule"] == {"zone": "yard", "labels": ["person"], "min_score": 0.25, "anchor": "bottom"}
    assert (opened.reason["model"], opened.reason["config"]) == ("abc", "def")
    trail = opened.reason["trail"]
    assert 10 <= len(trail) <= 32
    assert all(x == pytest.approx(0.1 + 0.1 * t, abs=0.001) and y == 0.6 for t, x, y in trail)
    assert opened.id.startswith("tor-3-s-d-")
    assert opened.snapshot == f"snapshots/2025-06-15/{opened.id}.jpg" == closed.snapshot
    assert closed.reason["closed_because"] == "the condition was gone for 1.0 s"
    assert closed.reason["held_until"] == pytest.approx(EPOCH + 5.0, abs=0.11)


def test_the_same_recording_gives_the_same_alerts_to_the_byte() -> None:
    first, second = ([json.dumps(asdict(c), sort_keys=True, allow_nan=False) for c in intrusion()] for _ in "12")
    assert first == second
    assert len(first) >= 2


def test_whatever_is_different_has_another_id() -> None:
    base = {"camera": "a", "session": "s", "rule": "r", "kind": "k", "subject": "track:1", "started_media_s": 1.0}
    changed = [{**base, key: "x" if key != "started_media_s" else 1.001} for key in base]
    shifted = [{**base, "camera": "as", "session": ""}, {**base, "session": "sr", "rule": ""}]
    ids = [alert_id(**kwargs) for kwargs in (base, *changed, *shifted)]
    assert len(set(ids)) == len(ids)
    assert alert_id(**base) == alert_id(**base)


def test_ids_are_fit_for_keys_and_file_names() -> None:
    assert slug("../Kamera 7 (Süd)") == "kamera-7-s-d"
    assert slug("///") == "camera"
    assert len(slug("x" * 99)) == 32


def test_numbers_that_json_does_not_know_never_reach_it() -> None:
    book = CameraAlertBook("gate", {"r": AlertPolicy()}, model_hash="m", config_hash="c")
    evidence = Evidence(subject="a", text="t", measures={"m": (float("inf"), float("nan"))}, score=float("nan"))
    [opened] = book.record_at("r", "k", [evidence], Moment("s", EPOCH, 0.0))
    assert json.loads(json.dumps(asdict(opened), allow_nan=False))["id"] == opened.id


def test_what_was_open_when_the_service_died_can_be_closed_from_its_last_change() -> None:
    opened = intrusion()[0]
    closed = closing_change(opened, opened.at + 100, "the service was stopped")
    assert (closed.id, closed.seq, closed.type) == (opened.id, 2, "closed")
    assert closed.at == pytest.approx(opened.at + 100)
    assert closed.reason["closed_because"] == "the service was stopped"
    assert closed.reason["text"] == opened.reason["text"]
    assert opened.reason.get("closed_because") is None
    assert closing_change(opened, opened.at - 5, "clock").at == opened.at


def test_a_crossing_is_an_alert_with_its_counts() -> None:
    book = CameraAlertBook("gate", {"door": AlertPolicy(severity="info")}, model_hash="m", config_hash="c")
    rule = LineCrossingRule(name="door", line=Line("door", [(0.3, 0.5), (0.7, 0.5)]))
    changes = []
    for frame, tracks in Street([Walk(((0, 0.5, 0.3), (4, 0.5, 0.7), (8, 0.5, 0.3)))]).frames():
        changes += book.record(rule, rule.judge(frame, tracks), frame)
    assert [(c.type, c.seq) for c in changes] == [("opened", 1), ("closed", 2)] * 2
    assert [c.reason["measures"]["backward"]["value"] for c in changes] == [0, 0, 1, 1]
