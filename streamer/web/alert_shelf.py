"""The console's own memory of alerts: the last ones with their state, and what people did about them.

A convenience, not the record: that is the outbox and what it delivers. Losing this file loses no alert, and trouble
with it holds nobody up: it is logged, and the console shows less.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from streamer.types import AlertChange, Handling
from streamer.web.shelf_file import connect, opened
from streamer.wire import alert_body, handling_body

_log = logging.getLogger("streamer.web")

T = TypeVar("T")
_PRUNE_EVERY = 200
_MOST_ON_A_PAGE = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a person wants to see. state: open, closed, unacknowledged, acknowledged; None is everything."""

    camera: str | None = None
    kind: str | None = None
    severity: str | None = None
    state: str | None = None
    since: float | None = None
    before: int | None = None
    limit: int = 100


_STATES = {
    "open": "ended_at IS NULL",
    "closed": "ended_at IS NOT NULL",
    "unacknowledged": "acknowledged_at IS NULL",
    "acknowledged": "acknowledged_at IS NOT NULL",
}
STATES = tuple(_STATES)


class AlertShelf:
    """The last `keep` alerts in one SQLite file; from any thread. What cannot be written is logged once, never raised.

    Reads have a connection of their own, so that a long list holds up nobody who publishes.
    """

    def __init__(self, path: Path, *, keep: int) -> None:
        self._path, self._keep = path, keep
        self._write_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._since_pruned = 0
        self._trouble: str | None = None
        self._writer, self._reader = opened(path), connect(path)

    # --- what happens -------------------------------------------------------------------------------------------------

    def changed(self, changes: Sequence[AlertChange], now: float) -> list[dict[str, Any]]:
        """Alerts changed, at epoch seconds now; returns how they are now, for those who watch."""

        def put(db: sqlite3.Connection) -> list[dict[str, Any]]:
            silent = {(camera, kind) for camera, kind in db.execute(_SILENT, (now,))}
            for change in changes:
                db.execute(
                    _PUT,
                    (
                        *(change.id, change.camera, change.kind, change.rule, change.severity, change.started_at),
                        *(None if change.is_open else change.at, change.seq),
                        (change.camera, change.kind) in silent,
                        json.dumps(alert_body(change), separators=(",", ":")),
                    ),
                )
            self._prune(db, len(changes))
            return [_row(found) for change in changes if (found := _one(db, change.id))]

        now_here = self._write(put)
        return [_told(change) for change in changes] if now_here is None else now_here

    def handled(self, handling: Handling) -> dict[str, Any] | None:
        """A person did something; returns how the alert is now, None where it is not here."""

        def put(db: sqlite3.Connection) -> dict[str, Any] | None:
            body = json.dumps(handling_body(handling))
            db.execute("INSERT INTO handlings (alert, body) VALUES (?, ?)", (handling.alert, body))
            if handling.type == "acknowledged":
                db.execute(
                    "UPDATE alerts SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?"
                    " AND acknowledged_at IS NULL",
                    (handling.at, handling.by, handling.alert),
                )
            elif handling.type == "silenced" and handling.until is not None:
                db.execute(
                    "INSERT INTO silences (camera, kind, until, by, at) VALUES (?, ?, ?, ?, ?)",
                    (handling.camera, handling.kind, handling.until, handling.by, handling.at),
                )
            found = _one(db, handling.alert)
            return _row(found) if found else None

        return self._write(put)

    def nobody_watched(self, now: float) -> None:
        """A run begins: what a run without a console has closed is not open any more."""
        self._write(lambda db: db.execute("UPDATE alerts SET ended_at = ? WHERE ended_at IS NULL", (now,)))

    def end_silence(self, number: int) -> bool:
        """Whether there was one."""
        gone = self._write(lambda db: db.execute("DELETE FROM silences WHERE number = ?", (number,)).rowcount)
        return bool(gone)

    # --- what is asked ------------------------------------------------------------------------------------------------

    def page(self, wanted: Wanted) -> list[dict[str, Any]]:
        """Alerts, newest first; `before` goes on behind the number of the last one of the page before."""
        where, values = ["1"], list[Any]()
        for column in ("camera", "kind", "severity"):
            if (value := getattr(wanted, column)) is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if wanted.state is not None:
            where.append(_STATES[wanted.state])
        if wanted.since is not None:
            where.append("started_at >= ?")
            values.append(wanted.since)
        if wanted.before is not None:
            where.append("number < ?")
            values.append(wanted.before)
        limit = max(1, min(_MOST_ON_A_PAGE, wanted.limit))
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM alerts WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return [_row(row) for row in rows]

    def get(self, alert_id: str) -> dict[str, Any] | None:
        """One alert with its whole message and everything that people did about it, oldest first."""
        with self._reading() as db:
            row = _one(db, alert_id)
            if row is None:
                return None
            bodies = db.execute("SELECT body FROM handlings WHERE alert = ? ORDER BY number", (alert_id,)).fetchall()
        return {**_row(row), "message": json.loads(row[-1]), "handlings": [json.loads(body) for (body,) in bodies]}

    def counts(self) -> dict[str, int]:
        """How many alerts are here, open, and seen by nobody yet."""
        with self._reading() as db:
            here, open_now, unseen = db.execute(
                "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL),"
                " count(*) FILTER (WHERE acknowledged_at IS NULL AND NOT silenced) FROM alerts"
            ).fetchone()
        return {"all": here, "open": open_now, "unacknowledged": unseen}

    def kinds(self) -> list[str]:
        """Every kind of alert that is here."""
        with self._reading() as db:
            return [kind for (kind,) in db.execute("SELECT DISTINCT kind FROM alerts ORDER BY kind")]

    def timeline(self, camera: str, since: float) -> list[dict[str, Any]]:
        """The spans of a camera's alerts that ended at `since` or later, oldest first."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT id, kind, rule, severity, started_at, ended_at, acknowledged_at IS NOT NULL FROM alerts"
                " WHERE camera = ? AND coalesce(ended_at, ?) >= ? ORDER BY started_at LIMIT 2000",
                (camera, since, since),
            ).fetchall()
        names = ("id", "kind", "rule", "severity", "from", "to", "acknowledged")
        return [{**dict(zip(names, row, strict=True)), "acknowledged": bool(row[-1])} for row in rows]

    def silences(self, now: float) -> list[dict[str, Any]]:
        """What disturbs nobody at epoch seconds now."""
        names = ("number", "camera", "kind", "until", "by", "at")
        with self._reading() as db:
            rows = db.execute(f"SELECT {', '.join(names)} FROM silences WHERE until > ? ORDER BY until", (now,))
            return [dict(zip(names, row, strict=True)) for row in rows]

    def close(self) -> None:
        """Release the file."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            self._reader.close()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _prune(self, db: sqlite3.Connection, added: int) -> None:
        self._since_pruned += added
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            db.execute("DELETE FROM alerts WHERE number <= (SELECT max(number) FROM alerts) - ?", (self._keep,))
            db.execute("DELETE FROM handlings WHERE alert NOT IN (SELECT id FROM alerts)")

    def _write(self, put: Callable[[sqlite3.Connection], T]) -> T | None:
        """None where the file cannot be written: whoever publishes alerts must go on."""
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                answer = put(self._writer)
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                if self._trouble != str(error):
                    _log.error("the console's memory %s cannot be written: %s; alerts go out", self._path, error)
                self._trouble = str(error)
                return None
            except BaseException:
                self._roll_back()
                raise
            self._trouble = None
            return answer

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._read_lock:
            yield self._reader


_COLUMNS = "number, ended_at, acknowledged_at, acknowledged_by, silenced, body"
_SILENT = "SELECT camera, kind FROM silences WHERE until > ?"
_PUT = """
INSERT INTO alerts (id, camera, kind, rule, severity, started_at, ended_at, seq, silenced, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, severity = excluded.severity, seq = excluded.seq,
    body = excluded.body WHERE excluded.seq > alerts.seq
"""


def _one(db: sqlite3.Connection, alert_id: str) -> tuple[Any, ...] | None:
    found: tuple[Any, ...] | None = db.execute(f"SELECT {_COLUMNS} FROM alerts WHERE id = ?", (alert_id,)).fetchone()
    return found


def _row(row: Sequence[Any]) -> dict[str, Any]:
    number, ended_at, acknowledged_at, acknowledged_by, silenced, body = row
    return {
        **_summary(json.loads(body)),
        "number": number,
        "ended_at": ended_at,
        "acknowledged_at": acknowledged_at,
        "acknowledged_by": acknowledged_by,
        "silenced": bool(silenced),
    }


def _told(change: AlertChange) -> dict[str, Any]:
    ended_at = None if change.is_open else change.at
    unknown = {"number": None, "ended_at": ended_at, "acknowledged_at": None, "acknowledged_by": None}
    return {**_summary(alert_body(change)), **unknown, "silenced": False}


def _summary(message: dict[str, Any]) -> dict[str, Any]:
    names = (
        "id",
        "camera",
        "kind",
        "rule",
        "severity",
        "started_at",
        "score",
        "label",
        "place",
        "track_ids",
        "snapshot",
    )
    text = message["reason"].get("text") or message["kind"]
    return {**{name: message[name] for name in names}, "text": text, "has_clip": message["clip"] is not None}
