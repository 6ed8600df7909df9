"""How a camera behaves at this moment, and what a command makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streamer.chaos.errors import ChaosError


@dataclass(frozen=True, slots=True)
class Conduct:
    """A well-behaved camera, but for what says otherwise.

    bytes_per_s     no more than so many go out to each client
    speed           so many times the clip's pictures a second; their timestamps stay those of the clock on the wall
    jumped_s        is added to every timestamp
    clock_ahead_s   how far the camera's clock (RTCP) is from the true one since it restarted
    clock_set_s     by how much it was set besides, while connections stay
    garbage         share of packets whose content is random bytes
    clip            which of its clips the camera plays
    """

    stalled: bool = False
    mute: bool = False
    refuses: bool = False
    bytes_per_s: float | None = None
    speed: float = 1.0
    jumped_s: float = 0.0
    clock_ahead_s: float = 0.0
    clock_set_s: float = 0.0
    garbage: float = 0.0
    noise: bool = False
    clip: int = 0
    password: str | None = None


COMMANDS: Mapping[str, tuple[str | None, str]] = {
    "stall": (None, "no more pictures; connections stay up and questions are answered"),
    "mute": (None, "says nothing at all, neither on old connections nor on new ones"),
    "reset": (None, "tears connections down (TCP reset); new ones are welcome"),
    "close": (None, "closes connections in order; new ones are welcome"),
    "refuse": (None, "resets connections and refuses new ones, as a camera that restarts"),
    "trickle": ("2000", "sends so many bytes a second"),
    "flood": ("10", "sends so many times as many pictures"),
    "jump": ("-3600", "adds so many seconds to all later timestamps"),
    "clock": ("120", "resets connections, and its own clock is so many seconds ahead"),
    "set": ("120", "its own clock is so many seconds ahead from now on; connections stay"),
    "garbage": ("1", "this share of packets holds random bytes"),
    "noise": (None, "writes random bytes where packets should be"),
    "size": (None, "changes the size of its pictures in mid-stream"),
    "codec": (None, "resets connections and goes on in another codec"),
    "password": ("another", "resets connections and wants this password"),
    "go": (None, "behaves again; what jumped or changed stays as it is"),
}
"""What a camera can be told: its usual argument, and what it then does."""

_HANG_UP = {"reset": True, "close": False, "refuse": True, "codec": True, "password": True}


def hangs_up(command: str) -> bool | None:
    """Whether connections end with this command: True by a reset, False in order, None not at all."""
    return _HANG_UP.get(command)


def told(conduct: Conduct, command: str, argument: str | None, clip: int) -> Conduct:
    """The conduct after a command; `clip` is the one to play after a change of size or codec. Raises ChaosError."""
    if command not in COMMANDS:
        raise ChaosError(f"a camera knows no '{command}'; it knows {', '.join(COMMANDS)}")
    usual = COMMANDS[command][0]
    if usual is None and argument is not None:
        raise ChaosError(f"'{command}' takes no '={argument}'")
    said = argument if argument is not None else usual or ""
    match command:
        case "stall":
            return replace(conduct, stalled=True)
        case "mute":
            return replace(conduct, mute=True)
        case "refuse":
            return replace(conduct, refuses=True)
        case "trickle":
            return replace(conduct, bytes_per_s=_number(command, said, least=1.0))
        case "flood":
            return replace(conduct, speed=_number(command, said, least=0.01))
        case "jump":
            return replace(conduct, jumped_s=conduct.jumped_s + _number(command, said))
        case "clock":
            return replace(conduct, clock_ahead_s=_number(command, said))
        case "set":
            return replace(conduct, clock_set_s=_number(command, said))
        case "garbage":
            return replace(conduct, garbage=min(1.0, _number(command, said, least=0.0)))
        case "noise":
            return replace(conduct, noise=True)
        case "size" | "codec":
            return replace(conduct, clip=clip)
        case "password":
            return replace(conduct, password=said)
        case "go":
            return Conduct(jumped_s=conduct.jumped_s, clip=conduct.clip)
    return conduct  # reset and close change nothing that lasts


def _number(command: str, text: str, least: float = float("-inf")) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ChaosError(f"'{command}={text}': a number is expected") from error
    if not least <= number < float("inf"):
        raise ChaosError(f"'{command}={text}': a number from {least:g} on is expected")
    return number
