"""What a configuration would change, or has changed, on the terminal: one line for each camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}


def print_steps(steps: Mapping[str, Any]) -> bool:
    """`cameras` and `restart`, as the API answers a plan; returns whether there is anything to do."""
    console = Console(highlight=False)
    for step in steps["cameras"]:
        keys = ", ".join(step["keys"])
        console.print(_line(step["what"], step["camera"], f"{step['what']}{f': {keys}' if keys else ''}"))
    print_restart(steps["restart"])
    cameras = len(steps["cameras"])
    if cameras:
        console.print(f"{cameras} camera{'s' if cameras > 1 else ''} would change; all others are not touched")
    elif not steps["restart"]:
        console.print("nothing to do: the service runs by just this")
    return bool(cameras or steps["restart"])


def print_results(results: Sequence[Mapping[str, Any]]) -> None:
    """`cameras` as the API answers a change."""
    console = Console(highlight=False)
    for each in results:
        if each["problem"]:
            console.print(Text(f"  ✗ {each['camera']}  not {each['what']}: {each['problem']}", style="red"))
        else:
            console.print(_line(each["what"], each["camera"], each["what"]))


def print_restart(keys: Sequence[str]) -> None:
    """What only a restart brings in."""
    for key in keys:
        Console(highlight=False).print(Text(f"  ! {key}  needs a restart of the service", style="magenta"))


def _line(what: str, camera: str, said: str) -> Text:
    sign, colour = _SIGNS.get(what, ("?", ""))
    return Text(f"  {sign} {camera}  {said}", style=colour)
