"""Zones that people draw land in the configuration file, and nothing else in it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.assembly.configuration_desk import ConfigurationDesk
from streamer.assembly.places import ConfiguredPlaces
from streamer.config import load_config, parse_config
from streamer.config.history import History
from streamer.config.places_text import with_places, with_rules
from streamer.web.places import Drawn, PlacesRefused
from tests.changing import MemoryChanging
from tests.fakes import FakeClock

SQUARE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)]
DOOR = {"door": [(0.25, 0.5), (0.75, 0.5), (0.5, 0.98764)]}
CLEAN = {"door": [(0.25, 0.5), (0.75, 0.5), (0.5, 0.9876)]}

BLOCK = """\
# our cameras
redis: {url: "redis://:${REDIS_PASSWORD:-x}@localhost:6379"}   # from the environment
cameras:
  gate:
    url: rtsp://gate/main  # the old one
    # zones were measured by Anna
    zones:
      yard: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]   # gravel
      road:
        - [0, 0]
        - [1, 0]
        - [1, 0.5]

    # what we want to know
    rules: []
  yard:
    url: rtsp://yard/main
"""
FLOW = "cameras: {gate: {url: rtsp://gate/main, zones: {yard: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}}, yard: {url: a}}\n"
NONE = "cameras:\n  gate:\n    url: rtsp://gate/main  # the old one\n    rules: []\n  yard: {url: rtsp://yard/main}\n"
LAST = "cameras:\n  yard: {url: a}\n  gate:\n    url: b\n    zones:\n      yard: [[0, 0], [1, 0], [1, 1]]\n# end\n"


@pytest.mark.parametrize("text", [BLOCK, FLOW, NONE, LAST, BLOCK.replace("\n", "\r\n")])
@pytest.mark.parametrize("camera", ["gate", "yard"])
@pytest.mark.parametrize("lines", [{}, {"kerb": [(0.0, 0.5), (1.0, 0.5)]}])
def test_only_the_places_of_one_camera_change_whatever_the_file_looks_like(text: str, camera: str, lines: dict) -> None:
    before = parse_config(text, "c.yaml", {})
    after = parse_config(with_places(text, camera, DOOR, lines), "c.yaml", {})
    meant = before.cameras[camera].model_copy(update={"zones": CLEAN, "lines": lines})
    assert after == before.model_copy(update={"cameras": {**before.cameras, camera: meant}})
    again = with_places(with_places(text, camera, DOOR, lines), camera, DOOR, lines)
    assert again == with_places(text, camera, DOOR, lines)


NEW = [
    {"name": "at-the-door", "kind": "intrusion", "zone": "door", "severity": "critical"},
    {"name": "waits", "kind": "loitering", "zone": "door", "dwell_s": 10},
]
WITH_RULES = BLOCK.replace(
    "    rules: []\n", "    rules:\n      - name: old  # since May\n        kind: intrusion\n        zone: yard\n"
)


@pytest.mark.parametrize("text", [BLOCK, FLOW, NONE, LAST, WITH_RULES, WITH_RULES.replace("\n", "\r\n")])
def test_new_rules_stand_behind_those_that_were_there(text: str) -> None:
    before = parse_config(text, "c.yaml", {}).cameras["gate"]
    drawn = with_places(text, "gate", {**dict(before.zones), **DOOR}, {})
    rules = parse_config(with_rules(drawn, "gate", NEW), "c.yaml", {}).cameras["gate"].rules
    assert rules[: len(before.rules)] == before.rules
    assert [(rule.name, rule.kind, rule.zone) for rule in rules[len(before.rules) :]] == [
        ("at-the-door", "intrusion", "door"),
        ("waits", "loitering", "door"),
    ]
    again = with_rules(with_rules(drawn, "gate", NEW[:1]), "gate", NEW[1:])
    assert parse_config(again, "c.yaml", {}).cameras["gate"].rules == rules


def test_what_is_typed_into_a_rule_reads_no_variable_and_writes_no_yaml(tmp_path: Path) -> None:
    _, places = a_file(tmp_path)
    for name in ("${REDIS_PASSWORD:-x}", "a, kind: stopped", "a\n  b: c"):
        drawn = Drawn(DOOR, {}, [{"name": name, "kind": "intrusion", "zone": "door"}])
        with pytest.raises(PlacesRefused, match=r"rules\[0\]\.name: string should match"):
            places.write("gate", drawn, places.read("gate").version, "ada")


def test_comments_variables_and_order_stay() -> None:
    after = with_places(BLOCK, "gate", DOOR, {})
    for kept in ("# our cameras", "${REDIS_PASSWORD:-x}", "# from the environment", "# the old one", "# what we want"):
        assert kept in after
    removed = set(BLOCK.splitlines()) - set(after.splitlines())
    assert all("[" in line or line.strip() == "road:" for line in removed)
    assert "      door: [[0.25, 0.5], [0.75, 0.5], [0.5, 0.9876]]" in after.splitlines()


def test_all_can_be_taken_away() -> None:
    after = parse_config(with_places(BLOCK, "gate", {}, {}), "c.yaml", {})
    assert after.cameras["gate"].zones == {}


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}", fullmatch=True)
units = st.floats(0, 1)


@given(st.dictionaries(names, st.lists(st.tuples(units, units), min_size=2, max_size=6), max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_name_and_any_points_are_read_back_as_they_were_meant(lines: dict) -> None:
    for text in (BLOCK, FLOW, NONE):
        read = yaml.safe_load(with_places(text, "gate", {}, lines))["cameras"]["gate"].get("lines", {})
        as_texts = {str(name): points for name, points in read.items()}
        assert len(as_texts) == len(lines)
        for points, meant in zip(as_texts.values(), lines.values(), strict=True):
            assert [tuple(point) for point in points] == [(round(x, 4), round(y, 4)) for x, y in meant]


def a_file(folder: Path, text: str = BLOCK) -> tuple[Path, ConfiguredPlaces]:
    path = folder / "cameras.yaml"
    path.write_text(text)
    path.chmod(0o640)
    changing = MemoryChanging(load_config(path))
    return path, ConfiguredPlaces(ConfigurationDesk(path, changing, History(folder / "history"), FakeClock()))


def test_a_save_is_checked_in_force_at_once_and_kept_with_the_rights_of_the_file(tmp_path: Path) -> None:
    path, places = a_file(tmp_path)
    read = places.read("gate")
    assert set(read.zones) == {"yard", "road"}
    assert read.in_force
    places.write("gate", Drawn(DOOR, {}), read.version, "ada")
    assert places.read("gate").in_force
    assert set(places.read("gate").zones) == {"door"}
    assert path.stat().st_mode & 0o777 == 0o640
    newest, before = History(tmp_path / "history").entries()
    assert (newest.who, newest.why) == ("ada", "zones and lines of gate")
    assert History(tmp_path / "history").text(before.number) == BLOCK
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cameras.yaml", "history"]


def test_a_file_that_was_edited_and_not_brought_in_is_told_from_what_runs(tmp_path: Path) -> None:
    path, places = a_file(tmp_path)
    path.write_text(with_places(BLOCK, "gate", DOOR, {}))
    assert set(places.read("gate").zones) == {"door"}
    assert not places.read("gate").in_force


def test_what_the_service_cannot_bring_in_is_not_saved_and_the_reason_is_told(tmp_path: Path) -> None:
    path, _ = a_file(tmp_path)
    changing = MemoryChanging(load_config(path), refuses={"gate": "camera 'gate': the model has gone"})
    places = ConfiguredPlaces(ConfigurationDesk(path, changing, History(tmp_path / "history"), FakeClock()))
    assert refused(places, DOOR).problems == ("camera 'gate': the model has gone",)
    assert path.read_text() == BLOCK


def refused(places: ConfiguredPlaces, zones: dict, version: str | None = None) -> PlacesRefused:
    with pytest.raises(PlacesRefused) as error:
        places.write("gate", Drawn(zones, {}), version or places.read("gate").version, "ada")
    return error.value


def test_what_validate_would_refuse_is_refused_with_its_line_and_nothing_is_written(tmp_path: Path) -> None:
    rule = "    rules: [{name: in, kind: intrusion, zone: yard}]\n"
    text = BLOCK.replace("    rules: []\n", rule)
    path, places = a_file(tmp_path, text)
    [sentence] = refused(places, DOOR).problems
    assert sentence.startswith("cameras.yaml:")
    assert "there is no zone 'yard'; this camera has door" in sentence
    crossed = {"yard": [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]}
    assert "zones.yard" in refused(places, crossed).problems[0]
    assert path.read_text() == text
    assert places.read("gate").used_by == {"yard": ["in"]}


def test_who_saves_over_somebody_elses_change_is_told(tmp_path: Path) -> None:
    path, places = a_file(tmp_path)
    version = places.read("gate").version
    path.write_text(BLOCK + "# more\n")
    assert refused(places, DOOR, version).stale
    assert path.read_text() == BLOCK + "# more\n"


def test_a_file_that_shares_settings_between_cameras_is_left_to_people(tmp_path: Path) -> None:
    shared = "cameras:\n  gate: &both\n    url: a\n    zones: {yard: [[0, 0], [1, 0], [1, 1]]}\n  yard: *both\n"
    path, places = a_file(tmp_path, shared)
    assert "only a person can change" in refused(places, DOOR).problems[0]
    assert path.read_text() == shared
