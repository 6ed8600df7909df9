"""`streamer calibrate` on a drawn street: what it learns, stores, adds up, and refuses."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pytest

from streamer.behaviour.calibration_store import calibration_path, load_calibration
from streamer.behaviour.model import BehaviourHeads
from streamer.behaviour.normal import CameraNormal
from streamer.commands.calibrate import add_parser, duration_s
from streamer.demo.clips import encode
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS
from streamer.errors import ArtifactError, ConfigError
from streamer.zoo import bundled_model
from tests.behaviour_heads import TinyNet, tiny_session, write_tiny_head
from tests.living import write_config

SECONDS, FPS = 12, 5


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn street, with people in it."""
    folder = tmp_path_factory.mktemp("street")
    view = Street(VIEWS["gate"], SEED)
    encode((view.frame(i / FPS) for i in range(SECONDS * FPS)), folder / "street.mp4", fps=FPS)
    return folder / "street.mp4"


@pytest.fixture
def config(tmp_path: Path, street: Path) -> Path:
    write_tiny_head(tmp_path / "head")
    return a_config(tmp_path, street)


def a_config(folder: Path, street: Path, **camera: object) -> Path:
    return write_config(
        folder / "cameras.yaml",
        model={"path": str(bundled_model())},
        behaviour={"track": str(folder / "head"), "scene": None},
        data_dir=str(folder / "data"),
        cameras={"gate": {"url": str(street), "analyse_fps": 5, **camera}, "yard": {"url": str(street)}},
    )


def calibrate(config: Path, *arguments: object) -> int:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["calibrate", "--config", str(config), *map(str, arguments)])
    code: int = args.handler(args)
    return code


def stored(config: Path) -> dict[str, object]:
    whole: dict[str, object] = json.loads(calibration_path(config.parent / "data", "gate").read_text())
    return whole


def test_what_is_normal_is_learned_and_stored(config, street, capsys):
    assert calibrate(config, "--camera", "gate", "--from", street, "--false-alerts-per-day", 8000) == 0
    found = stored(config)
    assert found["seconds"] == pytest.approx(SECONDS, abs=0.5)
    assert set(found["tracks"]) == {"unknown"}  # the recording does not say when it was made
    tracks = len(found["tracks"]["unknown"])
    assert tracks >= 2
    assert found["usual"]["speed_1"][2] > 0.2
    said = capsys.readouterr().out
    assert f"gate.json: {tracks} tracks in 12 s of footage" in said
    assert f"it can hold {math.ceil(86_400 / found['seconds'])} or more false alerts a day" in said


def test_two_recordings_add_up_and_their_tracks_are_not_mixed(config, street):
    budget = ("--false-alerts-per-day", 8000)
    calibrate(config, "--camera", "gate", "--from", street, *budget)
    once = stored(config)
    calibrate(config, "--camera", "gate", "--from", street, "--from", street, *budget)
    twice = stored(config)
    assert twice["seconds"] == pytest.approx(2 * once["seconds"])
    assert twice["tracks"]["unknown"] == pytest.approx(sorted(2 * once["tracks"]["unknown"]))


def test_the_hour_is_that_of_the_camera_where_the_recording_tells(config, street, tmp_path):
    dated = tmp_path / "dated.mp4"
    copy_with_date(street, dated, "2026-03-01T06:30:00Z")
    calibrate(config, "--camera", "gate", "--from", dated, "--false-alerts-per-day", 8000)
    assert set(stored(config)["tracks"]) == {"06"}


def copy_with_date(source: Path, target: Path, created: str) -> None:
    import av

    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        new.metadata["creation_time"] = created
        stream = old.streams.video[0]
        out = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.dts is not None:
                packet.stream = out
                new.mux(packet)


def test_what_was_stored_is_what_the_service_judges_by(config, street, tmp_path):
    calibrate(config, "--camera", "gate", "--from", street, "--false-alerts-per-day", 8000)
    session = tiny_session(tmp_path / "same")
    detector = json.loads((bundled_model() / "manifest.json").read_text())["sha256"]
    expected = {"head": session.manifest.sha256, "scene_head": None, "detector": detector, "timezone": "UTC"}
    calibration = load_calibration(tmp_path / "data", "gate", **expected)
    assert calibration is not None
    normal = CameraNormal(calibration, session.manifest.features, false_alerts_per_day=8000)
    assert BehaviourHeads(session, detector=detector, timezone=None, normal={"gate": normal}).drift == {
        "gate": (0.0, None)
    }
    other = tiny_session(tmp_path / "other", TinyNet(seed=5)).manifest.sha256
    with pytest.raises(ArtifactError, match="learned with another track head"):
        load_calibration(tmp_path / "data", "gate", **(expected | {"head": other}))


def test_too_little_footage_is_refused_and_the_last_calibration_stays(config, street):
    calibrate(config, "--camera", "gate", "--from", street, "--false-alerts-per-day", 8000)
    before = stored(config)
    with pytest.raises(ConfigError, match=r"camera 'gate': 12 s of footage can hold 7\d{3} or more.*12 h are missing"):
        calibrate(config, "--camera", "gate", "--from", street)
    assert stored(config) == before


def test_the_strictest_rule_of_the_camera_says_what_is_needed(tmp_path, street):
    write_tiny_head(tmp_path / "head")
    rules = [
        {"name": f"odd-{n}", "kind": "behaviour.anomaly", "false_alerts_per_day": budget}
        for n, budget in enumerate((9000, 24))
    ]
    with pytest.raises(ConfigError, match="for 24 a day 1 h are needed"):
        calibrate(a_config(tmp_path, street, rules=rules), "--camera", "gate", "--from", street)


def test_a_live_calibration_that_would_be_too_short_is_refused_before_it_begins(config):
    with pytest.raises(ConfigError, match=r"--live: 3 h of footage.*9 h are missing"):
        calibrate(config, "--camera", "gate", "--live", "3h")


def test_the_camera_itself_is_watched_for_as_long_as_was_asked(tmp_path, street):
    write_tiny_head(tmp_path / "head")
    config = a_config(tmp_path, street, pace="realtime", loop=True)
    assert calibrate(config, "--camera", "gate", "--live", "5s", "--false-alerts-per-day", 20_000) == 0
    assert stored(config)["seconds"] == pytest.approx(5, abs=0.5)


def test_what_is_not_there_is_named(config, tmp_path):
    with pytest.raises(ConfigError, match=r"no camera 'gaet'; .* has gate, yard"):
        calibrate(config, "--camera", "gaet", "--live", "1h")
    with pytest.raises(ConfigError, match=r"lost\.mp4: there is no such file"):
        calibrate(config, "--camera", "gate", "--from", tmp_path / "lost.mp4")
    with pytest.raises(ConfigError, match="is a folder; name the recordings in it"):
        calibrate(config, "--camera", "gate", "--from", tmp_path)


def test_a_place_that_cannot_be_written_is_said_before_a_day_is_spent(config, street, tmp_path, capsys):
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(ArtifactError, match=r"data/calibration/gate\.json: cannot be written: .*data_dir says where"):
        calibrate(config, "--camera", "gate", "--from", street, "--false-alerts-per-day", 8000)
    assert capsys.readouterr().err == ""  # no footage was looked at


@pytest.mark.parametrize("text", ["a few", "0", "-2", "nan", "inf"])
def test_what_is_no_budget_is_refused_in_words(config, street, capsys, text):
    with pytest.raises(SystemExit) as caught:
        calibrate(config, "--camera", "gate", "--from", street, f"--false-alerts-per-day={text}")
    assert caught.value.code == 2
    assert f"should be a number of false alerts a day, more than 0; got '{text}'" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86_400), ("1.5d", 129_600)])
def test_durations_are_read(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1e3s", "0s", "1 h", "24hours"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="90s, 30m, 24h or 2d"):
        duration_s(text)
