"""Waking cameras by HTTP: who may, what is understood, and what is never told."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from streamer.bell import WakeBell
from streamer.cli import build_parser
from streamer.commands import run
from streamer.config import parse_config
from streamer.control.desk import WakeDesk
from streamer.control.http_orders import WakeOrders
from streamer.errors import ConfigError
from streamer.telemetry.answer import Request
from streamer.telemetry.http import MOST_BODY_BYTES, Health, TelemetryServer
from streamer.telemetry.metrics import Metrics

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Served:
    """A server with two bells."""

    def __init__(self, token: str | None) -> None:
        self.bells = {name: WakeBell(time.monotonic) for name in ("gate", "yard 2")}
        well = Health(True)
        self.server = TelemetryServer(
            *("127.0.0.1", 0, Metrics(time.monotonic).registry),
            live=lambda: well,
            ready=lambda: well,
            orders=WakeOrders(WakeDesk(self.bells), token),
        )
        self.port = int(self.server.address.rpartition(":")[2])

    def ask(
        self,
        path: str = "/cameras/gate/wake",
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def rung(self, in_s: float = 0.0) -> list[str]:
        return [name for name, bell in self.bells.items() if bell.rung(time.monotonic() + in_s)]


@pytest.fixture
def served() -> Iterator[Served]:
    running = Served(TOKEN)
    yield running
    running.server.close()


@pytest.fixture
def tokenless() -> Iterator[Served]:
    running = Served(None)
    yield running
    running.server.close()


def test_a_sensor_with_the_token_wakes_a_camera_for_half_a_minute_or_as_long_as_it_says(served):
    status, body = served.ask(headers=BEARER)
    assert (status, json.loads(body)) == (200, {"woken": ["gate"], "for_s": 30.0})
    assert served.rung(29) == ["gate"]
    assert served.rung(31) == []
    assert served.ask("/cameras/yard%202/wake", '{"for_s": 90, "by": "door"}', BEARER)[0] == 200
    assert served.rung(89) == ["yard 2"]
    assert json.loads(served.ask("/cameras/*/wake", '{"for_s": 600}', BEARER)[1])["woken"] == ["gate", "yard 2"]
    assert served.rung(599) == ["gate", "yard 2"]


def test_a_sensor_that_can_only_fetch_an_address_does_so_with_the_token_in_it(served):
    assert served.ask(f"/cameras/gate/wake?token={TOKEN}&for_s=45", method="GET")[0] == 200
    assert served.rung(44) == ["gate"]
    assert served.ask(f"/cameras/gate/wake?token={TOKEN}")[0] == 200
    assert served.ask(method="GET", headers=BEARER)[0] == 405  # else whatever follows links would wake cameras


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/cameras/gate/wake", {}),
        ("/cameras/porch/wake", {}),  # nor is it told which cameras there are
        ("/cameras/gate/wake", {"Authorization": "Bearer wrong"}),
        ("/cameras/gate/wake", {"Authorization": f"Basic {TOKEN}"}),
        ("/cameras/gate/wake", {"Authorization": "Bearer \xfcml\xe4ut"}),
        ("/cameras/gate/wake?token=", {}),
        (f"/cameras/gate/wake?token={TOKEN[:-1]}", {}),
        (f"/cameras/gate/wake?token={TOKEN}", {"Authorization": "Bearer wrong"}),
    ],
)
def test_without_the_right_token_nothing_is_done_and_nothing_told(served, path, headers):
    status, body = served.ask(path, headers=headers)
    assert status == 401
    assert TOKEN not in body
    assert "there is no camera" not in body
    assert served.rung() == []


def test_without_a_configured_token_this_machine_may_and_nobody_else(tokenless):
    assert tokenless.ask()[0] == 200
    assert tokenless.rung() == ["gate"]
    for second_hand in ({"X-Forwarded-For": "203.0.113.9"}, {"Origin": "http://somewhere.example"}):
        status, body = tokenless.ask("/cameras/yard%202/wake", headers=second_hand)
        assert (status, "http.token" in body) == (403, True)
    assert tokenless.ask("/cameras/yard%202/wake?token=x", method="GET")[0] == 405
    assert tokenless.rung() == ["gate"]


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.7", "::ffff:203.0.113.9", "fe80::1%eth0"])
def test_a_peer_from_elsewhere_is_refused_without_a_token_and_served_with_it(peer):
    desk = WakeDesk({"gate": WakeBell(time.monotonic)})
    asked = Request("POST", "/cameras/gate/wake", peer, headers={"authorization": f"Bearer {TOKEN}"})
    assert WakeOrders(desk)(asked).status == 403
    assert WakeOrders(desk, TOKEN)(asked).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/cameras/porch/wake", "", 404, "there is no camera 'porch'; there are gate, yard 2"),
        ("/cameras/gate/sleep", "", 404, "there is POST /cameras/NAME/wake"),
        ("/camera/gate/wake", "", 404, "there is /metrics"),
        ("/cameras/gate/wake", "{for_s: 3}", 400, "the body is no JSON"),
        ("/cameras/gate/wake", b"\xff\xfe", 400, "the body is no JSON"),
        ("/cameras/gate/wake", "[" * 4000, 400, "the body is no JSON"),
        ("/cameras/gate/wake", "[30]", 400, "no JSON object"),
        ("/cameras/gate/wake", '{"for_s": "30"}', 400, "a number of seconds"),
        ("/cameras/gate/wake", '{"for_s": true}', 400, "a number of seconds"),
        ("/cameras/gate/wake", '{"for_s": null}', 400, "a number of seconds"),
        ("/cameras/gate/wake", '{"for_s": 1' + "0" * 400 + "}", 400, "a number of seconds"),
        ("/cameras/gate/wake", '{"for_s": NaN}', 400, "at most 86400 s"),
        ("/cameras/gate/wake", '{"for_s": 86401}', 400, "at most 86400 s"),
        ("/cameras/gate/wake?for_s=soon", "", 400, "a number of seconds"),
        ("/cameras/gate/wake", "x" * (MOST_BODY_BYTES + 1), 413, "may have 4096 bytes"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(served, path, body, status, sentence):
    answered, text = served.ask(path, body, BEARER)
    assert (answered, sentence in text) == (status, True), text
    assert served.rung() == []


def test_a_body_in_chunks_is_refused_and_not_taken_for_the_next_request(served):
    head = f"POST /cameras/gate/wake HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as client:
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{head}\r\n".encode())
        answers = b"".join(iter(lambda: client.recv(4096), b""))
    assert answers.startswith(b"HTTP/1.1 411 ")
    assert answers.count(b"HTTP/1.1") == 1
    assert served.rung() == []


def test_several_orders_on_one_connection_are_each_answered(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
    for for_s in (10, 20, 30):
        connection.request("POST", "/cameras/gate/wake", json.dumps({"for_s": for_s}), BEARER)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["for_s"]) == (200, for_s)
    connection.close()


def test_the_token_is_in_no_log_no_message_and_no_repr(served, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    served.ask(f"/cameras/porch/wake?token={TOKEN}")
    served.ask(f"/nothing?token={TOKEN}", headers=BEARER)
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as client:
        client.sendall(f"NONSENSE /cameras/gate/wake?token={TOKEN} HTTP/1.1\r\n\r\n".encode())
        client.recv(4096)
    request = Request("GET", "/x", "127.0.0.1", {"token": TOKEN}, {"authorization": TOKEN}, TOKEN.encode())
    shown = "".join(capfd.readouterr()) + caplog.text + repr(request)
    assert TOKEN not in shown


WEAK = ["short", "'sixteen letters with space'", "sixteen-letters-ümlaut", "12345678901234567890"]


def configured(token: str, environment: dict[str, str] | None = None) -> object:
    text = f"cameras: {{gate: {{url: rtsp://nowhere/}}}}\nhttp: {{token: {token}}}\n"
    return parse_config(text, "cameras.yaml", environment or {})


@pytest.mark.parametrize("token", WEAK)
def test_a_weak_token_is_refused_and_not_shown(token):
    with pytest.raises(ConfigError) as refused:
        configured(token)
    assert str(refused.value).startswith("cameras.yaml:2: http.token: should ")
    assert token.strip("'") not in str(refused.value)


def test_the_token_comes_from_the_environment_and_is_shown_nowhere():
    config = configured("'${STREAMER_TOKEN}'", {"STREAMER_TOKEN": TOKEN})
    assert config.http.token.get_secret_value() == TOKEN
    assert TOKEN not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_another_address_on_the_command_line_keeps_the_token(tmp_path):
    """`run --http` took the place of everything under `http`, and with it of the token."""
    config = tmp_path / "cameras.yaml"
    config.write_text(f"cameras: {{gate: {{url: rtsp://nowhere/}}}}\nhttp: {{token: {TOKEN}}}\n")
    chosen = run._configuration(build_parser().parse_args(["run", str(config), "--http", "127.0.0.1:0"])).http
    assert (chosen.port, chosen.token.get_secret_value()) == (0, TOKEN)
