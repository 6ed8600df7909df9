"""A real browser for tests: Debian's Chromium, without a screen, on a page of the test's own server."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = "/usr/bin/chromium"
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


def told_by_browser(folder: Path, page: str, within_s: float = 60.0) -> Any:
    """Open a page in front of a folder's files; returns the JSON that its script posts to /told."""
    (folder / "page.html").write_text(page, encoding="utf-8")
    told: dict[str, Any] = {}
    came = threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            told["it"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            came.set()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="streamer-browser-") as profile:
        address = f"http://127.0.0.1:{server.server_address[1]}/page.html"
        browser = subprocess.Popen(
            [CHROMIUM, *_QUIET, f"--user-data-dir={profile}", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert came.wait(within_s), f"the browser told nothing within {within_s:g} s"
        finally:
            browser.terminate()
            browser.wait(20)
            server.shutdown()
            server.server_close()
    return told["it"]
