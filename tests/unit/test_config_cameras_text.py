"""Cameras added, changed and removed in a file that a person wrote: all else stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config.cameras_text import settings_of, with_camera, without_camera
from streamer.config.lines import read_document

BLOCK = """\
# our cameras
redis: {url: "redis://:${REDIS_PASSWORD:-x}@localhost:6379"}   # from the environment
cameras:
  gate:
    url: rtsp://gate/main  # the old one
    # zones were measured by Anna
    zones:
      yard: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]   # gravel
    rules:
      - name: in     # since May
        kind: intrusion
        zone: yard

  # the yard has no light
  yard:
    url: ${YARD_URL:-rtsp://yard/main}   # by DNS
    analyse_fps: 3 # enough
# the end
keep: {clips_days: 3}
"""
FLOW = "cameras: {gate: {url: rtsp://gate/main, analyse_fps: 2}, yard: {url: a}}   # both\nkeep: {clips_days: 3}\n"
MIXED = "cameras:\n  gate: {url: rtsp://gate/main, analyse_fps: 2}   # one\n  yard: {url: a}\n"
TEXTS = [BLOCK, FLOW, MIXED, BLOCK.replace("\n", "\r\n"), BLOCK[BLOCK.index("cameras:") : BLOCK.index("# the end")]]
DOOR = {"url": "rtsp://door/main", "analyse_fps": 2, "zones": {"mat": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]},
        "rules": [{"name": "in", "kind": "intrusion", "zone": "mat", "labels": ["person"]}]}  # fmt: skip


def values(text: str) -> dict[str, Any]:
    document = read_document(text, as_written=True)
    assert document.problems == []
    return document.value


def comments(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


@pytest.mark.parametrize("text", TEXTS)
def test_a_camera_is_added_behind_the_others(text: str) -> None:
    after = with_camera(text, "door", DOOR)
    cameras = values(text)["cameras"]
    assert values(after) == {**values(text), "cameras": {**cameras, "door": DOOR}}
    assert list(values(after)["cameras"]) == ["gate", "yard", "door"]
    assert comments(after) == comments(text)
    assert ("\r\n" in text) == ("\r\n" in after)
    assert without_camera(after, "door") == text


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("camera", ["gate", "yard"])
def test_only_what_changes_of_a_camera_is_written_anew(text: str, camera: str) -> None:
    was = settings_of(text, camera)
    wanted = {**was, "url": "rtsp://elsewhere/", "pace": "live"}
    after = with_camera(text, camera, wanted)
    assert values(after)["cameras"] == {**values(text)["cameras"], camera: wanted}
    assert comments(after) == comments(text)
    back = with_camera(after, camera, was)
    assert values(back) == values(text)
    assert len(set(back.splitlines()) ^ set(text.splitlines())) <= 2  # of the url, in other quotes at most
    assert with_camera(text, camera, was) == text


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("camera", ["gate", "yard"])
def test_a_camera_is_taken_out_and_nothing_else(text: str, camera: str) -> None:
    after = without_camera(text, camera)
    assert values(after)["cameras"] == {k: v for k, v in values(text)["cameras"].items() if k != camera}
    assert {k: v for k, v in values(after).items() if k != "cameras"} == {
        k: v for k, v in values(text).items() if k != "cameras"
    }


def test_comments_around_stay() -> None:
    after = without_camera(with_camera(BLOCK, "gate", {**settings_of(BLOCK, "gate"), "analyse_fps": 9}), "yard")
    for kept in ("# our cameras", "# from the environment", "# the old one", "# measured", "# gravel", "# the end"):
        assert kept.replace("# measured", "# zones were measured by Anna") in after
    assert "    analyse_fps: 9\n" in after


def test_values_are_never_taken_for_something_else() -> None:
    odd = {"url": "12:30", "options": {"on": "yes", "a b": "x: y # z", "n": "12"}, "format": "null"}
    after = with_camera(BLOCK, "on", odd)
    assert settings_of(after, "on") == odd


@pytest.mark.parametrize(
    "text",
    [
        "cameras:\n  gate: &both\n    url: a\n  yard: *both\n",
        "cameras:\n  gate:\n    url: &u a\n  yard:\n    url: *u\n",
    ],
)
def test_what_only_a_person_can_change_is_left_to_people(text: str) -> None:
    with pytest.raises(ValueError, match="only a person can change"):
        with_camera(text, "gate", {"url": "b"})


def test_a_camera_that_is_not_there_is_said() -> None:
    with pytest.raises(LookupError, match="no camera 'shed'"):
        without_camera(BLOCK, "shed")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9999, 9999)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["url", "options", "rules", "zones", "note"]), json_values, min_size=1),
    st.sampled_from(TEXTS),
)
@settings(max_examples=150, deadline=None)
def test_any_settings_are_read_back_as_they_were_meant(camera: dict[str, Any], text: str) -> None:
    for name in ("gate", "door"):
        assert settings_of(with_camera(text, name, camera), name) == camera
