"""What this process takes of the machine: CPU by kind of thread, memory and its slope, load of the GPU."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

NATIVE = "native"
"""Threads that Python does not know: those of FFmpeg, OpenCV and ONNX Runtime; and those that have ended."""
CHILDREN = "children"
"""Processes that this one started, and that live."""

_GPU_QUERY = ("utilization.gpu", "utilization.memory", "memory.used")
_GPU_KEYS = ("gpu_load_percent", "gpu_memory_load_percent", "gpu_memory_used_mb")


def cpu_by_thread(but: int | None = None) -> dict[str, float]:
    """CPU seconds so far, by what a thread is for: the part of its name before ':' ('capture', 'infer', …).

    NATIVE and CHILDREN stand for what has no name here; all together are the CPU seconds of this process and of those
    that it started, `but` one of those. Where the system keeps no clock per thread, all is NATIVE.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    if hasattr(time, "pthread_getcpuclockid"):
        for thread in threading.enumerate():
            if thread.ident is None:
                continue
            with contextlib.suppress(OSError):  # it ended a moment ago
                clock = time.pthread_getcpuclockid(thread.ident)
                spent[thread.name.partition(":")[0]] += time.clock_gettime(clock)
    spent[NATIVE] = max(0.0, time.process_time() - sum(spent.values()))
    spent[CHILDREN] = sum(cpu_of_pid(pid) or 0.0 for pid in _children() if pid != but)
    return dict(spent)


def cpu_between(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    """Cores that each kind of thread took, the dearest first."""
    cores = {name: max(0.0, spent - before.get(name, 0.0)) / seconds for name, spent in after.items()}
    return dict(sorted(cores.items(), key=lambda item: -item[1]))


def resident_mb() -> float | None:
    """Memory of this process in RAM, in MB (10⁶ bytes); None where the system does not tell it as Linux does."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    import resource

    return pages * resource.getpagesize() / 1e6


def slope_per_minute(at_s: Sequence[float], values: Sequence[float]) -> float:
    """How a value rises, per minute: the least-squares line through its readings; 0 for fewer than three."""
    if len(values) < 3:
        return 0.0
    return float(np.polyfit(np.asarray(at_s) - at_s[0], np.asarray(values), 1)[0]) * 60.0


def gpu_reading(line: str) -> dict[str, float] | None:
    """One line of nvidia-smi's CSV without header and units; None for a line that is none ('[N/A]' is left out)."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(_GPU_KEYS):
        return None
    reading = {}
    for key, cell in zip(_GPU_KEYS, cells, strict=True):
        with contextlib.suppress(ValueError):
            reading[key] = float(cell)
    return reading or None


@contextlib.contextmanager
def gpu_watched() -> Iterator[list[dict[str, float]]]:
    """Readings of all GPUs, one a second while the block runs; none where there is no nvidia-smi."""
    readings: list[dict[str, float]] = []
    program = shutil.which("nvidia-smi")
    if program is None:
        yield readings
        return
    command = [program, f"--query-gpu={','.join(_GPU_QUERY)}", "--format=csv,noheader,nounits", "--loop=1"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as asked:
        assert asked.stdout is not None
        lines = asked.stdout

        def read() -> None:
            readings.extend(filter(None, map(gpu_reading, lines)))

        reader = threading.Thread(target=read, name="bench:gpu", daemon=True)
        reader.start()
        try:
            yield readings
        finally:
            asked.terminate()
            reader.join(5.0)


def mean_reading(readings: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """The mean of each value; None where nothing was read."""
    if not readings:
        return None
    keys = sorted({key for reading in readings for key in reading})
    return {key: round(float(np.mean([r[key] for r in readings if key in r])), 1) for key in keys}


def cpu_of_pid(pid: int) -> float | None:
    """CPU seconds of another process so far; None where the system does not tell it as Linux does."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def machine_cpu() -> float | None:
    """CPU seconds that all processes of the machine took so far; None where the system does not tell it as Linux does.

    What a virtual machine's host took from it ("steal") counts as taken.
    """
    try:
        user, nice, system, _, _, irq, softirq, steal = Path("/proc/stat").read_text(encoding="ascii").split()[1:9]
        return sum(map(int, (user, nice, system, irq, softirq, steal))) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def _children() -> list[int]:
    """Process ids whose parent is this process; none where the system does not tell it as Linux does."""
    ours = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == os.getpid():
                ours.append(int(stat.parent.name))
    return ours
