"""The processor: what it is called, and how many of its cores are ours."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from streamer.cgroup import cpu_limit


def usable_cores(root: Path = Path("/")) -> int:
    """Those that this process may use, where the system tells; else all of the machine. At least one.

    A quota of CPU time (a container's limit, `CPUQuota=` of a unit) counts whole cores only: a thread more than the
    quota pays for has all of them stand still for the rest of each period. root: where /proc and /sys are, for tests.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_limit(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def processor() -> str:
    """What it is called."""
    # platform.processor() is empty on most Linux systems.
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
