"""The console of a real service, and a browser in front of it that finds what a person finds: by role and name."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, sync_playwright

from streamer.web.passwords import hashed
from tests.browser import CHROMIUM
from tests.rtsp import free_port

PASSWORD = "a long enough password"
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def with_console(config: Path, **web: Any) -> str:
    """Give a configuration file a console with a user of every role; returns the console's address."""
    settings = yaml.safe_load(config.read_text())
    port = free_port()
    password = hashed(PASSWORD)
    users = {name: {"role": role, "password": password} for name, role in ROLES.items()}
    settings["web"] = {"port": port, "users": users, **web}
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    return f"http://127.0.0.1:{port}"


ROLES = {"vera": "viewer", "otto": "operator", "ada": "admin"}


def wait_until_served(address: str, within_s: float = 90.0) -> None:
    """Block until the console answers."""
    deadline_s, tick = time.monotonic() + within_s, threading.Event()
    while not _is_served(address):
        assert time.monotonic() < deadline_s, f"no console at {address} within {within_s:g} s"
        tick.wait(0.1)


def _is_served(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


class Visit:
    """A page with everything that went wrong in it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.wrong: list[str] = []
        page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.set_default_timeout(30_000)

    def log_in(self, user: str = "otto") -> Page:
        """Open the console and log in as a person would."""
        self.page.goto(self.address)
        self.page.get_by_label("Name").fill(user)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("navigation", name="Console").wait_for()
        # The question who one is, is answered 401 at the door: browsers call that an error.
        self.wrong = [each for each in self.wrong if "401" not in each]
        return self.page


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser, address: str, *, size: tuple[int, int] = (1440, 900), scheme: str = "light"
) -> Iterator[Visit]:
    """A window of its own, without memory of others."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
        timezone_id="UTC",
    )
    try:
        yield Visit(context.new_page(), address)
    finally:
        context.close()
