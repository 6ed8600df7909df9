"""The audit log as it is written: one file a day (UTC), each line on disk before anybody is told that it happened.

Several processes may write: the service, and commands that somebody runs beside it. A lock on the folder orders them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streamer.audit.entry import Act, Head, line_of, read_line
from streamer.clock import Clock

try:
    import fcntl
except ImportError:  # Windows: one process writes, the service
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("streamer.audit")

FOLDER = "audit"
HEAD_FILE = "head.json"
DAY_FILES = "????-??-??.jsonl"
_LOCK_FILE = ".lock"
_TAIL_BYTES = 65_536


class AuditTrail:
    """Appends to the log below a data folder; from any thread. Raises nothing: what cannot be written is counted.

    A disk that refuses the log stops nobody's work: alerts must be handled with a full disk, too. It is an error in
    the service's log, and a metric.
    keep_days: older files go, which the log itself tells.
    """

    def __init__(self, folder: Path, clock: Clock, *, keep_days: float = 365.0) -> None:
        self._folder, self._clock, self._keep_days = folder / FOLDER, clock, keep_days
        self._lock = threading.Lock()
        self._written = self._failures = 0
        self._is_failing = False
        self._pruned_on = ""

    def record(self, act: Act) -> bool:
        """Write it down; true once it is on disk."""
        with self._lock:
            try:
                with self._alone():
                    self._prune()
                    self._append(act)
            except OSError as error:
                self._failures += 1
                if not self._is_failing:
                    _log.error("the audit log cannot be written to %s: %s", self._folder, error.strerror or error)
                self._is_failing = True
                return False
            self._written += 1
            self._is_failing = False
            return True

    def rows(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """For telemetry."""
        yield "streamer_audit_entries_total", (), float(self._written)
        yield "streamer_audit_failures_total", (), float(self._failures)

    # --- with the lock ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOCK_FILE).open("a") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _append(self, act: Act) -> None:
        at = self._clock.now()
        newest, head = self._tail()
        # A clock that was set back writes on in the newest file: files stay in the order of the chain.
        name = max(f"{_day(at)}.jsonl", newest.name if newest else "")
        line, head = line_of(act, at, head)
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # its writer died half-way
            content = f"{chr(10) if torn else ''}{line}\n".encode()
            try:
                if os.write(descriptor, content) != len(content):
                    raise OSError(28, "no space left on the device")
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        self._tell_head(head)

    def _tell_head(self, head: Head) -> None:
        """Beside the log, so that an end that was cut off is missed."""
        draft = self._folder / f".{HEAD_FILE}"
        draft.write_text(json.dumps({"n": head.n, "hash": head.hash}), encoding="utf-8")
        os.replace(draft, self._folder / HEAD_FILE)

    def _tail(self) -> tuple[Path | None, Head]:
        """The newest file and the last line of the log that is one."""
        files = day_files(self._folder)
        for file in reversed(files):
            with file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - _TAIL_BYTES))
                lines = opened.read().decode("utf-8", "replace").splitlines()
            for line in reversed(lines):
                if (body := read_line(line)) is not None:
                    return files[-1], Head(body["n"], body["hash"])
        return (files[-1] if files else None), Head()

    def _prune(self) -> None:
        """Once a day: the log says what it lets go before it does."""
        today = _day(self._clock.now())
        if today == self._pruned_on:
            return
        self._pruned_on = today
        oldest = datetime.fromtimestamp(self._clock.now(), UTC) - timedelta(days=min(self._keep_days, 36_500))
        old = [file for file in day_files(self._folder)[:-1] if file.stem < oldest.strftime("%Y-%m-%d")]
        if not old:
            return
        last = last_line(old[-1])
        what = f"the audit log until {old[-1].stem}, up to entry {last.n} ({last.hash})"
        self._append(Act("streamer", "service", "local", PRUNED, what))
        for file in old:
            file.unlink(missing_ok=True)
        _log.info("removed %d old days of the audit log, up to entry %d", len(old), last.n)


PRUNED = "let old entries go"


def day_files(folder: Path) -> list[Path]:
    """All files of the log, the oldest first."""
    return sorted(folder.glob(DAY_FILES))


def last_line(file: Path) -> Head:
    """The last line of one file."""
    for line in reversed(file.read_text("utf-8", "replace").splitlines()):
        if (body := read_line(line)) is not None:
            return Head(body["n"], body["hash"])
    return Head()


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
