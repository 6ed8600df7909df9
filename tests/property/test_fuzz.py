"""A share of the bad inputs that `python -m tests.benchmarks.fuzz` tries in thousands: each is taken or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from streamer.config.cameras_text import with_camera
from streamer.config.lines import NotYaml, composed, read_document
from streamer.config.places_text import with_places
from streamer.crew.letters import Lines
from streamer.crew.news import BooksOf
from streamer.sinks.outbox import Outbox
from streamer.surroundings import Surroundings
from streamer.wire import alert_body, decode_alert, dumps
from tests.alert_lives import change
from tests.benchmarks.fuzz import SHARES, leaks, merged, summed
from tests.console_server import served
from tests.fakes import FakeClock
from tests.fuzz.run import Found, try_inputs
from tests.fuzz.targets import TARGETS

QUICK: Mapping[str, int] = {
    "configuration": 150, "camera_edits": 60, "place_edits": 60, "manifests": 150, "models": 80, "wire": 500,
    "client": 150, "letters": 400, "bitstreams": 200, "rtsp": 6, "http": 100, "api": 24, "outbox": 60,
    "history": 60, "audit": 60,
}  # fmt: skip


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_bad_input_is_taken_or_refused_with_a_typed_error(target: str) -> None:
    found = try_inputs(target, "test", 0, QUICK[target])
    assert found.wrong == []
    assert (found.tried, found.taken + found.refused) == (QUICK[target], QUICK[target])
    assert found.grew_files <= 8


def test_every_target_has_its_share_and_its_quick_one() -> None:
    assert SHARES.keys() == QUICK.keys() == TARGETS.keys()


def test_what_dies_hangs_or_grows_is_told() -> None:
    crashed = Found("models", tried=3, taken=2, crashes=1)
    assert summed([crashed, Found("wire", tried=2, refused=2)])["crashes"] == 1
    assert leaks(Found("http", grew_files=9))
    assert not leaks(Found("http", grew_kib=900, measured_over=100))


def test_what_is_tried_again_takes_the_place_of_its_old_rows() -> None:
    before = summed([Found("models", tried=3, taken=2, crashes=1), Found("wire", tried=2, refused=2, grew_files=9)])
    again = merged(before, summed([Found("models", tried=5, taken=5)]))
    assert (again["inputs"], again["crashes"], again["leaks"]) == (7, 0, ["wire"])
    assert set(again["targets"]) == {"models", "wire"}


# --- found by it, each once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a: !!bool maybe", "a: !!int ''", "a: !!float ''", "a: !!timestamp x"])
def test_a_tag_that_does_not_fit_its_text_is_a_problem_on_its_line(text: str) -> None:
    assert [line for line, _ in read_document(text, {}).problems] == [1]


def test_aliases_of_aliases_are_refused_before_they_fill_the_memory() -> None:
    laughs = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    document = read_document("\n".join(laughs), {})
    assert "values, aliases written out" in document.problems[0][1]


def test_a_text_that_is_nested_too_deeply_is_a_sentence_everywhere() -> None:
    deep = "cameras: " + "[" * 5000
    assert "nested too deeply" in read_document(deep, {}).problems[0][1]
    with pytest.raises(NotYaml, match="nested too deeply"):
        composed(deep)
    with pytest.raises(ValueError, match="not YAML"):
        with_places("cameras: [", "gate", {}, {})


@pytest.mark.parametrize("key", ["at", "score", "media_s"])
def test_a_number_that_is_none_makes_no_alert_of_a_message(key: str) -> None:
    body = dumps({**alert_body(change("a1")), key: 0.5}).replace(f'"{key}":0.5', f'"{key}":1e999')
    with pytest.raises(ValueError, match="expected a number"):
        decode_alert(body)


def test_a_letter_that_is_nested_too_deeply_is_no_letter() -> None:
    with pytest.raises(ValueError, match="nested"):
        Lines().take(b"[" * 100_000 + b"\n")


@pytest.mark.parametrize(
    "news",
    [
        {"frames": [-1, {}, {}]},
        {"frames": [1, [], {}]},
        {"frames": [1e308, {}, {}]},
        {"link": [10**9, "online", 1.0, None, [1, 1], "h264", None]},
        {"link": [1, "online", 1.0, None, [], "h264", None]},
        {"sign": [float("nan"), None]},
        {"waited": [float("inf")]},
    ],
)
def test_a_member_that_was_taken_over_cannot_make_the_house_count_nonsense(news: dict[str, object]) -> None:
    around = Surroundings.alone("gate", FakeClock())
    with pytest.raises((ValueError, TypeError)):
        BooksOf(around).write(news)
    assert around.ledger.counts().received == 0


def test_a_message_in_the_outbox_that_a_bad_sector_changed_does_not_stop_the_start(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", FakeClock())
    outbox.append([change("a1"), change("a2")])
    with outbox._writing(outbox._durable) as db:
        db.execute("UPDATE alerts SET open_body = 'x' || open_body WHERE id = 'a1'")
    assert [each.id for each in outbox.open_alerts()] == ["a2"]
    outbox.close()


def test_an_outbox_whose_schema_is_no_text_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path, FakeClock()).close()
    content = path.read_bytes()
    at = content.index(b"sqlite_autoindex")
    path.write_bytes(content[:at] + b"\xa4\xff" + content[at + 2 :])
    outbox = Outbox(path, FakeClock())
    assert outbox.append([change("a1")]) == 1
    outbox.close()


def test_settings_that_are_nested_too_deeply_are_refused_with_a_sentence() -> None:
    deep: object = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        with_camera("cameras: {gate: {url: rtsp://a/b}}", "gate", {"url": "rtsp://a/b", "rules": deep})


def test_what_was_sent_and_not_understood_is_not_sent_back(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        connection = console.connect()
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/login", b'{"name": ["hunter2-very-secret"], "password": NaN}', headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    assert answer.status == 422
    assert b"hunter2" not in body
