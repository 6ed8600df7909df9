"""Webhooks against a real HTTP server on this machine: signed, repeated, given up, never leaking."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamer.client.webhooks import verify
from streamer.clock import SystemClock
from streamer.errors import ConfigError, SinkRejected, SinkUnavailable
from streamer.sinks.webhook import Webhook
from streamer.wire import decode_alert
from tests.alert_lives import change
from tests.redis_server import free_port
from tests.unit.test_sinks_json_lines import row

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a good secret").decode()


class Hook(ThreadingHTTPServer):
    """Answers with the statuses in `answers`, then 200; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alerts?token=hush"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers.items()), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def webhook(url: str, **settings: object) -> Webhook:
    return Webhook("ops", url, SystemClock(), **settings)  # type: ignore[arg-type]


def test_a_request_is_signed_so_that_a_receiver_can_verify_it(hook: Hook) -> None:
    assert webhook(hook.url, secret=SECRET).deliver("L", 0, [row(1), row(2)]) == 1
    [(headers, body)] = hook.got
    assert verify(SECRET, headers, body) == "a:1"
    assert decode_alert(body) == decode_alert(row(1).body)
    with pytest.raises(ValueError, match="does not match"):
        verify(SECRET, headers, body.replace(b"yard", b"barn"))
    with pytest.raises(ValueError, match="does not match"):
        verify("another secret", headers, body)
    with pytest.raises(ValueError, match="away from now"):
        verify(SECRET, headers, body, now=float(headers["webhook-timestamp"]) + 301)
    with pytest.raises(ValueError, match="webhook-signature"):
        verify(SECRET, {k: v for k, v in headers.items() if k != "webhook-signature"}, body)


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the Standard Webhooks specification, as its reference libraries test it.
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify(secret, headers, b'{"test": 2432232314}', now=1614265330).startswith("msg_")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 302])
def test_trouble_that_may_pass_is_tried_again(hook: Hook, status: int) -> None:
    hook.answers = [status]
    hooked = webhook(hook.url)
    with pytest.raises(SinkUnavailable, match=str(status)):
        hooked.deliver("L", 0, [row(1)])
    assert hooked.deliver("L", 0, [row(1)]) == 1
    assert [headers["webhook-id"] for headers, _ in hook.got] == ["a:1", "a:1"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413])
def test_what_a_receiver_refuses_for_good_is_rejected(hook: Hook, status: int) -> None:
    hook.answers = [status]
    with pytest.raises(SinkRejected, match=str(status)):
        webhook(hook.url).deliver("L", 0, [row(1)])


def test_nobody_there_and_nobody_answering_are_unavailable_and_say_no_secret() -> None:
    with pytest.raises(SinkUnavailable, match="cannot be reached") as refused:
        webhook(f"http://joe:hush@127.0.0.1:{free_port()}/hush?token=hush").deliver("L", 0, [row(1)])
    assert "hush" not in str(refused.value)


def test_a_certificate_that_is_not_trusted_is_not_accepted(hook: Hook) -> None:
    with pytest.raises(SinkUnavailable, match="webhook:ops"):  # speaks plain HTTP: no TLS at all
        webhook(hook.url.replace("http:", "https:")).deliver("L", 0, [row(1)])
    assert hook.got == []


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="webhook ops"):
        webhook(url)


@pytest.mark.parametrize("secret", ["short", "whsec_###"])
def test_a_secret_that_is_none_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigError, match="secret") as refused:
        webhook("https://host/x", secret=secret)
    assert secret not in str(refused.value)


def test_basic_authentication_of_the_address_is_used(hook: Hook) -> None:
    webhook(hook.url.replace("//", "//joe:hush@")).deliver("L", 0, [row(1)])
    [(headers, _)] = hook.got
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"joe:hush"


def test_a_change_is_named_by_its_id_and_seq() -> None:
    assert row(7).name == f"{change('a', 7).id}:7"
