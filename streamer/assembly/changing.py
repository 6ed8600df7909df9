"""How whoever serves a front end changes a running service: the seam between `House` and all who ask.

It stands here and not in `control`, because it speaks of `Config`, which no room beside `config` may import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streamer.config import Config


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
