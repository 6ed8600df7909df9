"""The message by which a camera is asked for: the fields of an entry in the stream of commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamer.wire import COMMAND_SCHEMA

WAKE_FOR_S = 30.0
"""How long a camera stays awake for who did not say."""
OLDEST_S = 60.0
"""A wish older than this is over: whoever made it did not get a picture of what he meant."""


OnOrder = Callable[[str, str, tuple[str, ...]], None]
"""Told of every order that was followed: where it came from, what it was, and the cameras that it was about."""


def not_told(address: str, what: str, cameras: tuple[str, ...]) -> None:
    """Nobody keeps a log."""


class Unfit(ValueError):
    """An entry that is not acted on; `kind` is one of few words, the message a sentence."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class WakeCommand:
    """Watch this camera ('*': every one) for so long, even if nothing moves; `at` is epoch seconds."""

    camera: str
    at: float
    for_s: float = WAKE_FOR_S

    def fields(self) -> dict[str, str]:
        """The fields of its stream entry."""
        return {
            "schema": COMMAND_SCHEMA,
            "command": "wake",
            "camera": self.camera,
            "for_s": f"{round(self.for_s, 3)}",
            "at": f"{self.at:.3f}",
        }


def read_command(fields: Mapping[str, str], entry_id: str, now: float) -> WakeCommand:
    """The command in a stream entry that came at epoch seconds `now`. Raises Unfit.

    entry_id: Redis's own, milliseconds first; it tells the time of an entry that does not say it.
    """
    schema, command = fields.get("schema"), fields.get("command")
    if schema != COMMAND_SCHEMA:
        raise Unfit("unreadable", f"its schema is {_shown(schema)}, this service understands {COMMAND_SCHEMA!r}")
    if command != "wake":
        raise Unfit("unreadable", f"its command is {_shown(command)}, this service knows 'wake'")
    if not fields.get("camera"):
        raise Unfit("unreadable", "it names no camera")
    at = _number(fields, "at") if "at" in fields else float(entry_id.partition("-")[0]) / 1000
    for_s = _number(fields, "for_s") if "for_s" in fields else WAKE_FOR_S
    if now - at > OLDEST_S:
        raise Unfit("late", f"it is {now - at:.0f} s old, more than {OLDEST_S:g} s; is the sender's clock right?")
    return WakeCommand(fields["camera"], at, for_s)


def _number(fields: Mapping[str, str], name: str) -> float:
    try:
        number = float(fields[name])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unfit("unreadable", f"its {name} is {_shown(fields[name])}, expected a number of seconds")
    return number


def _shown(text: str | None) -> str:
    return "missing" if text is None else repr(text[:60])
