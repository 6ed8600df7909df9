"""What a file of expectations says, what is wrong with it, and what a replay's alerts make of it."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from streamer.errors import ConfigError
from streamer.expectations.comparison import compare
from streamer.expectations.load import Vocabulary, Written, parse_expectations, unknown_names
from streamer.expectations.recording import recorded, section
from streamer.expectations.report import Proof, junit_xml, proofs_json
from streamer.expectations.seen import AlertGatherer, VideoTimes
from streamer.expectations.verdict import Verdict, judge
from streamer.types import AlertChange
from tests.conftest import ROOT
from tests.seen_alerts import seen

FILE = Path("alerts.yaml")


def read(text: str) -> Written:
    return parse_expectations(text, FILE)


def video(entries: str) -> str:
    return "videos:\n  - video: gate.mp4\n    camera: gate\n" + "".join(
        f"    {line}\n" for line in entries.strip("\n").splitlines()
    )


def judged(entries: str, *alerts, length_s: float = 60.0) -> Verdict:
    expectations = read(video(entries)).expectations
    return judge(expectations.videos[0], expectations.tolerance_s, alerts, length_s)


def outcomes(verdict: Verdict) -> list[str]:
    return [each.outcome for each in verdict.findings]


ONE = "alerts:\n- {kind: loitering, place: yard, opens: 0:41}"


def test_an_alert_in_its_place_and_time_is_as_expected_and_the_other_is_named():
    verdict = judged(ONE, seen(opened_s=41.8), seen("intrusion", 12.0, track_ids=(3,)))
    assert not verdict.good
    assert verdict.told == "1 of 1 alert as expected; 1 unexpected: intrusion in yard (track 3) at 0:12"


@pytest.mark.parametrize(
    ("alert", "why"),
    [
        (seen(opened_s=44.2), "opens 3.2 s late (± 1 s allowed)"),
        (seen(opened_s=39.0), "opens 2.0 s early (± 1 s allowed)"),
        (seen(place="gate"), "place 'gate' instead of 'yard'"),
    ],
)
def test_an_alert_that_misses_narrowly_says_by_what(alert, why):
    [finding] = judged(ONE, alert).findings
    assert (finding.outcome, finding.why) == ("differs", why)


@pytest.mark.parametrize("alert", [seen("intrusion"), seen(opened_s=58.0)])
def test_another_kind_of_alert_or_one_far_away_is_not_the_same_one(alert):
    assert sorted(outcomes(judged(ONE, alert))) == ["missing", "unexpected"]


def test_every_word_of_an_expectation_counts():
    entry = "alerts:\n- {rule: r-loitering, label: person, severity: warning, opens: 41.2, closes: 46.2,"
    box = "box: [0.1, 0.1, 0.3, 0.3], overlap: 0.5}"
    right = seen(box=(0.1, 0.1, 0.3, 0.3))
    assert judged(f"{entry} {box}", right).good
    for wrong in (
        seen(box=right.box, rule="other", kind="loitering"),
        seen(box=right.box, label="car"),
        seen(box=right.box, severity="critical"),
        seen(box=right.box, closed_s=48.0),
        seen(box=right.box, closed_s=60.0, cut=True),
        seen(box=(0.25, 0.25, 0.5, 0.5)),
        seen(),
    ):
        assert not judged(f"{entry} {box}", wrong).good


def test_two_alerts_at_almost_the_same_time_find_their_expectations_whatever_the_order():
    entries = (
        "alerts:\n- {kind: loitering, opens: 10.9, tolerance_s: 1}\n- {kind: loitering, opens: 10, tolerance_s: 1}"
    )
    assert judged(entries, seen(opened_s=10.0), seen(opened_s=11.8)).good


def test_what_is_never_to_be_seen_is_forbidden_in_its_window_alone():
    entries = "never:\n- {kind: loitering, from: 0:30, to: 0:50}\nothers: allowed"
    assert outcomes(judged(entries, seen(opened_s=29.0), seen(opened_s=51.0))) == ["allowed", "kept", "allowed"]
    verdict = judged(entries, seen(opened_s=40.0))
    assert outcomes(verdict) == ["forbidden"]
    assert verdict.findings[0].why == "never: loitering from 0:30.0 to 0:50.0"


def test_what_is_listed_is_not_forbidden():
    assert judged(f"{ONE}\nnever:\n- kind: loitering", seen()).good


def test_so_many_are_allowed_and_no_more():
    entries = "at_most:\n- {kind: line_crossing, count: 2}"
    crossings = [seen("line_crossing", float(s)) for s in (5, 9, 14)]
    assert judged(entries, *crossings[:2]).good
    verdict = judged(entries, *crossings)
    assert outcomes(verdict) == ["allowed", "allowed", "allowed", "too many"]
    assert verdict.findings[-1].at_s == 14
    assert not judged(entries, seen("intrusion")).good


def test_an_expectation_behind_the_videos_end_says_so():
    [finding] = judged(ONE, length_s=30.0).findings
    assert (finding.outcome, finding.why) == ("missing", "the video ends at 0:30.0")


def test_findings_come_in_order_of_time():
    verdict = judged(f"{ONE}\nnever:\n- {{kind: stopped, from: 0:20}}", seen("intrusion", 50.0), seen("fall", 3.0))
    assert [each.at_s for each in verdict.findings] == [3.0, 20.0, 41.0, 50.0]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("alerts:\n- {opens: 3}", "5: videos[0].alerts[0]: an alert needs 'rule' or 'kind', to say which one is"),
        ("alerts:\n- {kind: x, opens: soon}", "5: videos[0].alerts[0].opens: should be a time in the video such as"),
        ("alerts:\n- {kind: x}", "5: videos[0].alerts[0]: 'opens' is missing"),
        ("alerts:\n- kind: x\n  opens: 9\n  closes: 8", "5: videos[0].alerts[0]: 'closes' is before 'opens'"),
        ("alerts:\n- {kind: x, opens: 1, box: [9, 0, 1, 1]}", "5: videos[0].alerts[0].box[0]: should be less than"),
        ("alerts:\n- {kind: x, opens: 1, overlap: 0.5}", "5: videos[0].alerts[0]: 'overlap' is that with a 'box'"),
        ("never:\n- {kind: x, from: 9, to: 8}", "5: videos[0].never[0]: 'to' is before 'from'"),
        ("at_most:\n- {kind: x}", "5: videos[0].at_most[0]: 'count' is missing"),
        ("alert:\n- {kind: x}", "4: videos[0].alert: unknown key; did you mean 'alerts'?"),
        (
            "alerts:\n- kind: x\n  open: 1\n  opens: 1",
            "6: videos[0].alerts[0].open: unknown key; did you mean 'opens'?",
        ),
        ("others: maybe", "4: videos[0].others: should be 'refused' or 'allowed'; got 'maybe'"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(entries, problem):
    with pytest.raises(ConfigError) as refused:
        read(video(entries))
    assert any(each.startswith(f"alerts.yaml:{problem}") for each in refused.value.problems), refused.value.problems


@pytest.mark.parametrize("text", ["", "[]", "videos: []", "videos: 3", "a: [", "config: c.yaml"])
def test_what_is_no_file_of_expectations_is_refused(text):
    with pytest.raises(ConfigError) as refused:
        read(text)
    assert all(each.startswith("alerts.yaml:1: ") for each in refused.value.problems)


def test_names_that_no_alert_of_the_camera_has_are_told_with_their_line_and_the_nearest():
    written = read(video("alerts:\n- {rule: loiterer, opens: 1}\nnever:\n- kind: loitring\n- {place: roof}"))
    known = Vocabulary(["loiterer"], ["loitering"], ["yard"])
    assert unknown_names(written, 0, known) == [
        "alerts.yaml:7: videos[0].never[0].kind: there is no kind of alert 'loitring'; did you mean 'loitering'?",
        "alerts.yaml:8: videos[0].never[1].place: there is no zone or line 'roof'; this camera has yard",
    ]


OTHERS = """\
# by hand
config: c.yaml

videos:
    # the yard at night
    - camera: yard
      video: "yard.mp4"   # 56 s
      alerts: []
    # two people
    -
      video: gate.mp4
      camera: gate
      at_most:
        - {kind: stopped,
           count: 2}
    # the last
    - video: gate.mp4
      camera: street
"""


def test_recording_again_replaces_one_video_and_leaves_every_other_line_as_it_was(tmp_path):
    path = tmp_path / "alerts.yaml"
    path.write_text(OTHERS)
    item = section("gate.mp4", "gate", [seen(opened_s=2.0)], (), 1.0)
    text, renewed = recorded(path, tmp_path / "c.yaml", 1.0, tmp_path / "gate.mp4", "gate", item)
    assert renewed
    begin, end = OTHERS.index("    -\n"), OTHERS.index("    # the last")
    assert text.startswith(OTHERS[:begin])
    assert text.endswith(OTHERS[end:])
    videos = parse_expectations(text, path).expectations.videos
    assert [(each.camera, len(each.alerts), len(each.at_most)) for each in videos] == [
        ("yard", 0, 0),
        ("gate", 1, 0),
        ("street", 0, 0),
    ]


def test_recording_another_video_adds_it_at_the_end(tmp_path):
    path = tmp_path / "alerts.yaml"
    path.write_text(OTHERS.rstrip("\n"))
    item = section("new.mp4", "gate", [seen()], (), 1.0)
    text, renewed = recorded(path, tmp_path / "c.yaml", 1.0, tmp_path / "new.mp4", "gate", item)
    assert not renewed
    assert text.startswith(OTHERS)
    assert parse_expectations(text, path).expectations.videos[-1].video == Path("new.mp4")


def proof(entries: str, *alerts) -> Proof:
    written = read(video(entries))
    return Proof(written, 0, "gate", judged(entries, *alerts), took_s=1.5)


def test_junit_counts_every_expectation_and_every_unexpected_alert_with_line_and_reason():
    crossings = [seen("line_crossing", 5.0), seen("line_crossing", 6.0)]
    entries = f"{ONE}\nat_most:\n- {{kind: line_crossing, count: 1}}"
    root = ElementTree.fromstring(junit_xml([proof(entries, *crossings, seen("fall", 7.0, text="\x00 & <fell>"))]))
    [suite] = root.findall("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("3", "3")
    cases = {case.get("name"): case for case in suite}
    assert cases["loitering in yard at 0:41.0"].get("line") == "5"
    assert cases["at most 1: line_crossing"][0].get("type") == "too many"
    assert cases["nothing unexpected: fall in yard (track 7) at 0:07.0"][0].text.endswith("(? & <fell>)")


def test_the_same_as_json_says_what_was_wanted_and_seen():
    body = proofs_json([proof(ONE, seen(opened_s=44.2))])
    assert body["ok"] is False
    [finding] = body["videos"][0]["findings"]
    assert finding["expected"] == {"kind": "loitering", "place": "yard", "opens": 41.0}
    assert finding["seen"]["opened_s"] == 44.2
    assert finding["line"] == 5


def test_a_configuration_that_waits_longer_tells_the_same_person_later():
    before = [seen(opened_s=10.0, track_ids=(1,)), seen(opened_s=13.0, track_ids=(2,)), seen("fall", 3.0)]
    after = [seen(opened_s=13.4, track_ids=(1,)), seen(opened_s=16.0, track_ids=(2,)), seen("running", 4.0)]
    comparison = compare(before, after, 0.5, same_tracks=True)
    assert not comparison.same
    assert comparison.told == "0 alerts the same, 2 changed, 1 only before, 1 only after"
    changed = [each for each in comparison.sides if each.change == "changed"]
    assert [(each.before.track_ids, each.after.track_ids) for each in changed] == [((1,), (1,)), ((2,), (2,))]
    assert changed[0].how == "opens +3.4 s; closes +3.4 s"


def test_the_file_in_the_documents_is_right():
    document = (ROOT / "docs" / "proving-rules.md").read_text()
    [example] = re.findall(r"```yaml\n(config:.*?)```", document, flags=re.S)
    [video] = read(example).expectations.videos
    assert (video.alerts[0].opens, video.never[0].end, video.at_most[0].count) == (41.2, 16, 6)


def test_time_is_counted_on_where_a_recordings_pictures_change_their_size():
    times = VideoTimes()
    seen_s = [times.see("v.mp4", at) for at in (0.0, 0.2, 2.0)] + [times.see("v.mp4#2", at) for at in (0.0, 0.4)]
    assert seen_s == pytest.approx([0.0, 0.2, 2.0, 2.0, 2.4])
    assert times.of("v.mp4", 1.5) == 1.5  # an alert that the change of size closed
    assert times.of("v.mp4#2", 0.4) == pytest.approx(times.last_s)


def test_an_alert_is_gathered_from_its_opening_to_its_end_and_one_cut_off_says_so():
    gatherer = AlertGatherer()
    gatherer.announce([change("a", "opened", 2.0), change("a", "updated", 4.0), change("b", "opened", 1.0)])
    gatherer.announce([change("a", "closed", 6.0, "it happened"), change("b", "closed", 9.0, "the recording ended")])
    assert [(each.id, each.opened_s, each.closed_s, each.cut) for each in gatherer.alerts] == [
        ("b", 1.0, 9.0, True),
        ("a", 2.0, 6.0, False),
    ]


def change(alert_id: str, type_: str, media_s: float, why: str | None = None) -> AlertChange:
    reason = {"text": "person is in yard", **({"closed_because": why} if why else {})}
    about = {"camera": "gate", "session": "v.mp4", "rule": "r", "kind": "intrusion", "severity": "info", "score": 1.0}
    return AlertChange(
        id=alert_id, seq=1, type=type_, started_at=0.0, at=media_s, media_s=media_s, reason=reason, **about
    )
