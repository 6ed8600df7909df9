"""The configuration: every problem at once, each with its line, its key and what would be right."""

from __future__ import annotations

from datetime import time

import pytest

from streamer.config import load_config, parse_config, quick_config
from streamer.errors import ConfigError

GOOD = """\
redis:
  url: redis://:${REDIS_PASSWORD}@127.0.0.1:6379/0
cameras:
  gate:
    url: rtsp://user:${GATE_PASSWORD:-pass}@10.0.0.5/stream
    analyse_fps: all
    zones:
      yard: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
    lines:
      kerb: [[0, 0.5], [1, 0.5]]
    rules:
      - {name: intruder, kind: intrusion, zone: yard, labels: [person], severity: critical}
      - name: night-count
        kind: line_crossing
        line: kerb
        schedule: [{from: 22:00, to: 06:30, days: [mon, tue]}]
"""
ENVIRONMENT = {"REDIS_PASSWORD": "r3d"}


def problems_of(text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.yaml", environment or ENVIRONMENT)
    return list(caught.value.problems)


def test_a_good_file_is_read_with_its_variables():
    config = parse_config(GOOD, "c.yaml", ENVIRONMENT)
    gate = config.cameras["gate"]
    assert config.redis is not None
    assert config.redis.url == "redis://:r3d@127.0.0.1:6379/0"
    assert gate.url == "rtsp://user:pass@10.0.0.5/stream"
    assert gate.analyse_fps is None
    schedule = gate.rules[1].schedule[0]
    assert (schedule.start, schedule.end) == (time(22, 0), time(6, 30))


def test_all_problems_come_at_once_with_line_and_key():
    text = """\
cameras:
  gate:
    url: rtsp://10.0.0.5/stream
    anlyse_fps: 5
    zones:
      yard: [[0.1, 0.1], [0.9, 0.1], [0.5, 1.9]]
      bow: [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]
    rules:
      - {name: a, kind: intrusion, zone: yrad}
      - {name: a, kind: loitering, zone: yard}
      - {name: b, kind: teleporting}
      - {name: c, kind: intrusion, zone: yard, dwell_s: 4}
  door:
    analyse_fps: -1
radis: {}
"""
    found = problems_of(text)
    expected = [
        ("c.yaml:4:", "unknown key; did you mean 'analyse_fps'?"),
        ("c.yaml:6:", "cameras.gate.zones.yard"),
        ("c.yaml:7:", "cameras.gate.zones.bow"),
        ("c.yaml:9:", "cameras.gate.rules[0].zone: there is no zone 'yrad'; this camera has bow, yard"),
        ("c.yaml:10:", "'a' names two rules"),
        ("c.yaml:10:", "'dwell_s' is missing"),
        ("c.yaml:11:", "there is no rule 'teleporting'; it should be one of intrusion"),
        ("c.yaml:12:", "cameras.gate.rules[3].dwell_s: unknown key"),
        ("c.yaml:13:", "cameras.door: 'url' is missing"),
        ("c.yaml:14:", "above 0 and at most 240, or 'all'; got -1"),
        ("c.yaml:15:", "radis: unknown key; did you mean 'redis'?"),
    ]
    for place, sentence in expected:
        assert any(p.startswith(place) and sentence in p for p in found), (place, sentence, found)
    assert len(found) == len(expected), found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "should hold keys such as 'cameras:'"),
        ("cameras:\n  gate: [\n", "is not YAML here"),
        ("cameras: {}\n", "cameras"),
        ("cameras:\n  gate: {url: x}\n  gate: {url: y}\n", "c.yaml:3: cameras.gate: stands twice; first on line 2"),
        ("cameras:\n  gate: {url: '${NOT_SET_ANYWHERE}'}\n", "NOT_SET_ANYWHERE is not set"),
        ("cameras:\n  'a b': {url: x}\n", "a name may hold letters"),
        ("cameras:\n  g: {url: x}\ntimezone: Mars/Base\n", "there is no time zone 'Mars/Base'"),
        ("cameras:\n  g: {url: x, rules: [{name: r, zone: z}]}\n", "'kind' is missing"),
        ("cameras: &a\n  g: *a\n", "c.yaml"),
        ("cameras:\n  g: {url: x}\nwebhooks: {w: {url: ftp://x, secret: s}}\n", "begin with http:// or https://"),
        ("cameras:\n  g: {url: x, lines: {l: [[0.5, 0.5], [0.5, 0.5]]}}\n", "cameras.g.lines.l"),
        ("cameras:\n  g: {url: x, zones: {z: [[0,0],[1,1],[.nan,1]]}}\n", "cameras.g.zones.z"),
        ("cameras:\n  g: {url: x, decode: always, look_every_s: 5}\n", "it needs 'decode: motion'"),
        ("cameras:\n  g: {url: x, decode: sometimes}\n", "cameras.g.decode"),
    ],
)
def test_what_is_wrong_is_said(text, sentence):
    assert any(sentence in problem for problem in problems_of(text))


def test_a_password_never_stands_in_a_problem():
    text = "cameras:\n  g: {url: [rtsp://u:hunter2@h/x]}\nredis: {url: 'http://u:hunter2@h'}\n"
    assert "hunter2" not in "\n".join(problems_of(text))


def test_paths_are_taken_from_the_files_own_folder(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("cameras: {v: {url: clips/a.mp4}}\nmodel: {path: zoo/m}\n")
    config = load_config(path)
    assert config.cameras["v"].url == str(tmp_path / "clips/a.mp4")
    assert config.model.path == tmp_path / "zoo/m"
    assert config.data_dir == tmp_path / "streamer-data"


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "b.yaml")


def test_the_quick_start_needs_no_file_and_refuses_a_wrong_redis_address():
    config = quick_config("rtsp://u:p@h/x", "redis://127.0.0.1:6379")
    assert config.cameras["camera"].rules[0].kind == "occupancy"
    with pytest.raises(ConfigError, match=r"redis\.url: should begin with redis:// or rediss:// or unix://"):
        quick_config("rtsp://u:p@h/x", "127.0.0.1:6379")


def test_clips_are_on_and_recording_is_off_unless_the_file_says_otherwise():
    plain = parse_config("cameras: {a: {url: rtsp://h/1}}", "c.yaml").cameras["a"]
    assert plain.clips is not None
    assert (plain.clips.before_s, plain.clips.after_s, plain.clips.most_s) == (5.0, 10.0, 120.0)
    assert plain.record is None
    assert plain.footage_url is None
    text = "cameras: {a: {url: rtsp://h/1, footage_url: rtsp://h/2, clips: null, record: {segment_s: 30}}}"
    chosen = parse_config(text, "c.yaml").cameras["a"]
    assert chosen.clips is None
    assert chosen.record is not None
    assert chosen.record.segment_s == 30.0
    assert chosen.footage_url == "rtsp://h/2"


def test_what_is_wrong_with_footage_is_said_with_its_line():
    text = """\
cameras:
  a:
    url: rtsp://h/1
    footage_url: ""
    clips: {before_s: 90}
    record: {segment: 60}
  b:
    url: rtsp://h/1
    clips: {before_s: 30, most_s: 20}
keep: {clips_mb: 0}
"""
    found = problems_of(text)
    expected = [
        ("c.yaml:4:", "cameras.a.footage_url"),
        ("c.yaml:5:", "cameras.a.clips.before_s"),
        ("c.yaml:6:", "unknown key; did you mean 'segment_s'?"),
        ("c.yaml:9:", "cameras.b.clips: 'most_s: 20' should be more than 'before_s: 30'"),
        ("c.yaml:10:", "keep.clips_mb"),
    ]
    assert len(found) == len(expected)
    for problem, (place, says) in zip(found, expected, strict=True):
        assert problem.startswith(place)
        assert says in problem
