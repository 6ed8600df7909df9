"""The outbox: every alert change is committed to this file before anything is sent, and waits here for its receivers.

SQLite in WAL mode. append() commits with synchronous=FULL: what returned survives kill -9 and a power cut. Marks of
what a receiver has taken are commits without a sync of their own: kill -9 does not undo them, and after a power cut
they may lag, which every receiver survives because it can say itself what it last took, or is told twice (webhooks).

Rows are numbered from 1 and never reused. Each receiver has its own mark, so that they fail independently, and its own
`line`: a random name under which the receiver remembers how far it came (see receivers.py). Rows that everybody has
taken are kept for a while, because a broker that crashed may have forgotten its last second and be told again.

Where cameras have leases (fencing.py), a row keeps the epoch under which it was found. Then one receiver is the
referee: it says what may be told, and the others get what it has taken. What it fenced is kept with the rejected.

An id and seq goes in once: the same recording run again appends nothing. What is open is kept in the same transaction,
so that the next start knows what it must close.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from streamer.clock import Clock
from streamer.errors import SinkUnavailable
from streamer.sinks.fencing import EpochOf
from streamer.sinks.outbox_file import OwnedFile, connect, trouble
from streamer.sinks.outbox_salvage import set_aside_if_corrupt
from streamer.types import AlertChange, Handling
from streamer.wire import HANDLING_TYPES, decode_alert, decode_message, encode_message

_log = logging.getLogger("streamer.outbox")

_PRUNE_AT_ONCE = 2000
_COLUMNS = "row, id, seq, type, camera, kind, severity, stored_at, body, epoch"
_NOT_REJECTED = "row NOT IN (SELECT row FROM rejected WHERE receiver = ?)"


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One row: an encoded alert change on its way, and what receivers need without parsing it; epoch seconds."""

    row: int
    id: str
    seq: int
    type: str
    camera: str
    kind: str
    severity: str
    stored_at: float
    body: str
    epoch: int = 0

    @property
    def name(self) -> str:
        """The id and seq as one text: what must reach a receiver once."""
        return f"{self.id}:{self.seq}"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much is kept, so that the file stays bounded.

    keep_s, keep_rows       rows that every receiver has taken, for brokers that forget; undelivered rows stay
    remember_alerts         closed alerts whose last seq is remembered, so that a recording run again stays silent
    keep_rejected           rows that a receiver will never take
    max_bytes               of the whole file; beyond it append() raises SinkUnavailable rather than lose old alerts
    """

    keep_s: float = 24 * 3600.0
    keep_rows: int = 20_000
    remember_alerts: int = 200_000
    keep_rejected: int = 10_000
    max_bytes: int = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Rewound:
    """What came of going back: rows that are pending again, and rows that were delivered and are no longer kept."""

    again: int
    no_longer_kept: int


class Outbox:
    """Alert changes on disk, in order. Every method may be called from any thread and raises SinkUnavailable.

    One process owns the file; a second one is refused. A file that is corrupt when opened is moved aside, what can
    still be read of it is taken over, and a new one begun: refusing would stop the watching, which loses more.
    epoch_of, referee: of a node of a cluster, see above.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        retention: Retention | None = None,
        *,
        epoch_of: EpochOf | None = None,
        referee: str | None = None,
    ) -> None:
        self.path = Path(path)
        self._epoch_of, self._referee = epoch_of, referee
        self._clock, self._retention = clock, retention or Retention()
        # One lock around both connections: SQLite's own would poll, and nobody holds this one longer than a commit.
        self._lock = threading.Lock()
        self._closed = False
        self._owned = OwnedFile(self.path)
        try:
            self._salvaged = set_aside_if_corrupt(self.path, clock.now()) is not None
            self._durable = connect(self.path, synchronous="FULL", max_bytes=self._retention.max_bytes)
            self._quick = connect(self.path, synchronous="NORMAL", max_bytes=self._retention.max_bytes)
            self.uuid = self._own_uuid()
        except sqlite3.Error as error:
            self._owned.release()
            raise trouble(error, self.path) from error
        except BaseException:
            self._owned.release()
            raise
        self.repeated = 0  # changes that were already here

    def append(self, changes: Sequence[AlertChange | Handling]) -> int:
        """Commit changes, all or none; durable on return. Returns how many were new."""
        stored_at = self._clock.now()
        rows = [(change, encode_message(change), self._epoch(change)) for change in changes]
        new = 0
        with self._writing(self._durable) as db:
            for change, body, epoch in rows:
                new += _append_one(db, change, body, stored_at, epoch)
        self.repeated += len(rows) - new
        return new

    def open_alerts(self) -> list[AlertChange]:
        """The latest change of every alert that is not closed, oldest first: what a new start must close."""
        with self._reading() as db:
            rows = db.execute("SELECT open_body FROM alerts WHERE open_body IS NOT NULL ORDER BY touched").fetchall()
        return [change for (body,) in rows if (change := self._read(body)) is not None]

    # --- per receiver -------------------------------------------------------------------------------------------------

    def register(self, receiver: str) -> None:
        """Make a receiver known: rows that come from now on wait for it, one known before goes on where it was.

        In a file that was saved from a corrupt one, "known before" may have been lost: then it begins at the start.
        """
        begin = "0" if self._salvaged else "(SELECT coalesce(max(row), 0) FROM changes)"
        with self._writing(self._quick) as db:
            db.execute(
                f"INSERT OR IGNORE INTO receivers (name, line, upto) VALUES (?, ?, {begin})",
                (receiver, uuid4().hex),
            )

    def unregister_others(self, receivers: Sequence[str]) -> None:
        """Forget receivers that are no longer configured, so that nothing waits for them for ever."""
        with self._writing(self._quick) as db:
            marks = ",".join("?" * len(receivers))
            db.execute(f"DELETE FROM receivers WHERE name NOT IN ({marks})", tuple(receivers))

    def line(self, receiver: str) -> str:
        """The name under which this receiver remembers how far this outbox has told it."""
        with self._reading() as db:
            [line] = db.execute("SELECT line FROM receivers WHERE name = ?", (receiver,)).fetchone()
        return str(line)

    def new_line(self, receiver: str) -> str:
        """Begin a new line: what the receiver remembers of the old one is not about the rows in this file."""
        line = uuid4().hex
        with self._writing(self._quick) as db:
            db.execute("UPDATE receivers SET line = ? WHERE name = ?", (line, receiver))
        return line

    def mark(self, receiver: str) -> int:
        """The last row that the receiver is known to have taken; 0 where none."""
        with self._reading() as db:
            return _mark(db, receiver)

    def pending(self, receiver: str, limit: int) -> list[StoredChange]:
        """The next rows for a receiver, in order."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM changes WHERE row > ? AND row <= ? AND {_NOT_REJECTED} ORDER BY row LIMIT ?",
                (_mark(db, receiver), self._told_upto(db, receiver), receiver, limit),
            ).fetchall()
        return [StoredChange(*row) for row in rows]

    def delivered(self, receiver: str, upto_row: int) -> None:
        """The receiver has taken every row up to this one."""
        with self._writing(self._quick) as db:
            db.execute("UPDATE receivers SET upto = max(upto, ?) WHERE name = ?", (upto_row, receiver))

    def rewind(self, receiver: str, to_row: int) -> Rewound:
        """The receiver has forgotten everything after this row: what is still kept of it is pending again."""
        with self._writing(self._quick) as db:
            upto = _mark(db, receiver)
            again = _count(db, receiver, to_row, upto)
            [kept] = db.execute("SELECT count(*) FROM changes WHERE row > ? AND row <= ?", (to_row, upto)).fetchone()
            if again:
                db.execute("UPDATE receivers SET upto = ? WHERE name = ?", (to_row, receiver))
        return Rewound(again, max(0, upto - to_row - kept))

    def holds(self, row: int, name: str) -> bool | None:
        """Whether this row is this `id:seq`; None where the row was delivered and is no longer kept."""
        with self._reading() as db:
            found = db.execute("SELECT id || ':' || seq FROM changes WHERE row = ?", (row,)).fetchone()
            if found:
                return bool(found[0] == name)
            last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
        return False if last is None or row > last[0] else None

    def set_aside(self, receiver: str, change: StoredChange, why: str) -> None:
        """The receiver will never take this row: keep it apart, with the reason, and go on behind it."""
        with self._writing(self._quick) as db:
            db.execute(
                "INSERT INTO rejected (receiver, row, id, seq, why, at, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (receiver, change.row, change.id, change.seq, why, self._clock.now(), change.body),
            )
            db.execute("UPDATE receivers SET upto = max(upto, ?) WHERE name = ?", (change.row, receiver))

    def fenced(self, rows: Sequence[int], why: str) -> list[StoredChange]:
        """The referee told nobody of these: they are kept with what it rejected, and no receiver gets them; which.

        Should the camera come back to this node, its alerts go on from what was told: their seqs are free again.
        """
        gone: list[StoredChange] = []
        with self._writing(self._quick) as db:
            for row in rows:
                found = db.execute(f"SELECT {_COLUMNS} FROM changes WHERE row = ?", (row,)).fetchone()
                if found:  # else: it was said before
                    gone.append(StoredChange(*found))
                    _set_apart(db, self._referee or "", gone[-1], why, self._clock.now())
        return gone

    def fence_older(self, camera: str, epoch: int, why: str) -> int:
        """This node has the camera again, under a new epoch: what waits from older ones is nobody's word any more."""
        with self._reading() as db:
            upto = _mark(db, self._referee) if self._referee else 0
            rows = db.execute(
                "SELECT row FROM changes WHERE row > ? AND camera = ? AND epoch <> 0 AND epoch < ?",
                (upto, camera, epoch),
            ).fetchall()
        return len(self.fenced([row for (row,) in rows], why))

    def let_go_of(self, camera: str) -> None:
        """The camera moves away: its open alerts are for its next owner to go on with or to close."""
        with self._writing(self._quick) as db:
            for id_, body in db.execute("SELECT id, open_body FROM alerts WHERE open_body IS NOT NULL").fetchall():
                if (change := self._read(body)) is None or change.camera == camera:
                    db.execute("UPDATE alerts SET open_body = NULL WHERE id = ?", (id_,))

    def waiting_of(self, camera: str) -> list[AlertChange]:
        """Alert changes of a camera that the referee has not taken yet, in order; none may, when it is handed over."""
        with self._reading() as db:
            rows = db.execute(
                f"SELECT body, type FROM changes WHERE row > ? AND camera = ? AND {_NOT_REJECTED} ORDER BY row",
                (_mark(db, self._referee) if self._referee else 0, camera, self._referee or ""),
            ).fetchall()
        bodies = [body for body, type_ in rows if type_ not in HANDLING_TYPES]
        return [change for body in bodies if (change := self._read(body)) is not None]

    def _read(self, body: object) -> AlertChange | None:
        """A message of this file; None where a bad sector or a bad hand changed it: SQLite checks pages, not texts."""
        try:
            return decode_alert(str(body))
        except ValueError as error:
            _log.error("outbox %s holds a message that cannot be read and is passed over: %s", self.path, error)
            return None

    def rejected(self, receiver: str) -> list[tuple[StoredChange, str]]:
        """What the receiver would not take, oldest first, and why."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT row, id, seq, body, at, why FROM rejected WHERE receiver = ? ORDER BY number", (receiver,)
            ).fetchall()
        return [(_from_body(row, id_, seq, body, at), why) for row, id_, seq, body, at, why in rows]

    def depth(self, receiver: str) -> int:
        """How many rows wait for the receiver."""
        with self._reading() as db:
            return _count(db, receiver, _mark(db, receiver), 2**62)

    def oldest_pending_at(self, receiver: str) -> float | None:
        """Since when (epoch seconds) the oldest waiting row waits; None where none waits."""
        with self._reading() as db:
            found = db.execute(
                f"SELECT stored_at FROM changes WHERE row > ? AND {_NOT_REJECTED} ORDER BY row LIMIT 1",
                (_mark(db, receiver), receiver),
            ).fetchone()
        return None if found is None else float(found[0])

    # --- housekeeping -------------------------------------------------------------------------------------------------

    def prune(self) -> int:
        """Remove some of what was kept long enough; returns how many rows went. Short, to be called now and then."""
        r, now = self._retention, self._clock.now()
        with self._writing(self._quick) as db:
            [last] = db.execute("SELECT coalesce(max(row), 0) FROM changes").fetchone()
            [taken] = db.execute("SELECT coalesce(min(upto), ?) FROM receivers", (last,)).fetchone()
            gone = db.execute(
                "DELETE FROM changes WHERE row IN (SELECT row FROM changes WHERE row <= ?"
                " AND (stored_at < ? OR row <= ?) ORDER BY row LIMIT ?)",
                (taken, now - r.keep_s, last - r.keep_rows, _PRUNE_AT_ONCE),
            ).rowcount
            db.execute(
                "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE open_body IS NULL ORDER BY touched"
                " LIMIT max(0, (SELECT count(*) FROM alerts WHERE open_body IS NULL) - ?))",
                (r.remember_alerts,),
            )
            db.execute(
                "DELETE FROM rejected WHERE number <= (SELECT coalesce(max(number), 0) FROM rejected) - ?",
                (r.keep_rejected,),
            )
        if gone:
            with self._lock, self._guarded():
                self._quick.execute("PRAGMA incremental_vacuum(1000)").fetchall()
        return int(gone)

    def close(self) -> None:
        """Release the file; calls after it raise SinkUnavailable."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for db in (self._quick, self._durable):
                db.close()
            self._owned.release()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _epoch(self, change: AlertChange | Handling) -> int:
        """A person's act speaks for the person, whoever has the camera."""
        return self._epoch_of(change.camera) if self._epoch_of and isinstance(change, AlertChange) else 0

    def _told_upto(self, db: sqlite3.Connection, receiver: str) -> int:
        """How far this receiver may be told: as far as the referee has, where there is one."""
        return 2**62 if self._referee is None or receiver == self._referee else _mark(db, self._referee)

    def _own_uuid(self) -> str:
        with self._writing(self._durable) as db:
            db.execute("INSERT OR IGNORE INTO facts (name, value) VALUES ('uuid', ?)", (uuid4().hex,))
            [uuid] = db.execute("SELECT value FROM facts WHERE name = 'uuid'").fetchone()
        return str(uuid)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._closed:
            raise SinkUnavailable(f"outbox {os.fspath(self.path)} is closed")
        try:
            yield
        except sqlite3.Error as error:
            raise trouble(error, self.path) from error

    @contextmanager
    def _writing(self, db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        with self._lock, self._guarded():
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._guarded():
            yield self._quick


def _append_one(db: sqlite3.Connection, change: AlertChange | Handling, body: str, stored_at: float, epoch: int) -> int:
    known = db.execute("SELECT last_seq FROM alerts WHERE id = ?", (change.id,)).fetchone()
    if known is not None and change.seq <= known[0]:
        return 0
    # OR IGNORE: the memory of this alert may have been pruned while the row itself still waits
    added = db.execute(
        "INSERT OR IGNORE INTO changes (id, seq, type, camera, kind, severity, stored_at, body, epoch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (change.id, change.seq, change.type, change.camera, change.kind, change.severity, stored_at, body, epoch),
    )
    if added.rowcount == 0:
        return 0
    db.execute(
        "INSERT INTO alerts (id, last_seq, touched, open_body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET last_seq = excluded.last_seq, touched = excluded.touched,"
        " open_body = excluded.open_body",
        (change.id, change.seq, added.lastrowid, body if isinstance(change, AlertChange) and change.is_open else None),
    )
    return 1


def _set_apart(db: sqlite3.Connection, receiver: str, change: StoredChange, why: str, at: float) -> None:
    db.execute(
        "INSERT INTO rejected (receiver, row, id, seq, why, at, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (receiver, change.row, change.id, change.seq, why, at, change.body),
    )
    db.execute("DELETE FROM changes WHERE row = ?", (change.row,))
    db.execute(
        "UPDATE alerts SET last_seq = min(last_seq, ?), open_body = NULL WHERE id = ?", (change.seq - 1, change.id)
    )


def _mark(db: sqlite3.Connection, receiver: str) -> int:
    found = db.execute("SELECT upto FROM receivers WHERE name = ?", (receiver,)).fetchone()
    if found is None:
        raise KeyError(f"no receiver {receiver!r} was registered with this outbox")
    return int(found[0])


def _count(db: sqlite3.Connection, receiver: str, after: int, upto: int) -> int:
    [count] = db.execute(
        f"SELECT count(*) FROM changes WHERE row > ? AND row <= ? AND {_NOT_REJECTED}", (after, upto, receiver)
    ).fetchone()
    return int(count)


def _from_body(row: int, id_: str, seq: int, body: str, at: float) -> StoredChange:
    change = decode_message(body)
    return StoredChange(row, id_, seq, change.type, change.camera, change.kind, change.severity, at, body)
