"""The JSON Schema for editors against what `validate` takes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from streamer.cli import main
from streamer.config import parse_config
from streamer.config.editor_schema import editor_schema
from streamer.config.model import CameraConfig, Config
from streamer.errors import ConfigError
from tests.unit.test_config import GOOD

SCHEMA = editor_schema()
CHECK = Draft202012Validator(SCHEMA)
ROOT = Path(__file__).parents[2]


def as_editors_read(text: str) -> Any:
    return yaml.safe_load(text)


def test_the_schema_is_one_and_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA


FULL = """\
cameras:
  gate:
    url: ${GATE_URL:-rtsp://gate/}
    analyse_fps: ${FPS:-4}
    priority: ${PRIORITY:-high}
    loop: true
    zones: {yard: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}
    trouble: {dark_after_s: null}
    privacy: {redact: heads}
    rules:
      - {name: a, kind: occupancy, zone: yard, above: 2, schedule: [{from: 22:00, to: "06:30", days: [mon]}]}
      - {name: b, kind: behaviour.fallen}
  yard: {url: film.mp4, analyse_fps: all, clips: null}
model: {device: [0, 1], provider: cuda}
web: {port: "${PORT:-9096}", allow_sources: [loopback]}
http: null
"""


@pytest.mark.parametrize("text", [GOOD, FULL, "cameras: {gate: {url: a}}"])
def test_what_validate_takes_passes(text: str) -> None:
    parse_config(text, "c.yaml", {"REDIS_PASSWORD": "r3d"})
    assert [error.message for error in CHECK.iter_errors(as_editors_read(text))] == []


def test_files_of_this_repository_pass() -> None:
    found = [path for path in ROOT.glob("deploy/**/*.y*ml") if "cameras:" in path.read_text()]
    checked = 0
    for path in found:
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and set(document) <= set(Config.model_fields) and "cameras" in document:
                assert [error.message for error in CHECK.iter_errors(document)] == [], path
                checked += 1
    assert checked or not found


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {gate: {ulr: a}}",
        "cameras: {}",
        "camera: {gate: {url: a}}",
        "cameras: {gate: {url: a, analyse_fps: 0}}",
        "cameras: {gate: {url: a, analyse_fps: some}}",
        "cameras: {gate: {url: a, priority: highest}}",
        "cameras: {gate: {url: a, rules: [{name: a, kind: teleporting}]}}",
        "cameras: {gate: {url: a, rules: [{name: a, kind: intrusion}]}}",
        "cameras: {gate: {url: a, rules: [{name: 'a b', kind: behaviour.fallen}]}}",
        "cameras: {'bad name': {url: a}}",
        "cameras: {gate: {url: a, zones: {yard: [[0, 0, 0], [1, 0], [1, 1]]}}}",
        "cameras: {gate: {url: a}}\nredis: {url: 'http://x'}",
        "cameras: {gate: {url: a}}\nweb: {port: 70000}",
        "cameras: {gate: {url: a}}\nweb: {allow_sources: [everything]}",
    ],
)
def test_what_validate_refuses_and_one_key_can_know_fails(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text, "c.yaml", {})
    assert list(CHECK.iter_errors(as_editors_read(text)))


def test_keys_are_described_with_the_words_of_the_model() -> None:
    camera = SCHEMA["$defs"]["CameraConfig"]["properties"]
    assert set(camera) == set(CameraConfig.model_fields)
    assert camera["priority"]["description"] == "whose pictures come first where there is not time for all"
    assert camera["connect_timeout_s"]["description"] == "connect timeout, in seconds"
    assert camera["clips"]["description"] == "of live cameras and files played in real time"
    assert SCHEMA["properties"]["keep"]["description"] == "How long things stay in the data folder."
    assert SCHEMA["$defs"]["ScheduleConfig"]["properties"].keys() == {"days", "from", "to"}
