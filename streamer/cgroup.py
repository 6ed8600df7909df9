"""What a container or a unit of systemd lets this process have: CPU time and memory, as control groups say it.

Linux only; elsewhere nothing is limited. Version 2 is one tree (`cpu.max`, `memory.max`, `memory.high`); version 1 has
a tree for each controller (`cpu.cfs_quota_us`, `memory.limit_in_bytes`). A limit anywhere between the process and the
root counts, the smallest one most. Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; cgroups(7).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_UNLIMITED_BYTES = 2**60
"""Version 1 says "no limit" as the largest number of pages; nobody has so much memory."""


def cpu_limit(root: Path = _ROOT) -> float | None:
    """CPUs' worth of time that this process and its neighbours in the group may use; None: no limit.

    root: where /proc and /sys are found, for tests.
    """
    quotas = [quota for folder in _folders(root, "cpu") if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def memory_limit_bytes(root: Path = _ROOT) -> int | None:
    """Memory from which on the group is slowed down or killed; None: no limit."""
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    said = [_number(_read(folder / name)) for folder in _folders(root, "memory") for name in names]
    return min((int(each) for each in said if each is not None and 0 < each < _UNLIMITED_BYTES), default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Of this process's group and of all above it that can be seen from here; those of version 1 too."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            tops = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            tops = [root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup" / controller]
        else:
            continue
        # In a container the path may be the host's, and only its end, the container's own folder, is mounted.
        below = [part for part in path.split("/") if part not in ("", "..")]
        for top in tops:
            for depth in range(len(below), -1, -1):
                yield top.joinpath(*below[:depth])


def _quota(folder: Path) -> float | None:
    said = _read(folder / "cpu.max").split()
    if not said:
        said = [_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()]
    if len(said) < 2:
        return None
    quota_us, period_us = _number(said[0]), _number(said[1])
    return quota_us / period_us if quota_us and period_us and quota_us > 0 and period_us > 0 else None


def _number(text: str) -> float | None:
    """None for `max`, and for a file that is not there."""
    try:
        return float(text)
    except ValueError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""
