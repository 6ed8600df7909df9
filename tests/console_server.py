"""The console's server in front of a drawn world: real sockets, real SQLite, nothing that watches."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from streamer.assembly.audit import entries_of, told_to
from streamer.audit.trail import AuditTrail
from streamer.board import CameraStates
from streamer.errors import SinkUnavailable
from streamer.live_video import LiveVideo
from streamer.types import Handling
from streamer.web.access import Role
from streamer.web.alert_shelf import AlertShelf
from streamer.web.configuration import ConfigurationFile
from streamer.web.control_room import ControlRoom
from streamer.web.news import News
from streamer.web.parts import CameraAbout, ConsoleParts
from streamer.web.passwords import hashed
from streamer.web.pictures import Pictures
from streamer.web.places import CameraPlaces, Drawn, PlacesRefused, Points
from streamer.web.server import ConsoleServer
from streamer.web.sessions import Account, Sessions, Token
from tests.fakes import FakeClock

PASSWORD = "correct horse battery"
TOKENS = {role: f"{role.name.lower()}-token-0123456789" for role in Role if role is not Role.PUBLIC}
SQUARE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
ONLINE = {"link": "online", "for_s": 3.0, "trouble": None, "fps": 5.0, "coverage": 1.0}


@dataclass(frozen=True)
class Answered:
    """One answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Ledger:
    """Where what people did becomes durable; away when told."""

    handlings: list[Handling] = field(default_factory=list)
    away: bool = False

    def record(self, handling: Handling) -> None:
        if self.away:
            raise SinkUnavailable("the disk is full")
        self.handlings.append(handling)


class MemoryPlaces:
    """web.places.PlacesFile without a file: refuses the name 'bad', knows one version at a time."""

    def __init__(self) -> None:
        self.zones: Mapping[str, Points] = {"yard": SQUARE}
        self.lines: Mapping[str, Points] = {}
        self.version = "1"

    def read(self, camera: str) -> CameraPlaces:
        return CameraPlaces(self.zones, self.lines, {"yard": ["in"]}, self.version, self.version == "1")

    def write(self, camera: str, drawn: Drawn, version: str, who: str) -> None:
        if version != self.version:
            raise PlacesRefused(["somebody else was here"], stale=True)
        if "bad" in drawn.zones:
            raise PlacesRefused(["c.yaml:3: zones.bad: is no zone"])
        self.zones, self.lines, self.version = drawn.zones, drawn.lines, str(int(self.version) + 1)


class Served:
    """One console and everything behind it."""

    def __init__(
        self,
        folder: Path,
        sessions: Sessions,
        clock: FakeClock,
        cameras: Sequence[str],
        configuration: ConfigurationFile | None = None,
    ) -> None:
        self.folder, self.clock, self.ledger = folder, clock, Ledger()
        self.woken: list[tuple[str, float]] = []
        self.states: CameraStates = {"gate": ONLINE}
        self.videos: dict[str, LiveVideo] = {}
        self.redacted: set[str] = set()
        self.shelf = AlertShelf(folder / "console.db", keep=1000)
        self.room = ControlRoom(self.shelf, Pictures(), News(), clock, self.ledger.record)
        about = CameraAbout("gate", {"yard": SQUARE}, {}, [{"name": "in", "kind": "intrusion"}], 5.0)
        self.parts = ConsoleParts(
            cameras={name: replace(about, name=name) for name in cameras},
            states=lambda: self.states,
            room=self.room,
            sessions=sessions,
            folder=folder,
            wake=lambda camera, for_s: self.woken.append((camera, for_s)),
            places=MemoryPlaces(),
            configuration=configuration,
            clock=clock,
            raw_pictures_allowed=lambda camera: camera not in self.redacted,
            video=self.videos.get,
            audit=told_to(AuditTrail(folder, clock)),
            audit_entries=entries_of(folder),
        )
        self.server = ConsoleServer(self.parts, "127.0.0.1", 0)
        self.port = int(self.server.address.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(self, method: str, path: str, body: Any = None, *, role: Role | None = None, **headers: str) -> Answered:
        """One request; headers with '_' for '-'."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            sent["Authorization"] = f"Bearer {TOKENS[role]}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, role: Role = Role.VIEWER, **headers: str) -> Answered:
        return self.ask("GET", path, role=role, **headers)

    def post(self, path: str, body: Any, role: Role = Role.OPERATOR) -> Answered:
        return self.ask("POST", path, body, role=role)


@cache
def _hash() -> str:
    return hashed(PASSWORD)


def some_sessions(clock: FakeClock) -> Sessions:
    """A user and a token of every role: user 'viewer' has the token of viewers."""
    accounts = {f"{role.name.lower()}-user": Account(role, _hash()) for role in TOKENS}
    tokens = {role.name.lower(): Token(role, token) for role, token in TOKENS.items()}
    return Sessions(accounts, tokens, clock, last_s=3600)


@contextmanager
def served(
    folder: Path,
    *,
    users: bool = True,
    cameras: Sequence[str] = ("gate", "yard 2"),
    configuration: ConfigurationFile | None = None,
) -> Iterator[Served]:
    """A console that is served while inside; without users whoever is at this machine may do everything."""
    clock = FakeClock()
    sessions = some_sessions(clock) if users else Sessions({}, {}, clock, last_s=3600)
    console = Served(folder, sessions, clock, cameras, configuration)
    try:
        yield console
    finally:
        console.server.close()
        console.room.close()
