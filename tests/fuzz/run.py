"""Inputs tried in child processes: what hangs or crashes there is counted, and the next child goes on behind it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HANGS_AFTER_S = 90.0
"""No input takes a hundredth of this by itself; a machine that is busy with other things may take its time."""
STARTS_WITHIN_S = 300.0
"""To load what is tried; on such a machine too."""


@dataclass
class Found:
    """What came of one target's inputs. wrong: sentences, each with the number of the input that shows it again.

    rss_kib, files: held after the first two fifths of the inputs, and after the last one.
    """

    target: str
    tried: int = 0
    taken: int = 0
    refused: int = 0
    hangs: int = 0
    crashes: int = 0
    untyped: int = 0
    slowest_cpu_s: float = 0.0
    grew_kib: int = 0
    grew_files: int = 0
    grew_threads: int = 0
    measured_over: int = 0
    rss_kib: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Inputs that were not answered as promised."""
        return self.hangs + self.crashes + self.untyped


def try_inputs(
    target: str, seed: str, first: int, count: int, say: Callable[[str], None] = lambda _: None, most_wrong: int = 20
) -> Found:
    """Inputs FIRST to FIRST + COUNT - 1 of a target."""
    found = Found(target)
    end = first + count
    while first < end and found.bad < most_wrong:
        first = _one_child(found, seed, first, end - first, say)
    return found


def _one_child(found: Found, seed: str, first: int, count: int, say: Callable[[str], None]) -> int:
    """Go on with a new process; the number of the first input that it did not try."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        command = [sys.executable, "-m", "tests.fuzz.child", found.target, seed, str(first), str(count), folder]
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
        )  # fmt: skip
        assert child.stdout is not None
        at, ended, before = first - 1, False, found.tried
        try:
            for line in _lines(child.stdout.fileno()):
                if line is None:
                    found.hangs += 1
                    found.wrong.append(f"{found.target} input {at}: hangs")
                    break
                if line.startswith("try "):
                    at = int(line.removeprefix("try "))
                    found.tried += 1
                    if found.tried % 200 == 0:
                        say(f"{found.target}: {found.tried} tried, {found.bad} wrong")
                    continue
                told = json.loads(line)
                if "wrong" in told:
                    found.untyped += 1
                    found.wrong.append(f"{found.target} input {told['wrong']}: {told['kind']}\n{told['told']}")
                elif told.get("end"):
                    ended = True
                    _note_growth(found, told["held"], found.tried - before)
                else:
                    found.taken += bool(told["taken"])
                    found.refused += not told["taken"]
                    found.slowest_cpu_s = max(found.slowest_cpu_s, told["cpu_s"])
            else:
                if not ended:
                    code = child.wait(30)
                    found.crashes += 1
                    how = signal.Signals(-code).name if code < 0 else f"exit {code}"
                    found.wrong.append(f"{found.target} input {at}: the process died ({how})")
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
    return at + 1 if at >= first else first + count


def _lines(descriptor: int) -> Iterator[str | None]:
    """The child's lines; None where none came for too long."""
    rest, limit_s = b"", STARTS_WITHIN_S
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(limit_s):
                yield None
                return
            limit_s = HANGS_AFTER_S
            part = os.read(descriptor, 1 << 16)
            if not part:
                return
            *whole, rest = (rest + part).split(b"\n")
            for each in whole:
                yield each.decode("utf-8", "replace")


def _note_growth(found: Found, held: list[list[int]], over: int) -> None:
    if len(held) < 2:
        return
    growth = [after - before for before, after in zip(held[0], held[-1], strict=True)]
    found.rss_kib, found.files = ([held[0][i], held[-1][i]] for i in (0, 1))
    found.grew_kib, found.grew_files, found.grew_threads = growth
    found.measured_over = int(over * 0.6)
