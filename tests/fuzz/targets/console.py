"""The console: requests walked over its own OpenAPI document, with odd values, and bytes that are hardly HTTP."""

# ruff: noqa: E501 - tables of odd values, and texts that are one line
from __future__ import annotations

import contextlib
import json
import logging
import random
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streamer.web.access import ACCESS, Role
from tests.alert_lives import change
from tests.console_server import TOKENS, served
from tests.fuzz.mutations import NASTY_VALUES, mutated_bytes, mutated_json, mutated_text
from tests.fuzz.target import Wrong

_ENDLESS = ("/api/events", "/api/live", "live.mjpg", "live.mp4", "/video")
_ANSWER_WITHIN_S = 30.0
_HALF_SENT_S = 1.0
_BODIES: tuple[Any, ...] = (
    {"text": "seen"}, {"ids": ["a1", "a2"], "text": None}, {"for_s": 600, "text": "x"}, {"name": "ada", "password": "b"},
    {"zones": {"yard": [[0, 0], [1, 0], [1, 1]]}, "lines": {}, "rules": [], "version": "1"},
    {"name": "new", "settings": {"url": "rtsp://10.0.0.1/a"}}, {"text": "cameras: {}", "version": "1", "why": ""},
    {"for_s": 30}, {"number": 1, "why": "back"},
)  # fmt: skip


class ConsoleRequests:
    """The real server on a real socket: every request is answered, and never with 500."""

    def __init__(self, folder: Path) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._stack = contextlib.ExitStack()
        self._console = self._stack.enter_context(served(folder))
        for n in range(3):
            self._console.room.changed([change(f"a{n}")])
        self._document = self._console.get("/api/openapi.json").json
        self._known = sorted(ACCESS)

    def try_one(self, rng: random.Random) -> bool:
        """One request; whoever asks is an administrator, mostly: most of the code lies behind the guard."""
        sent = self._request(rng)
        if rng.random() < 0.25:
            sent = mutated_bytes(rng, sent, 3)
        status = self._status_of(sent)
        if status is not None and status >= 500 and status != 503:
            raise Wrong(f"answered {status} to {sent[:400]!r}")
        return status is not None and status < 400

    def close(self) -> None:
        """Stop serving."""
        self._stack.close()

    def _request(self, rng: random.Random) -> bytes:
        method, template = rng.choice(self._known)
        if rng.random() < 0.05:
            method = rng.choice(("HEAD", "OPTIONS", "TRACE", "PATCH", "CONNECT", "x" * 300))
        operation = self._document["paths"].get(template, {}).get(method.lower(), {})
        path, pairs = template.replace("{path:path}", "{path}"), []
        for name in ("camera", "alert_id", "number", "path"):
            path = path.replace(f"{{{name}}}", self._word(rng, ("gate", "a1", "1", "index.html")))
        pairs += [
            f"{quote(each['name'])}={self._word(rng, ('gate', '1', 'open', '100', 'admin'))}"
            for each in operation.get("parameters", ())
            if each["in"] == "query" and rng.random() < 0.7
        ]
        if rng.random() < 0.1:
            pairs.append(f"{self._word(rng, ('x',))}={self._word(rng, ('y',))}")
        target = path + (f"?{'&'.join(pairs)}" if pairs else "")
        body = b""
        headers = ["Host: 127.0.0.1", "Connection: close"]
        if rng.random() < 0.95:
            role = rng.choice((Role.ADMIN, Role.ADMIN, Role.ADMIN, Role.OPERATOR, Role.VIEWER))
            headers.append(f"Authorization: Bearer {TOKENS[role]}")
        elif rng.random() < 0.5:
            headers.append(f"Cookie: streamer_session={self._word(rng, ('abc',))}")
        if method not in ("GET", "HEAD") or rng.random() < 0.05:
            value = mutated_json(rng, rng.choice(_BODIES)) if rng.random() < 0.85 else rng.choice(_BODIES)
            body = json.dumps(value).encode("utf-8", "surrogatepass")
            body = (
                mutated_text(rng, body.decode("utf-8", "replace"), 1).encode("utf-8", "replace")
                if rng.random() < 0.1
                else body
            )
            headers.append(
                f"Content-Type: {rng.choice(('application/json',) * 8 + ('text/plain', '', 'application/xml'))}"
            )
            headers.append(f"Content-Length: {len(body)}")
        if rng.random() < 0.2:
            headers.append(f"{rng.choice(('Range', 'If-None-Match', 'Origin', 'Accept', 'If-Range'))}: "
                           f"{rng.choice(('bytes=0-', 'bytes=9-1', 'bytes=' + '0-1,' * 500, 'x', '*', 'http://evil'))}")  # fmt: skip
        head = f"{method} {target} HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\n\r\n"
        return head.encode("utf-8", "replace") + body

    def _word(self, rng: random.Random, usual: tuple[str, ...]) -> str:
        if rng.random() < 0.5:
            return rng.choice(usual)
        value = rng.choice(NASTY_VALUES)
        text = value if isinstance(value, str) else json.dumps(value)
        return quote(text.encode("utf-8", "surrogatepass"), safe=rng.choice(("", "/", "/%")))[:6000]

    def _status_of(self, sent: bytes) -> int | None:
        """The status of the answer; None where the connection was closed without one, as bad HTTP may be."""
        with socket.create_connection(("127.0.0.1", self._console.port), timeout=_ANSWER_WITHIN_S) as connection:
            try:
                connection.sendall(sent)
                connection.settimeout(_HALF_SENT_S)
                try:
                    answer = connection.recv(65536)
                except TimeoutError:  # it waits for the rest of what was cut: there is none
                    connection.settimeout(_ANSWER_WITHIN_S)
                    connection.shutdown(socket.SHUT_WR)
                    answer = connection.recv(65536)
            except TimeoutError as error:
                raise Wrong(f"no answer within {_ANSWER_WITHIN_S:.0f} s to {sent[:400]!r}") from error
            except OSError:
                return None
        words = answer.split(b" ", 2)
        return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else None
