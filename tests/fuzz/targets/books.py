"""Files that the service finds at its start after a crash, a full disk or a bad sector: outbox, history, audit log."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

from streamer.audit.entry import Act
from streamer.audit.reading import Asked, newest_first, verify
from streamer.audit.trail import FOLDER, AuditTrail
from streamer.config.history import History
from streamer.errors import SinkUnavailable
from streamer.sinks.outbox import Outbox
from tests.alert_lives import change, next_change
from tests.fakes import FakeClock
from tests.fuzz.mutations import mutated_bytes
from tests.fuzz.target import Wrong


class DamagedOutbox:
    """Outbox over a damaged file: SinkUnavailable, or an outbox that takes changes and gives them out again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sound = folder, folder / "sound.db"
        outbox = Outbox(self._sound, FakeClock())
        outbox.register("redis")
        for n in range(40):
            opened = change(f"a{n}")
            outbox.append([opened, next_change(opened, "closed")] if n % 3 else [opened])
        outbox.delivered("redis", 20)
        outbox.close()
        with sqlite3.connect(self._sound) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._content = self._sound.read_bytes()

    def try_one(self, rng: random.Random) -> bool:
        """Open it, append, read everything, close."""
        room = self._folder / "tried"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir()
        path = room / "outbox.db"
        path.write_bytes(mutated_bytes(rng, self._content, rng.choice((1, 3, 40))))
        if rng.random() < 0.3:
            (room / "outbox.db-wal").write_bytes(rng.randbytes(rng.randint(0, 5000)))
        try:
            outbox = Outbox(path, FakeClock())
        except SinkUnavailable:
            return False
        try:
            outbox.register("redis")
            outbox.append([change("fresh")])
            outbox.open_alerts()
            told = [row.name for row in outbox.pending("redis", 1000)]
            if "fresh:1" not in told:
                raise Wrong("what was appended is not given out")
        except SinkUnavailable:
            return False
        finally:
            outbox.close()
        return True

    def close(self) -> None:
        """Nothing is open."""


class DamagedHistory:
    """The history of configurations: entries that cannot be trusted are left out, a LookupError says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "history"
        history = History(self._folder)
        for n in range(4):
            history.put(f"cameras: {{c{n}: {{url: rtsp://a/{n}}}}}\n", 1000.0 + n, "ada", "a change")
        self._sound = {file.name: file.read_bytes() for file in self._folder.iterdir()}

    def try_one(self, rng: random.Random) -> bool:
        """Some files damaged; list them, read them, put one more."""
        for file in self._folder.iterdir():
            file.unlink()
        for name, content in self._sound.items():
            damaged = rng.random() < 0.5
            (self._folder / name).write_bytes(mutated_bytes(rng, content, 4) if damaged else content)
        if rng.random() < 0.1:
            (self._folder / rng.choice(("²³.json", "9" * 30 + ".json", "7.json.json", "5.yaml"))).write_text("{}")
        history, lost = History(self._folder), False
        for number in [*(entry.number for entry in history.entries()), 1]:
            try:
                history.text(number)
            except LookupError:
                lost = True
        entry = history.put("cameras: {}\n", 2000.0, "ada", "one more")
        if history.text(entry.number) != "cameras: {}\n":
            raise Wrong("what was put is not what is read")
        return not lost

    def close(self) -> None:
        """Nothing is open."""


class DamagedAudit:
    """The audit log: reading leaves out what is no entry, verify() names it, writing goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        trail = AuditTrail(folder, FakeClock())
        for n in range(5):
            trail.record(Act("ada", "admin", "127.0.0.1", "looked", f"camera {n}", (f"c{n}",)))
        self._sound = {file.name: file.read_bytes() for file in (folder / FOLDER).iterdir() if file.is_file()}

    def try_one(self, rng: random.Random) -> bool:
        """Files damaged; read, verify, add one."""
        shutil.rmtree(self._folder / FOLDER)
        (self._folder / FOLDER).mkdir()
        for name, content in self._sound.items():
            (self._folder / FOLDER / name).write_bytes(mutated_bytes(rng, content, 4))
        asked = Asked(since=rng.choice((None, 1.0)), camera=rng.choice((None, "c1")), before=rng.choice((None, 4)))
        list(newest_first(self._folder, asked))
        verdict = verify(self._folder)
        AuditTrail(self._folder, FakeClock()).record(Act("eve", "viewer", "10.0.0.1", "tried", "things"))
        if not any(body.get("who") == "eve" for body in newest_first(self._folder, Asked())):
            raise Wrong("what was added is not read")
        return not verdict.problems

    def close(self) -> None:
        """Nothing is open."""
