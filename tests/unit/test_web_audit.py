"""Who saw and did what at the console is written down, and nothing else is."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.audit.reading import Asked, newest_first, verify
from streamer.web.access import ACCESS, Role
from streamer.web.audited import AGAIN_AFTER_S, ENTRIES, Seldom
from tests.alert_lives import change
from tests.console_server import PASSWORD, TOKENS, Served, served
from tests.crew import eventually
from tests.unit.test_web_console import green


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def written(console: Served) -> list[tuple[str, str, str, str]]:
    """(who, did, what, outcome) of everything, oldest first."""
    entries = list(newest_first(console.folder, Asked()))[::-1]
    return [(each["who"], each["did"], each["what"], each["outcome"]) for each in entries]


def test_every_address_of_the_console_is_written_down_or_said_not_to_be() -> None:
    """A new route: decide in web/audited.py what of it belongs into the log."""
    assert ENTRIES.keys() == ACCESS.keys()


def test_nothing_that_changes_something_or_shows_pictures_is_passed_over() -> None:
    for (method, path), entry in ENTRIES.items():
        pictures = path.endswith((".jpg", ".mjpg", ".mp4", "/video", "/live"))
        if pictures or (method != "GET" and path != "/api/configuration/plan"):
            assert entry.how != "never", (method, path)


def test_log_ins_are_written_down_and_never_what_was_typed(console: Served) -> None:
    for user, password in (("admin-user", "wrong horse"), (PASSWORD, "x"), ("admin-user", PASSWORD)):
        console.ask("POST", "/api/login", {"user": user, "password": password})
    assert written(console) == [
        ("admin-user", "logged in", "by password", "refused"),
        ("somebody unknown", "logged in", "by password", "refused"),
        ("admin-user", "logged in", "by password", "done"),
    ]
    kept = b"".join(file.read_bytes() for file in (console.folder / "audit").iterdir())
    assert PASSWORD.encode() not in kept
    assert b"wrong horse" not in kept
    assert b"127.0.0.1" in kept


def test_what_people_do_about_alerts_is_written_down_with_its_camera(console: Served) -> None:
    console.room.changed([change("a1"), change("a2"), change("a3", camera="yard")])
    console.post("/api/alerts/a1/acknowledge", {"text": "the postman"})
    console.post("/api/alerts/a1/comment", {"text": "again"})
    console.post("/api/alerts/a1/silence", {"for_s": 600})
    console.post("/api/alerts/acknowledge", {"ids": ["a2", "a3"]})
    console.post("/api/cameras/gate/wake", {"for_s": 20})
    assert [each[1:] for each in written(console)] == [
        ("acknowledged", "alert a1", "done"),
        ("commented on", "alert a1", "done"),
        ("silenced", "alert a1 for 600 s", "done"),
        ("acknowledged", "alerts a2, a3", "done"),
        ("woke", "gate for 20 s", "done"),
    ]
    cameras = [each["cameras"] for each in newest_first(console.folder, Asked())][::-1]
    assert cameras == [["gate"], ["gate"], ["gate"], ["gate", "yard"], ["gate"]]


def test_what_somebody_may_not_do_is_written_down_too(console: Served) -> None:
    console.room.changed([change("a1")])
    assert console.post("/api/alerts/a1/acknowledge", {}, role=Role.VIEWER).status == 403
    assert console.ask("POST", "/api/alerts/a1/acknowledge", {}).status == 401  # nobody: the log is not theirs to fill
    assert written(console) == [("viewer", "acknowledged", "alert a1", "refused")]


def test_a_picture_that_is_asked_for_again_and_again_is_one_entry(console: Served) -> None:
    console.room.seen(green())
    for _ in range(5):
        assert console.get("/api/cameras/gate/picture.jpg").status == 200
    console.clock.tick(AGAIN_AFTER_S + 1)
    console.get("/api/cameras/gate/picture.jpg")
    assert written(console) == [("viewer", "looked at the picture of", "gate", "done")] * 2


def test_live_pictures_have_a_beginning_and_an_end(console: Served) -> None:
    console.room.seen(green())
    connection = console.connect()
    headers = {"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"}
    connection.request("GET", "/api/live?camera=gate&camera=yard%202", headers=headers)
    answer = connection.getresponse()
    answer.read(16)
    assert written(console) == [("viewer", "watched live pictures of", "gate, yard 2", "begun")]
    hang_up(connection, answer)
    for index in range(1, 4):
        console.room.seen(green(index=index))
    eventually(lambda: len(written(console)) == 2)
    assert written(console)[1][1:] == ("watched live pictures of", "gate, yard 2, for 0 s", "ended")


def hang_up(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
    answer.close()
    connection.close()


def test_admins_read_the_log_and_reading_is_written_down(console: Served) -> None:
    console.post("/api/cameras/gate/wake", {"for_s": 20})
    assert console.get("/api/audit", Role.OPERATOR).status == 403
    found: dict[str, Any] = console.get("/api/audit?camera=gate", Role.ADMIN).json
    assert [(each["who"], each["did"], each["role"]) for each in found["entries"]] == [("operator", "woke", "operator")]
    assert found["before"] is None
    paged = console.get("/api/audit?limit=1", Role.ADMIN).json
    assert len(paged["entries"]) == 1
    assert paged["before"] == paged["entries"][0]["n"]
    assert ("admin", "read the audit log", "", "done") in written(console)
    assert not verify(console.folder).problems


def test_one_is_news_once_in_a_while() -> None:
    seldom = Seldom(10.0)
    assert [seldom.is_news("a", at_s) for at_s in (0.0, 5.0, 9.9, 10.0, 12.0)] == [True, False, False, True, False]
    assert seldom.is_news("b", 12.0)
