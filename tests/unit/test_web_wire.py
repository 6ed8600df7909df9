"""What people did about alerts, as a message: through the outbox, durable, once, and mistaken for no alert."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streamer.client.messages import is_about_handling
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.outbox import Outbox
from streamer.types import Handling
from streamer.wire import (
    HANDLING_TYPES,
    alert_schema,
    decode_alert,
    decode_message,
    encode_message,
    handling_body,
    json_schema,
)
from tests.alert_lives import change
from tests.fakes import FakeClock

VALID = Draft202012Validator(json_schema("handling"))
texts = st.text(min_size=1, max_size=20)
handlings = st.builds(
    Handling,
    id=texts,
    type=st.sampled_from(HANDLING_TYPES),
    alert=texts,
    camera=texts,
    kind=texts,
    severity=st.sampled_from(["info", "warning", "critical"]),
    by=texts,
    at=st.floats(0, 4e9).map(lambda value: round(value, 3)),
    text=st.none() | st.text(max_size=50),
    until=st.none() | st.floats(0, 4e9).map(lambda value: round(value, 3)),
)


def a_handling(id: str = "h1", alert: str = "a1") -> Handling:
    return Handling(
        id=id, type="acknowledged", alert=alert, camera="gate", kind="intrusion", severity="warning", by="anna", at=5.0
    )


@given(handlings)
@settings(deadline=None, max_examples=60)
def test_it_comes_back_as_it_was_and_fits_its_schema(sent: Handling) -> None:
    text = encode_message(sent)
    VALID.validate(json.loads(text))
    assert decode_message(text) == sent
    with pytest.raises(ValueError, match=r"schema is 'streamer\.handling/1'"):
        decode_alert(text)
    assert alert_schema(sent.type) == "streamer.handling/1"


def test_keys_come_in_the_order_of_the_documentation() -> None:
    assert list(handling_body(a_handling())) == list(json_schema("handling")["properties"])


@pytest.mark.parametrize(
    "wrong", [{"change": "opened"}, {"severity": "mild"}, {"at": None}, {"by": 3}, {"id": None}, {"schema": "x"}]
)
def test_what_is_no_such_message_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"not an? (handling|alert) message"):
        decode_message(json.dumps({**handling_body(a_handling()), **wrong}))


def test_the_outbox_keeps_it_in_order_once_and_it_opens_and_closes_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", FakeClock())
    outbox.register("redis")
    outbox.append([change("a1")])
    assert outbox.append([a_handling()]) == 1
    assert outbox.append([a_handling()]) == 0
    outbox.append([change("a1", 2, "updated")])
    rows = outbox.pending("redis", 10)
    assert [(row.id, row.type) for row in rows] == [("a1", "opened"), ("h1", "acknowledged"), ("a1", "updated")]
    assert [(each.id, each.seq) for each in outbox.open_alerts()] == [("a1", 2)]
    outbox.set_aside("redis", rows[1], "no")
    [(aside, why)] = outbox.rejected("redis")
    assert (aside.id, aside.type, why) == ("h1", "acknowledged", "no")
    outbox.close()


def test_it_is_saved_from_a_corrupt_outbox(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, FakeClock())
    outbox.append([change(f"a{n}") for n in range(400)])
    outbox.append([a_handling()])
    outbox.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    saved = Outbox(path, FakeClock())
    saved.register("redis")
    assert "h1" in [row.id for row in saved.pending("redis", 1000)]
    saved.close()


def test_a_line_of_a_file_says_what_it_is(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", FakeClock())
    outbox.register("jsonl")
    outbox.append([change("a1"), a_handling()])
    JsonLines(tmp_path / "alerts.jsonl").deliver("L", 0, outbox.pending("jsonl", 10))
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["alert", "handling"]
    assert lines[1]["alert"] == "a1"
    outbox.close()


def test_a_subscriber_tells_it_from_what_it_cannot_read() -> None:
    assert is_about_handling({b"schema": b"streamer.handling/1"})
    assert not is_about_handling({b"schema": b"streamer.alert/1"})
    assert not is_about_handling({})
