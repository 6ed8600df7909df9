"""Zones and lines of cameras as the console reads and changes them in the configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class CameraPlaces:
    """Of one camera, normalised to 0…1. used_by: zone or line → the rules that name it. version: of the whole file.

    in_force: the running service watches just these.
    """

    zones: Mapping[str, Points]
    lines: Mapping[str, Points]
    used_by: Mapping[str, Sequence[str]]
    version: str
    in_force: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a person has drawn: all zones and lines of a camera, and new rules as the configuration writes them."""

    zones: Mapping[str, Points]
    lines: Mapping[str, Points]
    rules: Sequence[Mapping[str, Any]] = ()


class PlacesRefused(ValueError):
    """What was drawn cannot be saved; `problems` holds one sentence each. stale: the file was changed by others."""

    def __init__(self, problems: Sequence[str], *, stale: bool = False) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.stale = tuple(problems), stale


class PlacesFile(Protocol):
    """Where places are kept."""

    def read(self, camera: str) -> CameraPlaces:
        """As they stand in the file now. Raises PlacesRefused where it cannot be read."""
        ...

    def write(self, camera: str, drawn: Drawn, version: str, who: str) -> None:
        """Put it in its place; whether it is in force, read() says. Raises PlacesRefused."""
        ...
