"""The file of the console's memory: its tables, and what becomes of one that cannot be used."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

_log = logging.getLogger("streamer.web")

LAYOUT = 1  # PRAGMA user_version; rises when the tables change

_TABLES = """
CREATE TABLE IF NOT EXISTS alerts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, camera TEXT NOT NULL, kind TEXT NOT NULL,
    rule TEXT NOT NULL, severity TEXT NOT NULL, started_at REAL NOT NULL, ended_at REAL, seq INTEGER NOT NULL,
    acknowledged_at REAL, acknowledged_by TEXT, silenced INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_camera ON alerts (camera, number);
CREATE INDEX IF NOT EXISTS not_acknowledged ON alerts (number) WHERE acknowledged_at IS NULL;
CREATE TABLE IF NOT EXISTS handlings (
    number INTEGER PRIMARY KEY AUTOINCREMENT, alert TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS of_alert ON handlings (alert);
CREATE TABLE IF NOT EXISTS silences (
    number INTEGER PRIMARY KEY AUTOINCREMENT, camera TEXT NOT NULL, kind TEXT NOT NULL, until REAL NOT NULL,
    by TEXT NOT NULL, at REAL NOT NULL
);
"""


def opened(path: Path) -> sqlite3.Connection:
    """A connection to a file with our tables; one that is no such file, or a newer one, is moved aside."""
    try:
        db = connect(path)
        [layout] = db.execute("PRAGMA user_version").fetchone()
        if layout > LAYOUT or db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            db.close()
            raise sqlite3.DatabaseError(f"layout {layout}, or corrupt")
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.aside")
        _log.warning("the console's memory %s cannot be used (%s): moved to %s, a new one begins", path, error, aside)
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        db = connect(path)
    db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;")
    return db


def connect(path: Path) -> sqlite3.Connection:
    """A connection for any thread, one at a time. Raises sqlite3.Error."""
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
