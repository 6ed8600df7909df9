"""How whoever serves a front end changes a running service: the seam between `House` and all who ask.

It stands here and not in `control`, because it speaks of `Config`, which no room beside `config` may import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from streamer.config import CameraConfig, Config


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one camera.

    what: "added", "removed" or "changed", as the plan said. problem: the sentence why it was not done, and everything
    about this camera is as it was; None: it was done.
    """

    camera: str
    what: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """cameras: one outcome for each that was to change; those that stay are not told of. restart: the keys outside of
    `cameras` that differ and were left as they are, for only a restart brings them in."""

    cameras: tuple[Outcome, ...]
    restart: tuple[str, ...]


class Changing(Protocol):
    """May be asked from any thread; one change at a time, others wait for their turn."""

    def in_force(self) -> Config:
        """The configuration that runs: the last one wanted, but for the cameras that could not be changed, and for the
        keys that wait for a restart."""
        ...

    def change(self, wanted: Config) -> Changed:
        """Bring it in; returns when every camera is as its outcome says. Takes seconds.

        Raises ConfigError where the wanted configuration cannot be at all (models, labels, behaviour, decoding, main
        streams): nothing has been touched then.
        """
        ...


Warmth = Literal["warming", "warm", "cold"]
"""Of a camera that is about to come: warming: it connects; warm: it could go on for its owner now; cold: it cannot be
read a second time, or not at all."""


class Warming(Protocol):
    """Cameras of a node of a cluster that are about to come (docs/cluster.md): read already, and offered to nobody."""

    def warm(self, name: str, camera: CameraConfig) -> None:
        """Begin with one; change() takes it in as it is then. Raises ConfigError where it cannot come at all."""
        ...

    def cool(self, name: str) -> None:
        """It is not to come after all. May take seconds; harmless where it is not warm."""
        ...

    def warmth(self) -> Mapping[str, Warmth]:
        """How far they are; from any thread."""
        ...
