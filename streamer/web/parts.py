"""What the console is made of, handed over by whoever puts the service together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from streamer.board import CameraStates
from streamer.clock import Clock
from streamer.live_video import LiveVideo
from streamer.web.configuration import ConfigurationFile
from streamer.web.control_room import ControlRoom
from streamer.web.places import PlacesFile, Points
from streamer.web.sessions import Sessions


@dataclass(frozen=True, slots=True)
class CameraAbout:
    """What the configuration in force says about a camera; rules: name, kind, severity, place, ready for JSON."""

    name: str
    zones: Mapping[str, Points]
    lines: Mapping[str, Points]
    rules: Sequence[Mapping[str, Any]]
    analyse_fps: float | None


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who did something: the name by which they logged in, their role, and the address they came from."""

    name: str
    role: str
    address: str


class Audit(Protocol):
    """Writes down who did what; raises nothing. guard.who_of(request) says who asks."""

    def __call__(
        self,
        who: Who,
        did: str,
        what: str,
        *,
        camera: str | None = None,
        cameras: Sequence[str] = (),
        outcome: str = "done",
    ) -> None:
        """did: a verb in the past, 'changed the configuration'; what: to what, in words, never a secret."""
        ...


def unaudited(*_: object, **__: object) -> None:
    """Writes nothing down."""


@dataclass(frozen=True, slots=True)
class AuditWanted:
    """Which entries of the audit log: times in epoch seconds, before: numbers below this one."""

    who: str | None = None
    camera: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """states: how every camera is. wake(camera, for_s) raises ValueError. places, configuration: None without a file.

    raw_pictures_allowed(camera): whether its packets may be shown as they came; never of a camera whose pictures are
    redacted. video(camera): its packets as live video; None where there is none. audit: told who did what;
    audit_entries: at most so many of them, the newest first.
    """

    cameras: Mapping[str, CameraAbout]
    states: Callable[[], CameraStates]
    room: ControlRoom
    sessions: Sessions
    folder: Path
    wake: Callable[[str, float], object]
    places: PlacesFile | None
    clock: Clock
    secure: bool = False
    host: str = "127.0.0.1"
    session_s: float = 43_200.0
    configuration: ConfigurationFile | None = None
    audit: Audit = unaudited
    audit_entries: Callable[[AuditWanted, int], Sequence[Mapping[str, Any]]] | None = None
    raw_pictures_allowed: Callable[[str], bool] = lambda _camera: True
    video: Callable[[str], LiveVideo | None] = lambda _camera: None
