"""When which fault begins: 'stall@10s,go@15s,reset@20s' as steps in time, and whoever carries them out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.chaos.errors import ChaosError

_STEP = re.compile(r"(?P<command>[a-z]+(=[^,@]+)?)@(?P<at>\d+(\.\d+)?)(?P<unit>ms|s|m)?")
_SECONDS = {"ms": 1e-3, "s": 1.0, None: 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Step:
    """One command, so many seconds after the start."""

    at_s: float
    command: str


def parse_script(text: str) -> tuple[Step, ...]:
    """COMMAND[=VALUE]@TIME,… in the order of their times; TIME is 10, 10s, 500ms or 2m. Raises ChaosError."""
    steps = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _STEP.fullmatch(part)
        if match is None:
            raise ChaosError(f"'{part}' is no step; COMMAND@TIME is expected, such as stall@10s or trickle=500@1m")
        steps.append(Step(float(match["at"]) * _SECONDS[match["unit"]], match["command"]))
    return tuple(sorted(steps, key=lambda step: step.at_s))


def play(
    steps: Sequence[Step],
    do: Callable[[str], None],
    stop: threading.Event,
    *,
    every_s: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Carry the steps out when they are due, then wait for stop; with every_s again and again, so often.

    say is told of each step once it is done.
    """
    begun_s = time.monotonic()
    while not stop.is_set():
        for step in steps:
            if stop.wait(max(0.0, begun_s + step.at_s - time.monotonic())):
                return
            do(step.command)
            say(step.command)
        if every_s is None:
            stop.wait()
            return
        begun_s += every_s
        stop.wait(max(0.0, begun_s - time.monotonic()))


def check(steps: Sequence[Step], known: Sequence[str], who: str) -> None:
    """Raises ChaosError for a command that `who` does not know."""
    for step in steps:
        name = step.command.partition("=")[0]
        if name not in known:
            raise ChaosError(f"{who} knows no '{name}'; it knows {', '.join(known)}")
