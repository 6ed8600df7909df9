"""What `streamer doctor` says of one thing that it looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamer.errors import StreamerError

Measured = Mapping[str, float | str | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `ok` None: worth knowing, neither good nor bad.

    measured: the same as numbers with their units in their names, for programs.
    """

    what: str
    ok: bool | None
    said: str
    measured: Measured = field(default_factory=dict)


def checked(what: str, look: Callable[[], Finding | str]) -> Finding:
    """What look() finds; what it raises, where that is one of the house's errors."""
    try:
        found = look()
    except StreamerError as error:
        return Finding(what, False, str(error))
    return found if isinstance(found, Finding) else Finding(what, True, found)
