"""What the console shows and what people do there: over real sockets, against a world that is told what happens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamer.types import FrameResult
from streamer.web.access import Role
from streamer.web.alert_shelf import AlertShelf, Wanted
from streamer.web.control_room import Overlooked
from streamer.wire import alert_body
from tests.alert_lives import CLIP, change, next_change, result
from tests.console_server import Served, served
from tests.fakes import FakeClock, MemorySink, a_frame
from tests.screened import screened


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def green(camera: str = "gate", index: int = 0) -> FrameResult:
    """A frame whose pixels are green, with three objects of which two are followed."""
    image = np.zeros((180, 320, 3), np.uint8)
    image[..., 1] = 200
    found = result(camera=camera, index=index)
    return screened(replace(found, frame=a_frame(camera, index, image=image, received_s=1000.0)))


# --- alerts ----------------------------------------------------------------------------------------------------------


def test_an_alert_is_listed_with_its_state_from_its_beginning_to_its_end(console: Served) -> None:
    opened = change("a1")
    console.room.changed([opened])
    [told] = console.get("/api/alerts").json["alerts"]
    assert (told["id"], told["camera"], told["text"], told["ended_at"]) == ("a1", "gate", "person in yard", None)
    assert told["acknowledged_at"] is None
    closed = next_change(opened, "closed")
    console.room.changed([closed])
    [told] = console.get("/api/alerts").json["alerts"]
    assert (told["ended_at"], told["has_clip"]) == (closed.at, False)
    console.room.changed([replace(closed, seq=3, type="evidence", clip=CLIP)])
    [told] = console.get("/api/alerts").json["alerts"]
    assert (told["ended_at"], told["has_clip"]) == (closed.at, True)
    assert console.get("/api/alerts/a1").json["message"]["seq"] == 3


def test_a_change_that_comes_late_or_twice_changes_nothing(console: Served) -> None:
    opened = change("a1")
    console.room.changed([opened, next_change(opened, "closed"), opened])
    assert console.get("/api/alerts/a1").json["message"]["change"] == "closed"


def test_alerts_are_filtered_and_turned_page_by_page(console: Served) -> None:
    for n in range(25):
        console.room.changed(
            [change(f"a{n}", camera=("gate", "yard 2")[n % 2], kind=("intrusion", "stopped")[n % 3 == 0])]
        )
    console.post("/api/alerts/a3/acknowledge", {})
    console.room.changed([next_change(change("a4"), "closed")])

    def ids(query: str) -> list[str]:
        return [each["id"] for each in console.get(f"/api/alerts?{query}").json["alerts"]]

    assert ids("camera=yard%202&kind=stopped") == ["a21", "a15", "a9", "a3"]
    assert ids("state=acknowledged") == ["a3"]
    assert ids("state=closed") == ["a4"]
    assert len(ids("state=unacknowledged")) == 24
    first = console.get("/api/alerts?limit=10").json
    second = console.get(f"/api/alerts?limit=10&before={first['before']}").json
    third = console.get(f"/api/alerts?limit=10&before={second['before']}").json
    seen = [each["id"] for page in (first, second, third) for each in page["alerts"]]
    assert seen == [f"a{n}" for n in range(24, -1, -1)]
    assert third["before"] is None
    assert first["counts"] == {"all": 25, "open": 24, "unacknowledged": 24}
    assert first["kinds"] == ["intrusion", "stopped"]
    assert console.get("/api/alerts?state=lost").status == 422


def test_acknowledging_is_durable_first_happens_once_and_says_who_and_when(console: Served) -> None:
    console.room.changed([change("a1")])
    console.ledger.away = True
    refused = console.post("/api/alerts/a1/acknowledge", {})
    assert (refused.status, "has not happened" in refused.json["detail"]) == (503, True)
    assert console.get("/api/alerts/a1").json["acknowledged_at"] is None
    console.ledger.away = False
    told = console.post("/api/alerts/a1/acknowledge", {"text": " the postman "}).json
    assert (told["acknowledged_by"], told["acknowledged_at"]) == ("operator", console.clock.now())
    console.post("/api/alerts/a1/acknowledge", {}, Role.ADMIN)
    [handling] = console.ledger.handlings
    assert (handling.type, handling.alert, handling.by, handling.text) == (
        "acknowledged",
        "a1",
        "operator",
        "the postman",
    )
    console.room.changed([next_change(change("a1"), "closed")])
    assert console.get("/api/alerts/a1").json["acknowledged_by"] == "operator"


def test_comments_are_kept_with_their_authors_in_order(console: Served) -> None:
    console.room.changed([change("a1")])
    console.post("/api/alerts/a1/comment", {"text": "who is that?"})
    console.post("/api/alerts/a1/comment", {"text": "<b>me</b>"}, Role.ADMIN)
    assert console.post("/api/alerts/a1/comment", {"text": ""}).status == 422
    said = [(each["by"], each["text"]) for each in console.get("/api/alerts/a1").json["handlings"]]
    assert said == [("operator", "who is that?"), ("admin", "<b>me</b>")]
    assert len({each.id for each in console.ledger.handlings}) == 2


def test_several_are_acknowledged_at_once_and_strangers_are_left_out(console: Served) -> None:
    console.room.changed([change(f"a{n}") for n in range(4)])
    console.post("/api/alerts/a2/acknowledge", {})
    done = console.post("/api/alerts/acknowledge", {"ids": ["a1", "a2", "a3", "nobody"]}).json
    assert done == {"acknowledged": ["a1", "a3"]}
    assert console.get("/api/alerts").json["counts"]["unacknowledged"] == 1


def test_a_silence_is_for_one_kind_at_one_camera_and_ends(console: Served) -> None:
    console.room.changed([change("a1", kind="stopped")])
    [silence] = console.post("/api/alerts/a1/silence", {"for_s": 600}).json["silences"]
    assert (silence["camera"], silence["kind"], silence["until"]) == ("gate", "stopped", console.clock.now() + 600)
    assert console.ledger.handlings[0].until == console.clock.now() + 600
    console.room.changed([change("a2", kind="stopped"), change("a3"), change("a4", kind="stopped", camera="yard 2")])
    assert {each["id"]: each["silenced"] for each in console.get("/api/alerts").json["alerts"]} == {
        **{"a1": False, "a2": True, "a3": False, "a4": False}
    }
    console.clock.tick(601)
    console.room.changed([change("a5", kind="stopped")])
    assert console.get("/api/alerts/a5").json["silenced"] is False
    assert console.get("/api/silences").json == {"silences": []}
    console.post("/api/alerts/a1/silence", {"for_s": 600})
    [silence] = console.get("/api/silences").json["silences"]
    assert console.ask("DELETE", f"/api/silences/{silence['number']}", role=Role.OPERATOR).json == {"silences": []}
    assert console.ask("DELETE", f"/api/silences/{silence['number']}", role=Role.OPERATOR).status == 404


def test_pictures_and_clips_are_served_in_parts_and_nothing_outside_of_the_folder(console: Served) -> None:
    clip = console.folder / "clips" / "c.mp4"
    clip.parent.mkdir()
    clip.write_bytes(bytes(range(200)))
    secret = console.folder.parent / "secret.jpg"
    secret.write_bytes(b"secret")
    console.room.changed([replace(change("a1"), clip=replace(CLIP, path="clips/c.mp4"), snapshot="../secret.jpg")])
    part = console.get("/api/alerts/a1/clip.mp4", Range="bytes=10-19")
    assert (part.status, part.body, part.headers["content-range"]) == (206, bytes(range(10, 20)), "bytes 10-19/200")
    assert console.get("/api/alerts/a1/clip.mp4").headers["content-type"] == "video/mp4"
    assert console.get("/api/alerts/a1/snapshot.jpg").status == 404
    assert console.get("/api/alerts/a2/clip.mp4").status == 404


def test_the_timeline_has_the_spans_of_a_camera(console: Served) -> None:
    now = console.clock.now()
    opened = change("a1", at=now - 100)
    console.room.changed(
        [opened, next_change(opened, "closed"), change("a2", at=now - 50), change("a3", camera="yard 2")]
    )
    told = console.get("/api/cameras/gate/timeline?hours=1").json
    assert [(each["id"], each["from"], each["to"]) for each in told["alerts"]] == [
        ("a1", now - 100, opened.at + 1),
        ("a2", now - 50, None),
    ]


# --- live ------------------------------------------------------------------------------------------------------------


def messages(console: Served, path: str, count: int) -> list[tuple[dict[str, Any], bytes]]:
    """The first messages of a live stream."""
    connection = console.connect()
    connection.request("GET", path, headers={"Authorization": "Bearer viewer-token-0123456789"})
    answer = connection.getresponse()
    found = []
    while len(found) < count:
        text, picture = int.from_bytes(answer.read(4)), int.from_bytes(answer.read(4))
        if text:
            found.append((json.loads(answer.read(text)), answer.read(picture)))
    connection.close()
    return found


def test_live_pictures_of_several_cameras_come_over_one_connection_with_what_was_found_in_them(console: Served) -> None:
    console.room.seen(green("gate", 3))
    console.room.seen(green("yard 2", 7))
    found = messages(console, "/api/live?camera=gate&camera=yard%202&width=160&fps=20", 2)
    assert [(body["camera"], body["index"], body["schema"]) for body, _ in found] == [
        ("gate", 3, "streamer.frame/1"),
        ("yard 2", 7, "streamer.frame/1"),
    ]
    body, jpeg = found[0]
    assert [each["track_id"] for each in body["objects"]] == [100, 101, None]
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (90, 160, 3)
    assert picture.reshape(-1, 3).mean(0) == pytest.approx([0, 200, 0], abs=3)


def test_a_picture_is_shown_once_and_the_newest_wins(console: Served) -> None:
    for index in range(5):
        console.room.seen(green("gate", index))
    shown: list[int] = []

    def read() -> None:
        shown.extend(body["index"] for body, _ in messages(console, "/api/live?camera=gate&fps=25", 2))

    reader = threading.Thread(target=read)
    reader.start()
    while not console.room.pictures._encoded:  # until the first was made for somebody
        assert reader.is_alive()
    console.room.seen(green("gate", 9))
    reader.join(20)
    assert shown == [4, 9]


def test_nothing_is_encoded_while_nobody_watches_and_once_for_all_who_do(console: Served) -> None:
    console.room.seen(green())
    pictures = console.room.pictures
    assert pictures._encoded == {}
    sight = pictures.newest("gate")
    assert sight is not None
    assert pictures.jpeg(sight, 160) is pictures.jpeg(sight, 160)


def test_the_console_keeps_no_pixels_of_others(console: Served) -> None:
    """A frame's pixels may be memory that a capture process wants back."""
    found = green()
    console.room.seen(found)
    sight = console.room.pictures.newest("gate")
    assert sight is not None
    assert not np.shares_memory(sight.image.rgb, found.frame.image)
    assert sight.picture is None
    console.room.pictures.want_large("gate", 999.0)
    console.room.seen(found)
    assert console.room.pictures.newest("gate").picture is found.frame.picture


def test_an_img_shows_a_camera(console: Served) -> None:
    assert console.get("/api/cameras/gate/picture.jpg").status == 404
    console.room.seen(green())
    single = console.get("/api/cameras/gate/picture.jpg?width=320")
    assert cv2.imdecode(np.frombuffer(single.body, np.uint8), cv2.IMREAD_COLOR).shape == (180, 320, 3)
    connection = console.connect()
    connection.request(
        "GET", "/api/cameras/gate/live.mjpg", headers={"Authorization": "Bearer viewer-token-0123456789"}
    )
    answer = connection.getresponse()
    assert answer.getheader("Content-Type") == "multipart/x-mixed-replace; boundary=streamer-picture"
    assert answer.readline() == b"--streamer-picture\r\n"
    connection.close()


def test_events_come_as_they_happen(console: Served) -> None:
    connection = console.connect()
    connection.request("GET", "/api/events", headers={"Authorization": "Bearer viewer-token-0123456789"})
    answer = connection.getresponse()
    lines = iter(answer.readline, b"")

    def next_of(name: str) -> Any:
        for line in lines:
            if line == f"event: {name}\n".encode():
                return json.loads(next(lines).removeprefix(b"data: "))
        raise AssertionError(f"the stream ended without {name}")

    assert next_of("hello") == {"counts": {"all": 0, "open": 0, "unacknowledged": 0}}
    assert next_of("cameras")["gate"]["link"] == "online"
    console.room.changed([change("a1")])
    assert next_of("alert")["id"] == "a1"
    assert next_of("counts")["open"] == 1
    console.post("/api/alerts/a1/acknowledge", {})
    assert next_of("alert")["acknowledged_by"] == "operator"
    console.post("/api/alerts/a1/silence", {"for_s": 60})
    assert next_of("silences")["silences"][0]["kind"] == "intrusion"
    connection.close()


def test_a_stream_ends_with_the_console(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        connection = console.connect()
        connection.request("GET", "/api/events", headers={"Authorization": "Bearer viewer-token-0123456789"})
        answer = connection.getresponse()
        answer.readline()
    answer.read()  # to its end, and no hang
    connection.close()


# --- cameras and places ----------------------------------------------------------------------------------------------


def test_cameras_are_told_with_their_state_zones_and_rules(console: Served) -> None:
    [gate, yard] = console.get("/api/cameras").json["cameras"]
    assert (gate["name"], gate["state"]["link"], gate["rules"][0]["kind"]) == ("gate", "online", "intrusion")
    assert (yard["name"], yard["state"]) == ("yard 2", None)
    assert console.get("/api/cameras/yard%202").json == yard
    assert console.get("/api/cameras/porch").status == 404
    assert console.get("/api/live?camera=porch").status == 404


def test_places_are_saved_by_admins_and_problems_come_back_as_sentences(console: Served) -> None:
    places = "/api/cameras/gate/places"
    read = console.get(places).json
    assert (read["read_only"], read["used_by"]) == ("changing them needs the role admin", {"yard": ["in"]})
    drawn = {"zones": {"door": [[0, 0], [1, 0], [0.5, 1]]}, "lines": {}, "version": read["version"]}

    def save(body: dict[str, Any]) -> Any:
        return console.ask("PUT", places, body, role=Role.ADMIN)

    saved = save(drawn)
    assert (saved.status, saved.json["in_force"], list(saved.json["zones"])) == (200, False, ["door"])
    stale = save(drawn)
    assert (stale.status, stale.json["detail"]["problems"]) == (409, ["somebody else was here"])
    bad = save({**drawn, "zones": {"bad": [[0, 0]]}, "version": saved.json["version"]})
    assert (bad.status, bad.json["detail"]["problems"]) == (422, ["c.yaml:3: zones.bad: is no zone"])
    assert save({**drawn, "zones": {"door": "everywhere"}}).status == 422


# --- what must not happen --------------------------------------------------------------------------------------------


def test_a_console_that_fails_does_not_stop_the_watching(console: Served) -> None:
    inner = MemorySink()
    sink = Overlooked(inner, console.room)
    console.shelf.close()
    sink.publish(result((change("a1"),)))
    sink.announce([change("a2")])
    assert [each.id for each in inner.changes] == ["a1", "a2"]


def test_the_shelf_is_bounded_and_forgets_what_belonged_to_the_forgotten(tmp_path: Path) -> None:
    shelf = AlertShelf(tmp_path / "c.db", keep=100)
    shelf.changed([change("first")], 0.0)
    for n in range(500):
        shelf.changed([change(f"a{n}")], 0.0)
    assert 100 <= shelf.counts()["all"] < 300
    assert shelf.get("first") is None
    assert shelf.page(Wanted(limit=1))[0]["id"] == "a499"
    shelf.close()


def test_a_shelf_that_is_corrupt_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"no database at all" * 500)
    shelf = AlertShelf(path, keep=100)
    shelf.changed([change("a1")], 0.0)
    assert shelf.counts()["all"] == 1
    assert path.with_name("c.db.aside").read_bytes().startswith(b"no database")
    shelf.close()


def test_what_was_open_when_a_run_ended_without_a_console_is_open_no_more(tmp_path: Path) -> None:
    shelf = AlertShelf(tmp_path / "c.db", keep=100)
    shelf.changed([change("a1")], 0.0)
    shelf.close()
    shelf = AlertShelf(tmp_path / "c.db", keep=100)
    shelf.nobody_watched(FakeClock().now())
    assert shelf.counts() == {"all": 1, "open": 0, "unacknowledged": 1}
    message = shelf.get("a1")
    assert message is not None
    assert message["message"] == json.loads(json.dumps(alert_body(change("a1"))))
    shelf.close()
