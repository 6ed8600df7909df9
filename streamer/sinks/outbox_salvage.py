"""What happens to an outbox file that is found corrupt at start.

It is moved aside, never deleted, and everything that can still be read is taken over into a new file: alert changes
with their row numbers, what is open, how far each receiver was. Receivers get new lines, because the lost rows' numbers
will be used again and a receiver must not take the new ones for those; that some rows may be told twice is caught by
the publisher's own memory of ids (redis_alerts.py) and costs a webhook a repetition.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from streamer.sinks.outbox_file import connect
from streamer.wire import decode_message

_log = logging.getLogger("streamer.outbox")

_TEN = ", ".join("?" * 10)  # the columns of table changes
_BODY, _EPOCH = 8, 9
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside_if_corrupt(path: Path, now: float) -> Path | None:
    """Make room for a new outbox where the old one cannot be trusted; where it went, or None for a sound or no file."""
    if not path.exists() or _is_sound(path):
        return None
    aside = _free_name(path, int(now))
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    saved = _take_over(aside, path)
    _log.error("outbox %s is corrupt: moved to %s, %d alert changes saved from it", path, aside, saved)
    return aside


def _is_sound(path: Path) -> bool:
    try:
        db = sqlite3.connect(path, isolation_level=None)
        try:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
        finally:
            db.close()
    except UnicodeDecodeError:  # what is wrong is told with names out of the file, which are no text any more
        return False
    except sqlite3.DatabaseError as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _CORRUPT:
            return False
        raise


def _free_name(path: Path, now: int) -> Path:
    aside = path.with_name(f"{path.stem}.corrupt-{now}{path.suffix}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.stem}.corrupt-{now}-{number}{path.suffix}")
    return aside


def _take_over(aside: Path, path: Path) -> int:
    new = connect(path, synchronous="FULL", max_bytes=2**40)
    try:
        old = sqlite3.connect(aside, isolation_level=None)
    except sqlite3.Error:
        new.close()
        return 0
    try:
        new.execute("BEGIN IMMEDIATE")
        saved = 0
        for direction in ("ASC", "DESC"):  # from both ends towards the first page that cannot be read
            for row in _readable(old, f"SELECT * FROM changes ORDER BY row {direction}"):
                if _is_message(row[_BODY]):
                    whole = row if len(row) > _EPOCH else (*row, 0)  # a file of layout 1
                    saved += new.execute(f"INSERT OR IGNORE INTO changes VALUES ({_TEN})", whole).rowcount
        for row in _readable(old, "SELECT * FROM alerts"):
            if row[-1] is None or _is_message(row[-1]):
                new.execute("INSERT OR IGNORE INTO alerts VALUES (?, ?, ?, ?)", row)
        for name, upto, _ in _readable(old, "SELECT * FROM receivers"):
            # never further than the rows that are here: new ones will be numbered from there on
            new.execute(
                "INSERT OR IGNORE INTO receivers SELECT ?, min(?, coalesce(max(row), 0)), ? FROM changes",
                (name, upto, uuid4().hex),
            )
        new.execute("COMMIT")
        return saved
    finally:
        old.close()
        new.close()


def _is_message(body: object) -> bool:
    try:
        decode_message(str(body))
    except ValueError:
        return False
    return True


def _readable(db: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    """Rows up to the first that cannot be read."""
    try:
        yield from db.execute(query)
    except (sqlite3.Error, UnicodeDecodeError):
        return
