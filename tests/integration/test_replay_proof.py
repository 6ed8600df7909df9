"""Rules proved on footage, as an operator does it: look, record, commit, and be told in CI what is not so any more."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
import yaml

from streamer.alerts.drawing import COLOURS
from streamer.cli import build_parser, main
from streamer.commands.replay_watch import Watch, equipped
from streamer.demo.script import Ground
from streamer.demo.street import Street
from streamer.demo.truth import Play, events_of
from streamer.demo.views import SEED
from streamer.demo.watch import posts
from streamer.expectations.seen import AlertGatherer
from streamer.render.artist import colour_of
from streamer.zoo import bundled_model
from tests.living import write_config

ZONES = {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
RULES = [
    {"name": "in-left", "kind": "intrusion", "zone": "left", "labels": ["person"], "min_score": 0.4},
    {"name": "stays", "kind": "loitering", "zone": "right", "dwell_s": 3, "labels": ["person"], "severity": "info"},
]


def configuration(path: Path, dwell_s: float = 3) -> Path:
    stays = {**RULES[1], "dwell_s": dwell_s}
    camera = {"url": "street.mp4", "zones": ZONES, "rules": [RULES[0], stays]}
    return write_config(path, model={"path": str(bundled_model())}, cameras={"gate": camera})


@pytest.fixture(scope="module")
def folder(street, tmp_path_factory) -> Path:
    """A repository of rules and footage, its expectations recorded, and what was seen drawn and written."""
    there = tmp_path_factory.mktemp("rules")
    (there / "clips").mkdir()
    (there / "clips" / "street.mp4").write_bytes(street.read_bytes())
    config = configuration(there / "street.yaml")
    clip, out = str(there / "clips" / "street.mp4"), str(there / "lines.jsonl")
    drawn = ["--render", str(there / "seen.mp4"), "--out", out]
    assert main(["replay", clip, "--config", str(config), "--record", str(there / "alerts.yaml"), *drawn]) == 0
    return there


def lines(folder: Path, kind: str) -> list[dict]:
    read = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    return [line for line in read if line["type"] == kind]


def changed(folder: Path, name: str, change) -> Path:
    """The recorded expectations, changed by a person."""
    body = yaml.safe_load((folder / "alerts.yaml").read_text())
    change(body["videos"][0])
    path = folder / name
    path.write_text(yaml.safe_dump(body))
    return path


def test_what_was_recorded_is_every_alert_at_its_time_with_paths_from_the_files_own_folder(folder):
    body = yaml.safe_load((folder / "alerts.yaml").read_text())
    assert body["config"] == "street.yaml"
    [video] = body["videos"]
    assert (video["video"], video["camera"]) == ("clips/street.mp4", "gate")
    opened = [line for line in lines(folder, "alert") if line["change"] == "opened"]
    assert len(opened) >= 3
    told = sorted((each["rule"], each["place"], each["media_s"]) for each in opened)
    written = [(each["rule"], each["place"], float(str(each["opens"]).split(":")[-1])) for each in video["alerts"]]
    assert sorted(written) == told


def test_what_was_recorded_is_so_in_ci_from_any_folder(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["replay", "--expect", str(folder / "alerts.yaml"), "--junit", "out.xml"]) == 0
    expected = len(yaml.safe_load((folder / "alerts.yaml").read_text())["videos"][0]["alerts"])
    shown = capsys.readouterr().out
    assert f"clips/street.mp4 (gate): {expected} of {expected} alerts as expected\n" in shown
    [suite] = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(expected), "0")


def test_an_alert_that_nobody_expected_fails_and_is_named_with_its_time_and_track(folder, capsys):
    path = changed(folder, "fewer.yaml", lambda video: video["alerts"].pop(0))
    assert main(["replay", "--expect", str(path), "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    [unexpected] = [each for each in body["videos"][0]["findings"] if not each["ok"]]
    first = min((line for line in lines(folder, "alert") if line["change"] == "opened"), key=lambda a: a["media_s"])
    assert unexpected["outcome"] == "unexpected"
    assert unexpected["seen"]["id"] == first["id"]
    assert (
        f"1 unexpected: {first['kind']} in {first['place']} (track {first['track_ids'][0]})"
        in body["videos"][0]["told"]
    )


def test_stricter_rules_fail_what_was_recorded_before_and_the_difference_says_how(folder, capsys):
    strict = configuration(folder / "strict.yaml", dwell_s=30)
    assert main(["replay", "--expect", str(folder / "alerts.yaml"), "--config", str(strict)]) == 1
    assert "✗ missing" in capsys.readouterr().out
    clip = str(folder / "clips" / "street.mp4")
    first = ["replay", clip, "--config", str(folder / "street.yaml")]
    assert main([*first, "--diff", str(strict), "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    by_kind = {(each["before"] or each["after"])["kind"]: each["change"] for each in body["alerts"]}
    assert by_kind == {"intrusion": "same", "loitering": "only before"}
    assert main([*first, "--diff", str(folder / "street.yaml")]) == 0


def test_a_rendered_video_shows_every_frame_at_its_time_with_boxes_where_they_were_found(folder):
    with av.open(str(folder / "clips" / "street.mp4")) as source, av.open(str(folder / "seen.mp4")) as drawn:
        times_s = [frame.time for frame in source.decode(video=0)]
        seen = {round(frame.time, 3): frame.to_ndarray(format="rgb24") for frame in drawn.decode(video=0)}
    assert list(seen) == pytest.approx(times_s, abs=1e-3)
    checked = 0
    for line in lines(folder, "frame"):
        picture = seen[round(line["media_s"], 3)].astype(int)
        followed = [each for each in line["objects"] if each["track_id"] is not None]
        for one in followed:
            left, _, right, bottom = (round(edge * 2) for edge in one["box"])  # small pictures are drawn twice as large
            near = [left / 2 - 20, bottom / 2 - 20, right / 2 + 20, bottom / 2 + 20]
            if bottom > 710 or any(meet(near, other["box"]) for other in followed if other is not one):
                continue  # an upper box, or its words, may hide a lower one
            middle = (left + right) // 2
            foot = picture[bottom - 16 : bottom + 16, max(middle - 8, 0) : middle + 8]  # tracks are smoother than boxes
            colours = [colour_of(one["track_id"]), *COLOURS.values()]
            away = min(np.abs(foot - colour).sum(-1).min(0).mean() for colour in colours)
            assert away < 120, (line["media_s"], one["track_id"])  # of 765: H.264 halves colours
            checked += 1
    assert checked >= 30


def meet(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_expectations_that_were_written_from_the_truth_hold(street, tmp_path):
    post = posts(Ground())["gate"]
    world = Street(post.view, SEED)
    play = Play.of([world.truth(i / 10) for i in range(120)], 10, post.view.picture_wh)
    happened = [event for event in events_of(play, post) if event.plain]
    assert happened
    camera = {"zones": post.zones, "lines": post.lines, "rules": list(post.rules), "url": "street.mp4"}
    config = tmp_path / "gate.yaml"
    config.write_text(json.dumps({"cameras": {"gate": camera}, "model": {"path": str(bundled_model())}}))
    # An alert may open from a second before its event to four seconds after, as the demo judges itself.
    alerts = [{"kind": e.kind, "place": e.place, "opens": e.start_s + 1.5, "tolerance_s": 2.5} for e in happened]
    expectations = tmp_path / "truth.yaml"
    videos = [{"video": str(street), "alerts": alerts}]
    expectations.write_text(yaml.safe_dump({"config": config.name, "videos": videos}))
    assert main(["replay", "--expect", str(expectations)]) == 0


def test_two_configurations_side_by_side_tell_what_each_tells_alone(folder):
    def watch(dwell_s: float) -> Watch:
        args = build_parser().parse_args(["replay", "v.mp4"])
        return equipped(configuration(folder / f"dwell-{dwell_s}.yaml", dwell_s), args).watch(None)

    def told(gatherer: AlertGatherer) -> list[tuple[str, float, float | None]]:
        return [(each.id, each.opened_s, each.closed_s) for each in gatherer.alerts]

    clip, one, other = folder / "clips" / "street.mp4", watch(3), watch(2)
    assert one.sees_the_same(other)
    beside, others, alone = (AlertGatherer(), AlertGatherer()), (AlertGatherer(),), AlertGatherer()
    one.replay_beside(other, clip, beside, others)
    other.replay(clip, alone)
    assert told(others[0]) == told(alone)
    recorded = [line["id"] for line in lines(folder, "alert") if line["change"] == "opened"]
    assert sorted(each.id for each in beside[0].alerts) == sorted(recorded)
    assert told(beside[0]) != told(others[0])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda video: video.update(video="gone.mp4"), "gone.mp4: there is no such file"),
        (lambda video: video.update(video="street.yaml"), "is not a video that can be read"),
        (lambda video: video.update(camera="yard"), "there is no camera 'yard'"),
        (lambda video: video.update(never=[{"rule": "stay"}]), "there is no rule 'stay'; did you mean 'stays'?"),
        (lambda video: video.update(alerts=[{"opens": "x"}]), "should be a time in the video"),
    ],
)
def test_what_cannot_be_checked_is_no_difference_but_wrong_input(folder, capsys, change, problem):
    path = changed(folder, "wrong.yaml", change)
    assert main(["replay", "--expect", str(path)]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert f"{path}:" in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "which video?"),
        (["v.mp4", "--junit", "x"], "--junit: needs --expect"),
        (["v.mp4", "--wrong", "2"], "--wrong: needs --record"),
        (["v.mp4", "--json"], "--json: needs --expect"),
        (["v.mp4", "--record", "new.yaml"], "v.mp4: there is no such file"),
        (["--diff", "b.yaml"], "name it, and the first one with --config"),
        (["alerts.txt", "--render", "nowhere/x.mp4"], "the folder of nowhere/x.mp4 is not there"),
        (["alerts.txt", "--render", "alerts.txt"], "is the recording itself; name another file"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(arguments, problem, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alerts.txt").touch()
    assert main(["replay", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_video_of_which_the_file_says_nothing_is_told_what_it_has(folder, capsys):
    assert main(["replay", "other.mp4", "--expect", str(folder / "alerts.yaml")]) == 2
    assert "says nothing of other.mp4; it has clips/street.mp4 (gate)" in capsys.readouterr().err
