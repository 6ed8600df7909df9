"""What the console is made of, handed over by whoever puts the service together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.board import CameraStates
from streamer.clock import Clock
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
class ConsoleParts:
    """states: how every camera is. wake(camera, for_s) raises ValueError. places: None where there is no file."""

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
