"""Who may do what at the console: the table, walked over; logging in; and nobody else."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request

from streamer.config import parse_config
from streamer.errors import ConfigError
from streamer.web import passwords
from streamer.web.access import ACCESS, CHANGING, Role
from streamer.web.guard import Guard
from streamer.web.login_limit import LoginLimit
from streamer.web.server import ConsoleServer
from tests.console_server import PASSWORD, Served, served, some_sessions
from tests.fakes import FakeClock


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("console")) as running:
        running.room.news.closed = True  # streams that do not end by themselves end at once
        yield running


def address(path: str) -> str:
    """Something that fits a route: no such alert, no such silence, and a camera that is there."""
    filled = path.replace("{camera}", "gate").replace("{path:path}", "console.css").replace("{number}", "7")
    return re.sub(r"\{\w+\}", "x", filled) + ("?camera=gate" if path == "/api/live" else "")


@pytest.mark.parametrize(("method", "path"), sorted(ACCESS))
def test_every_address_asks_for_the_role_that_the_table_says(console: Served, method: str, path: str) -> None:
    least = ACCESS[method, path]
    body = {} if method in CHANGING else None
    nobody = console.ask(method, address(path), body)
    assert (nobody.status == 401) == (least is not Role.PUBLIC) or path == "/api/login"
    for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN):
        answer = console.ask(method, address(path), body, role=role)
        assert (answer.status == 403) == (role < least), answer.body
        assert answer.status not in (401, 500)


def test_nothing_answers_that_is_not_in_the_table(console: Served) -> None:
    for path in (
        "/api",
        "/api/users",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
    ):
        assert console.ask("GET", path, role=Role.ADMIN).status in (404, 405), path


def test_the_openapi_document_names_every_address_and_its_role(console: Served) -> None:
    document = console.get("/api/openapi.json").json
    said = {
        (method.upper(), path): operation.get("x-role", "public")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    wanted = {key: role.name.lower() for key, role in ACCESS.items() if key[1].startswith("/api/")}
    del wanted["GET", "/api/openapi.json"]
    assert said == wanted
    assert all(each["summary"] for operations in document["paths"].values() for each in operations.values())


def test_a_browser_gets_a_cookie_that_scripts_cannot_read_and_must_mean_what_it_changes(console: Served) -> None:
    entered = console.ask("POST", "/api/login", {"user": "operator-user", "password": PASSWORD})
    assert entered.status == 200
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    mine = {"Cookie": cookie.partition(";")[0]}
    session = console.ask("GET", "/api/session", **mine).json
    assert (session["user"], session["role"]) == ("operator-user", "operator")
    wish, woken = {"for_s": 30}, list(console.woken)
    assert console.ask("POST", "/api/cameras/gate/wake", wish, **mine).status == 403
    assert console.ask("POST", "/api/cameras/gate/wake", wish, **mine, X_CSRF_Token="guessed").status == 403
    assert console.woken == woken
    assert console.ask("POST", "/api/cameras/gate/wake", wish, **mine, X_CSRF_Token=session["csrf"]).status == 200
    assert console.woken == [*woken, ("gate", 30.0)]
    assert console.ask("POST", "/api/logout", {}, **mine, X_CSRF_Token=session["csrf"]).status == 204
    assert console.ask("GET", "/api/session", **mine).status == 401


def test_a_session_ends_by_itself() -> None:
    clock = FakeClock()
    sessions = some_sessions(clock)
    begun = sessions.log_in("viewer-user", PASSWORD)
    assert begun is not None
    clock.tick(3599)
    assert sessions.who(begun[0]) == begun[1]
    clock.tick(2)
    assert sessions.who(begun[0]) is None


def test_guessing_passwords_is_slow(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        guess = {"user": "admin-user", "password": "wrong"}
        answers = [console.ask("POST", "/api/login", guess) for _ in range(6)]
        assert [each.status for each in answers] == [401] * 5 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 11
        right = {"user": "admin-user", "password": PASSWORD}
        assert console.ask("POST", "/api/login", right).status == 429
        console.clock.tick(11)
        assert console.ask("POST", "/api/login", right).status == 200


def test_nobody_locks_others_out_by_guessing(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        for _ in range(6):
            console.ask("POST", "/api/login", {"user": "admin-user", "password": "wrong"})
        assert console.ask("POST", "/api/login", {"user": "viewer-user", "password": PASSWORD}).status == 200


def test_a_page_of_another_address_can_send_nothing_that_counts(console: Served) -> None:
    right = {"user": "viewer-user", "password": PASSWORD}
    ours = f"http://127.0.0.1:{console.port}"
    assert console.ask("POST", "/api/login", right, Origin="http://evil.example").status == 403
    assert console.ask("POST", "/api/login", right, Origin="null").status == 403
    assert console.ask("POST", "/api/login", right, Origin=ours).status == 200


@pytest.mark.parametrize(("header", "status"), [("Content-Length", 413), ("Transfer-Encoding", 411)])
def test_nobody_can_fill_the_memory_with_a_body(console: Served, header: str, status: int) -> None:
    value = {"Content-Length": "600000", "Transfer-Encoding": "chunked"}[header]
    with socket.create_connection(("127.0.0.1", console.port), timeout=10) as client:
        client.sendall(f"POST /api/login HTTP/1.1\r\nHost: x\r\n{header}: {value}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(4096), b""))  # at once: the body is not waited for
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_tries_come_back_one_by_one() -> None:
    limit = LoginLimit(at_once=3, another_every_s=10)
    assert [limit.wait_s("a", 0.0) for _ in range(4)] == [0, 0, 0, 10]
    assert limit.wait_s("b", 0.0) == 0
    assert limit.wait_s("a", 4.0) == pytest.approx(6)
    assert limit.wait_s("a", 10.0) == 0
    assert limit.wait_s("a", 10.0) == pytest.approx(10)


def a_request(peer: str, **headers: str) -> Request:
    """A GET of the session, as the server would hand it on."""

    class Route:
        path = "/api/session"

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/api/session", "headers": raw, "client": (peer, 5), "state": {}}
    return Request({**scope, "route": Route(), "query_string": b""})


@pytest.mark.parametrize(
    ("peer", "headers", "lets_in"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:9096"}, True),
        ("::1", {"host": "[::1]:9096"}, True),
        ("127.0.0.1", {"host": "localhost:9096"}, True),
        ("127.0.0.1", {"host": "localhost"}, True),
        ("10.0.0.7", {"host": "127.0.0.1:9096"}, False),
        ("127.0.0.1", {"host": "evil.example:9096"}, False),  # a page whose name was made to point here
        ("127.0.0.1", {"host": "localhost:9096", "x_forwarded_for": "203.0.113.9"}, False),
        ("127.0.0.1", {"host": "localhost:9096", "via": "1.1 proxy"}, False),
    ],
)
def test_without_users_only_whoever_is_at_this_machine_is_let_in(
    tmp_path: Path, peer: str, headers: dict[str, str], lets_in: bool
) -> None:
    with served(tmp_path, users=False) as console:
        request = a_request(peer, **headers)
        if lets_in:
            Guard(console.parts)(request)
            assert request.state.person.role is Role.ADMIN
        else:
            with pytest.raises(Exception, match="401"):
                Guard(console.parts)(request)


def test_without_users_a_page_from_elsewhere_still_cannot_change_anything(tmp_path: Path) -> None:
    with served(tmp_path, users=False) as console:
        assert console.ask("POST", "/api/cameras/gate/wake", {}).status == 403
        csrf = console.ask("GET", "/api/session").json["csrf"]
        assert console.ask("POST", "/api/cameras/gate/wake", {}, X_CSRF_Token=csrf).status == 200


def test_every_answer_tells_browsers_what_they_may(console: Served) -> None:
    for path in ("/", "/static/console.css", "/api/session", "/nothing"):
        headers = console.ask("GET", path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_nothing_comes_from_elsewhere() -> None:
    static = Path(passwords.__file__).parent / "static"
    for file in static.rglob("*"):
        if file.is_file():
            found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", file.read_text())
            assert set(found) <= {"http://www.w3.org"}, file


# --- passwords and the configuration ---------------------------------------------------------------------------------


def test_a_password_is_known_by_its_hash_and_no_other_is() -> None:
    stored = passwords.hashed("päßword with umlauts")
    assert passwords.matches("päßword with umlauts", stored)
    assert not passwords.matches("password with umlauts", stored)
    assert not passwords.matches("", stored)
    assert stored != passwords.hashed("päßword with umlauts")
    assert not passwords.matches("x", "scrypt$no$hash")


def configured(web: str) -> object:
    return parse_config(f"cameras: {{gate: {{url: rtsp://nowhere/}}}}\nweb: {web}\n", "c.yaml", {})


HASH = "scrypt$32768$8$1$c2FsdHNhbHRzYWx0c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA=="


@pytest.mark.parametrize(
    ("web", "sentence"),
    [
        ("{host: 0.0.0.0}", "'host: 0.0.0.0' lets others in: it needs 'users'"),
        (
            "{users: {anna: {password: secret-password}}}",
            "web.users.anna.password: should be what `streamer user hash`",
        ),
        (f"{{users: {{anna: {{role: boss, password: '{HASH}'}}}}}}", "web.users.anna.role: should be 'viewer', 'oper"),
        ("{cert: a.pem}", "'cert' and 'key' belong together"),
        ("{tokens: {ci: {token: short}}}", "web.tokens.ci.token: should have at least 16 characters"),
    ],
)
def test_a_console_that_would_be_open_or_wrong_is_refused_and_no_secret_is_shown(web: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        configured(web)
    assert sentence in str(refused.value)
    assert "secret-password" not in str(refused.value)


def test_a_console_for_others_needs_users() -> None:
    config = configured(f"{{host: 0.0.0.0, users: {{anna: {{role: operator, password: '{HASH}'}}}}}}")
    assert config.web.users["anna"].role == "operator"
    assert HASH not in f"{config!r} {config.model_dump_json()}"


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken, served(tmp_path) as console:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="web: cannot listen on"):
            ConsoleServer(console.parts, "127.0.0.1", taken.getsockname()[1])


def test_a_certificate_that_cannot_be_used_is_said_before_anybody_is_let_in(tmp_path: Path) -> None:
    torn = tmp_path / "torn.pem"
    torn.write_text("-----BEGIN CERTIFICATE-----\n")
    with (
        served(tmp_path) as console,
        pytest.raises(ConfigError, match=r"web.cert, web.key: .*torn.pem .*cannot be used"),
    ):
        ConsoleServer(console.parts, "127.0.0.1", 0, cert=torn, key=torn)


def test_a_console_that_is_closed_before_it_is_put_together_ends_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path) as console:
        server = ConsoleServer(console.parts, "127.0.0.1", 0)
        server.close()
        assert [worker.error for worker in server.workers] == [None]
        assert not any(worker.alive for worker in server.workers)
    assert not caplog.records
