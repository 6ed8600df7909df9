"""What the processes cost that a service started: the members of its capture crew."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def children() -> list[int]:
    """Process ids of those that this process started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat[stat.rindex(")") + 2 :].split()[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def crew_cpu_s() -> float:
    """CPU seconds of all of them so far, user and system."""
    total = 0.0
    for pid in children():
        stat = Path(f"/proc/{pid}/stat").read_text()
        user, system = stat[stat.rindex(")") + 2 :].split()[11:13]
        total += (int(user) + int(system)) / _TICKS_A_SECOND
    return total
