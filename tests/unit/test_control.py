"""Orders for cameras: the bell, the desk, and what is read from a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streamer.bell import WakeBell
from streamer.control.command import OLDEST_S, Unfit, WakeCommand, read_command
from streamer.control.desk import WakeDesk
from streamer.wire import json_schema

NOW = 1_732_110_042.5
FIT = {"schema": "streamer.command/1", "command": "wake", "camera": "gate", "for_s": "20", "at": str(NOW)}


class Hand:
    """A clock whose hand is moved by the test."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_a_bell_that_nobody_rang_is_silent():
    assert not WakeBell(Hand().monotonic).rung(0.0)


@given(rings=st.lists(st.tuples(st.floats(0, 1000), st.floats(0.001, 86_400)), min_size=1), after_s=st.floats(0, 1e5))
def test_a_bell_is_heard_until_the_latest_end_that_anybody_asked_for(rings, after_s):
    hand = Hand()
    bell, end_s = WakeBell(hand.monotonic), float("-inf")
    for wait_s, for_s in rings:
        hand.now_s += wait_s
        bell.ring(for_s)
        end_s = max(end_s, hand.now_s + for_s)
    now_s = hand.now_s + after_s
    assert bell.rung(now_s) == (now_s < end_s)


@pytest.mark.parametrize("for_s", [0, -1, 86_401, float("nan"), float("inf")])
def test_a_bell_is_not_rung_for_a_time_that_cannot_be_meant(for_s):
    bell = WakeBell(Hand().monotonic)
    with pytest.raises(ValueError, match="at most 86400 s"):
        bell.ring(for_s)
    assert not bell.rung(100.0)


def test_the_desk_rings_the_bell_that_is_asked_for_or_all():
    bells = {name: WakeBell(Hand().monotonic) for name in ("gate", "yard")}
    desk = WakeDesk(bells)
    assert desk.wake("gate", 5) == ("gate",)
    assert [name for name, bell in bells.items() if bell.rung(104.9)] == ["gate"]
    assert desk.wake("*", 9) == ("gate", "yard")
    assert all(bell.rung(108.9) for bell in bells.values())


def test_a_camera_that_is_not_there_is_answered_with_those_that_are():
    desk = WakeDesk({f"camera-{n:02}": WakeBell(Hand().monotonic) for n in range(25)})
    with pytest.raises(LookupError, match=r"no camera 'porch'; there are camera-00, .* and 5 more$"):
        desk.wake("porch", 5)


def test_a_command_is_read_as_it_is_written_and_as_its_schema_says():
    command = WakeCommand("gate", round(NOW, 3), 12.25)
    assert read_command(command.fields(), "1-0", NOW) == command
    Draft202012Validator(json_schema("command")).validate(command.fields())


def test_a_command_that_says_little_is_as_old_as_its_entry_and_means_half_a_minute():
    bare = {name: FIT[name] for name in ("schema", "command", "camera")}
    assert read_command(bare, f"{NOW * 1000:.0f}-3", NOW) == WakeCommand("gate", NOW, 30.0)
    with pytest.raises(Unfit, match="it is 61 s old") as late:
        read_command(bare, f"{(NOW - 61) * 1000:.0f}-3", NOW)
    assert late.value.kind == "late"


def test_a_command_of_the_last_minute_is_taken_and_an_older_one_is_not():
    assert read_command(FIT, "1-0", NOW + OLDEST_S).camera == "gate"
    with pytest.raises(Unfit, match="clock"):
        read_command(FIT, "1-0", NOW + OLDEST_S + 0.1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema": "streamer.command/2"}, "its schema is 'streamer.command/2'"),
        ({"schema": None}, "its schema is missing"),
        ({"command": "sleep"}, "this service knows 'wake'"),
        ({"camera": ""}, "it names no camera"),
        ({"for_s": "soon"}, "its for_s is 'soon'"),
        ({"for_s": "1e999"}, "expected a number of seconds"),
        ({"at": "nan"}, "its at is 'nan'"),
        ({"at": "x" * 1000}, "its at is 'x{60}',"),
    ],
)
def test_what_is_wrong_with_a_command_is_said(changes, sentence):
    fields = {name: value for name, value in {**FIT, **changes}.items() if value is not None}
    with pytest.raises(Unfit, match=sentence) as unfit:
        read_command(fields, "1-0", NOW)
    assert unfit.value.kind == "unreadable"
