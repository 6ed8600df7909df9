"""What of all requests is written into the audit log: one table of every address, and the middleware that goes by it.

An act is on disk before the answer goes out. Of what is watched, beginning and end are written, not each picture; of
what a browser asks for again and again, the first time in a while.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.web.access import CHANGING
from streamer.web.guard import who_of
from streamer.web.parts import ConsoleParts, Who

AGAIN_AFTER_S = 600.0
_MOST_REMEMBERED = 10_000

How = Literal["act", "look", "watch", "itself", "never"]


@dataclass(frozen=True, slots=True)
class Entry:
    """How an address is written down: did, in the past; `itself`: by its route; `never`: it shows nobody anything."""

    how: How
    did: str = ""


_NEVER, _ITSELF = Entry("never"), Entry("itself")

ENTRIES: Mapping[tuple[str, str], Entry] = {
    ("GET", "/"): _NEVER,
    ("GET", "/alerts"): _NEVER,
    ("GET", "/alerts/{alert_id}"): _NEVER,
    ("GET", "/audit"): _NEVER,
    ("GET", "/cameras/{camera}"): _NEVER,
    ("GET", "/cameras/{camera}/places"): _NEVER,
    ("GET", "/cameras/{camera}/settings"): _NEVER,
    ("GET", "/configuration"): _NEVER,
    ("GET", "/configuration/add"): _NEVER,
    ("GET", "/static/{path:path}"): _NEVER,
    ("POST", "/api/login"): Entry("act", "logged in"),
    ("POST", "/api/logout"): Entry("act", "logged out"),
    ("GET", "/api/session"): _NEVER,
    ("GET", "/api/openapi.json"): _NEVER,
    ("GET", "/api/events"): _NEVER,  # words, no pictures
    ("GET", "/api/live"): Entry("watch", "watched live pictures of"),
    ("GET", "/api/cameras"): _NEVER,
    ("GET", "/api/cameras/{camera}"): _NEVER,
    ("GET", "/api/cameras/{camera}/picture.jpg"): Entry("look", "looked at the picture of"),
    ("GET", "/api/cameras/{camera}/live.mjpg"): Entry("watch", "watched live pictures of"),
    ("GET", "/api/cameras/{camera}/live.mp4"): Entry("watch", "watched live video of"),
    ("GET", "/api/cameras/{camera}/video"): Entry("watch", "watched live video of"),
    ("GET", "/api/cameras/{camera}/timeline"): _NEVER,
    ("POST", "/api/cameras/{camera}/wake"): Entry("act", "woke"),
    ("GET", "/api/cameras/{camera}/places"): _NEVER,
    ("PUT", "/api/cameras/{camera}/places"): Entry("act", "changed zones and lines"),
    ("GET", "/api/alerts"): _NEVER,
    ("POST", "/api/alerts/acknowledge"): Entry("act", "acknowledged"),
    ("GET", "/api/alerts/{alert_id}"): _NEVER,
    ("GET", "/api/alerts/{alert_id}/snapshot.jpg"): Entry("look", "opened the picture of"),
    ("GET", "/api/alerts/{alert_id}/clip.mp4"): Entry("look", "opened the clip of"),
    ("POST", "/api/alerts/{alert_id}/acknowledge"): Entry("act", "acknowledged"),
    ("POST", "/api/alerts/{alert_id}/comment"): Entry("act", "commented on"),
    ("POST", "/api/alerts/{alert_id}/silence"): Entry("act", "silenced"),
    ("GET", "/api/silences"): _NEVER,
    ("DELETE", "/api/silences/{number}"): Entry("act", "ended the silence"),
    ("GET", "/api/audit"): Entry("look", "read the audit log"),
    ("GET", "/api/configuration"): Entry("look", "read the configuration"),
    ("PUT", "/api/configuration"): _ITSELF,
    ("POST", "/api/configuration/plan"): _NEVER,
    ("POST", "/api/configuration/rollback"): _ITSELF,
    ("GET", "/api/configuration/history"): _NEVER,
    ("GET", "/api/configuration/history/{number}"): Entry("look", "read an old configuration"),
    ("POST", "/api/configuration/try"): _ITSELF,
    ("POST", "/api/configuration/cameras"): _ITSELF,
    ("GET", "/api/configuration/cameras/{camera}"): Entry("look", "read the configuration"),
    ("PUT", "/api/configuration/cameras/{camera}"): _ITSELF,
    ("DELETE", "/api/configuration/cameras/{camera}"): _ITSELF,
}


def note(request: Request, *, what: str | None = None, cameras: tuple[str, ...] = (), who: Who | None = None) -> None:
    """What a route knows better than its address says."""
    request.state.audit_note = (what, cameras, who)


class Audited:
    """ASGI middleware. Requests that were refused before anybody knew who asks are no entries: log-ins are."""

    def __init__(self, app: ASGIApp, parts: ConsoleParts) -> None:
        self._app, self._parts = app, parts
        self._seldom = Seldom(AGAIN_AFTER_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and write down what that was."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        watched: _Told | None = None

        async def with_entry(message: Message) -> None:
            nonlocal watched
            if message["type"] == "http.response.start":
                watched = await self._began(scope, int(message["status"]))
            await send(message)

        begun_s = self._parts.clock.monotonic()
        try:
            await self._app(scope, receive, with_entry)
        finally:
            if watched is not None:
                seconds = self._parts.clock.monotonic() - begun_s
                await asyncio.shield(self._write(watched, f"{watched.what}, for {seconds:.0f} s", "ended"))

    async def _began(self, scope: Scope, status: int) -> _Told | None:
        """Write it down; what is to be written down again at its end."""
        method, route = scope["method"], scope.get("route")
        if route is None:
            return None
        # An address that nobody has thought about yet: changes are never passed over.
        unknown = Entry("act", f"{method} {route.path}") if method in CHANGING else _NEVER
        entry = ENTRIES.get((method, route.path), unknown)
        if entry.how in ("never", "itself"):
            return None
        told = await asyncio.to_thread(self._told, scope, entry)
        if status >= 400:
            if entry.how == "act" or status == 403:
                outcome = "refused" if status < 500 else "failed"
                if told.who.role != "public" or entry.did == "logged in":
                    await self._write(told, told.what, outcome)
            return None
        if entry.how == "watch":
            await self._write(told, told.what, "begun")
            return told
        if entry.how == "act" or self._seldom.is_news((told.who, entry.did, told.what), self._parts.clock.monotonic()):
            await self._write(told, told.what, "done")
        return None

    def _told(self, scope: Scope, entry: Entry) -> _Told:
        request = Request(scope)
        what, cameras, who = getattr(request.state, "audit_note", (None, (), None))
        parameters: dict[str, Any] = scope.get("path_params", {})
        if not cameras and "camera" in parameters:
            cameras = (str(parameters["camera"]),)
        if not cameras and scope["path"] == "/api/live":
            cameras = tuple(parse_qs(scope["query_string"].decode("ascii", "replace")).get("camera", ()))
        if "alert_id" in parameters and (alert := self._parts.room.shelf.get(str(parameters["alert_id"]))):
            cameras = (alert["camera"],)
        if what is None:
            values = [f"alert {value}" if name == "alert_id" else str(value) for name, value in parameters.items()]
            what = ", ".join(values) or ", ".join(cameras)
        return _Told(who or who_of(request), entry.did, what, cameras)

    async def _write(self, told: _Told, what: str, outcome: str) -> None:
        await asyncio.to_thread(self._parts.audit, told.who, told.did, what, cameras=told.cameras, outcome=outcome)


@dataclass(frozen=True, slots=True)
class _Told:
    who: Who
    did: str
    what: str
    cameras: tuple[str, ...]


class Seldom:
    """Whether something is news: it was not told in the last again_after_s."""

    def __init__(self, again_after_s: float) -> None:
        self._again_after_s = again_after_s
        self._lock = threading.Lock()
        self._told_s: OrderedDict[object, float] = OrderedDict()

    def is_news(self, what: object, now_s: float) -> bool:
        """True the first time in a while; that it is asked again prolongs nothing."""
        with self._lock:
            told_s = self._told_s.get(what)
            if told_s is not None and now_s - told_s < self._again_after_s:
                return False
            self._told_s[what] = now_s
            self._told_s.move_to_end(what)
            while len(self._told_s) > _MOST_REMEMBERED:
                self._told_s.popitem(last=False)
            return True
