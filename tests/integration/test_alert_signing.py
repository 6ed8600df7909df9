"""Alerts that are signed: a subscriber that has the key takes them, and nothing that anybody else put beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from streamer.client.subscription import subscribe
from streamer.clock import SystemClock
from streamer.config.shown import shown
from streamer.signature import FIELD, refuse_unsigned, signed
from streamer.sinks.courier import Courier
from streamer.sinks.outbox import Outbox
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.types import AlertChange
from streamer.wire import alert_fields, encode_alert
from tests.alert_lives import change, next_change
from tests.redis_server import RedisServer

KEY = "a-key-of-thirty-two-characters-00"


def publish(server: RedisServer, folder: Path, changes: list[AlertChange], key: str | None) -> None:
    outbox, receiver = Outbox(folder / "outbox.db", SystemClock()), RedisAlerts(server.url, signing_key=key)
    courier = Courier(receiver, outbox, SystemClock(), on_failure=lambda: None)
    outbox.append(changes)
    while courier._deliver_some():
        pass
    receiver.close()
    outbox.close()


def forge(server: RedisServer, alert: AlertChange, **fields: str) -> None:
    with Redis.from_url(server.url) as client:
        client.xadd("streamer:alerts", {**alert_fields(encode_alert(alert), alert), **fields})


def test_what_is_signed_arrives_and_what_was_tampered_with_does_not(server: RedisServer, tmp_path: Path) -> None:
    opened = change("a1")
    publish(server, tmp_path, [opened, next_change(opened, "closed")], KEY)
    evil = change("evil")
    forge(server, evil)  # no signature
    forge(server, evil, **{FIELD: signed("another key of enough length", encode_alert(evil))})
    forge(server, evil, **{FIELD: signed(KEY, encode_alert(opened))})  # of another message
    forge(server, evil, **{FIELD: "v1="})
    publish(server, tmp_path, [change("a2")], KEY)
    with subscribe(server.url, "pager", start="all", verify_key=KEY) as mine:
        seen = [(received := next(mine)).change.id + str(received.change.seq) for _ in range(3)]
        assert mine.receive() is None
    assert seen == ["a11", "a12", "a21"]
    with Redis.from_url(server.url) as client:
        letters = client.xrange("streamer:alerts:dead:pager")
    assert len(letters) == 4
    assert all(b"sign" in fields[b"why"] for _, fields in letters)
    with subscribe(server.url, None, start="all", verify_key=KEY) as onlooker:
        assert [next(onlooker).change.id for _ in range(3)] == ["a1", "a1", "a2"]


def test_without_a_key_nothing_is_added_and_readers_without_one_read_both(server: RedisServer, tmp_path: Path) -> None:
    publish(server, tmp_path, [change("plain")], None)
    publish(server, tmp_path, [change("signed")], KEY)
    with Redis.from_url(server.url) as client:
        fields = [set(entry) for _, entry in client.xrange("streamer:alerts")]
    assert fields[1] - fields[0] == {b"signature"}
    with subscribe(server.url, None, start="all") as anybody:
        assert [next(anybody).change.id for _ in range(2)] == ["plain", "signed"]


def test_a_signature_is_of_every_byte_and_of_one_key() -> None:
    message = encode_alert(change("a1"))
    good = signed(KEY, message).encode()
    refuse_unsigned(KEY, message.encode(), good)
    for wrong in (message.replace("warning", "critical"), message + " "):
        with pytest.raises(ValueError, match="does not match"):
            refuse_unsigned(KEY, wrong.encode(), good)
    with pytest.raises(ValueError, match="no signature"):
        refuse_unsigned(KEY, message.encode(), None)


def test_the_key_is_a_secret_of_the_configuration() -> None:
    text = f"redis: {{url: redis://h, signing_key: {KEY}}}\ncameras: {{a: {{url: rtsp://a}}}}\n"
    assert KEY not in shown(text, "c.yaml")
