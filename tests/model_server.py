"""A server of model files that breaks, lies, stalls and redirects on command, and a pull from it that never sleeps."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamer.catalogue import Address, Entry, Patience
from streamer.commands.models.fetching import pull_from_address
from tests.onnx_models import graph_of

GRAPH = graph_of(
    {"output": np.zeros((84, 85), np.float32)}, input_name="images", input_shape=(1, 3, 64, 64), input_dtype="float32"
)
OTHER = bytes(reversed(GRAPH))


def entry_of(graph: bytes = GRAPH, **changes) -> Entry:
    values = {
        "name": "tiny",
        "title": "Tiny",
        "address": "https://models.example/tiny.onnx",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "size_bytes": len(graph),
        "sha256_from": "file",
        "licence": "MIT",
        "licence_address": "https://models.example/LICENSE",
        "layout": "yolox",
        "size": (64, 64),
        "labels": "coco-80",
    }
    return Entry(**(values | changes))


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def send(handler, status, body=b"", until=None, **headers):
    """One answer; only the bytes before `until` are sent of its body."""
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body[:until])


def file(content=GRAPH, *, etag='"v1"', until=None, ranges=True) -> Answer:
    """A server's usual behaviour for a file; `until`: it hangs up before that byte of the whole file."""

    def answer(handler):
        asked = handler.headers.get("Range") if ranges else None
        if asked and handler.headers.get("If-Range") in (None, etag):
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            shown = f"bytes {first}-{len(content) - 1}/{len(content)}"
            left = None if until is None else max(until - first, 0)
            send(handler, 206, content[first:], left, Content_Range=shown, ETag=etag)
        else:
            send(handler, 200, content, until, ETag=etag)

    return answer


def status(code, **headers) -> Answer:
    return lambda handler: send(handler, code, b"sorry", **headers)


def redirect(to) -> Answer:
    return lambda handler: send(handler, 302, Location=to)


@dataclass
class Server:
    """Gives one answer after the other, the last one for ever, and keeps what was asked."""

    port: int
    answers: list[Answer] = field(default_factory=lambda: [file()])
    asked: list[http.server.BaseHTTPRequestHandler] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tiny.onnx"

    @property
    def ranges(self) -> list[tuple[str | None, str | None]]:
        return [(each.headers.get("Range"), each.headers.get("If-Range")) for each in self.asked]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self)
            answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            with contextlib.suppress(ConnectionError):  # the client may hang up on us: that is what some tests are for
                answer(self)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Server(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


class Seen:
    """A Watcher that writes everything down."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.breaks: list[str] = []

    def reached(self, size):
        self.sizes.append(size)

    def broke(self, why, wait_s):
        self.breaks.append(why)


def pull(to, url, entry=None, *, seen=None, waits=None, stall_s=60.0, **options):
    waits = [] if waits is None else waits
    patience = Patience(stall_s=stall_s, sleep=waits.append)
    return pull_from_address(entry or entry_of(), to, Address(url, **options), seen or Seen(), patience)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


PART = f".tiny-{hashlib.sha256(GRAPH).hexdigest()[:12]}.part"
