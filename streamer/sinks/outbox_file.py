"""The outbox's file: its tables, how it is opened, who owns it, and what SQLite's complaints mean in a sentence."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Literal

from streamer.errors import SinkUnavailable

LAYOUT = 2  # PRAGMA user_version; rises when the tables change
_BUSY_S = 5.0

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS changes (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL,
    camera TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
    stored_at REAL NOT NULL, body TEXT NOT NULL, epoch INTEGER NOT NULL DEFAULT 0,
    UNIQUE (id, seq)
);
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, touched INTEGER NOT NULL, open_body TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receivers (name TEXT PRIMARY KEY, upto INTEGER NOT NULL, line TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rejected (
    number INTEGER PRIMARY KEY AUTOINCREMENT, receiver TEXT NOT NULL, row INTEGER NOT NULL,
    id TEXT NOT NULL, seq INTEGER NOT NULL, why TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL
);
"""


_CACHE_KIB = 512
"""Of pages kept in memory: what is written lies at the end, what is read is what was just written. SQLite's own 2 MB
would fill for a day as the file grows, and look like a leak."""
_EPOCHS = "ALTER TABLE changes ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;"  # what layout 1 lacks


def connect(path: Path, *, synchronous: Literal["FULL", "NORMAL"], max_bytes: int) -> sqlite3.Connection:
    """A connection to the outbox, its tables there. Raises sqlite3.Error, or SinkUnavailable for a newer layout."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect on a new file only
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA journal_size_limit = 16777216")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        [page_bytes] = db.execute("PRAGMA page_size").fetchone()
        db.execute(f"PRAGMA max_page_count = {max(16, max_bytes // page_bytes)}")
        [layout] = db.execute("PRAGMA user_version").fetchone()
        if layout > LAYOUT:
            raise SinkUnavailable(
                f"outbox {path} was written by a newer streamer (layout {layout}, this one knows {LAYOUT}); "
                "start that version, or name another data folder"
            )
        if layout < LAYOUT:
            to_two = _EPOCHS if layout == 1 else ""
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} {to_two} PRAGMA user_version = {LAYOUT}; COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


class OwnedFile:
    """The right to be the only process at an outbox; the system takes it back however the process dies."""

    def __init__(self, path: Path) -> None:
        lock_path = path.with_name(path.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SinkUnavailable(f"outbox {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise SinkUnavailable(
                f"outbox {path} is in use by another streamer process (pid {owner}); "
                "stop it, or give this one a data folder of its own"
            ) from error
        with contextlib.suppress(OSError):  # a full disk: the pid is for people, the lock is what counts
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have it; once."""
        os.close(self._file)


def trouble(error: sqlite3.Error, path: Path) -> SinkUnavailable:
    """What an error of SQLite means for the outbox, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    says = {
        sqlite3.SQLITE_FULL: "is full: the disk, or its own limit (outbox max_bytes); alerts wait until there is room",
        sqlite3.SQLITE_BUSY: "is locked by another program; close it",
        sqlite3.SQLITE_LOCKED: "is locked by another program; close it",
        sqlite3.SQLITE_READONLY: "cannot be written: read-only file or disk",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that its folder exists and may be written",
        sqlite3.SQLITE_IOERR: "cannot be written or read: the disk reports an error",
        sqlite3.SQLITE_CORRUPT: "is corrupt; the next start moves it aside and saves what can be read",
        sqlite3.SQLITE_NOTADB: "is not an outbox; the next start moves it aside and begins anew",
    }.get(primary if primary is not None else -1, "failed")
    return SinkUnavailable(f"outbox {path} {says} [{error}]")
