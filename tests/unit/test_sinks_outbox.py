"""The outbox keeps every change once, in order, whoever fails."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.errors import SinkUnavailable
from streamer.sinks.outbox import Outbox, Retention
from tests.alert_lives import CLIP, change


class StillClock:
    """Time that stands until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def outbox(tmp_path: Path, clock: StillClock) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db", clock)
    box.register("redis")
    yield box
    box.close()


def names(box: Outbox, receiver: str = "redis", limit: int = 100) -> list[str]:
    return [row.name for row in box.pending(receiver, limit)]


def test_changes_wait_in_the_order_in_which_they_came(outbox: Outbox) -> None:
    outbox.append([change("a", 1), change("b", 1)])
    outbox.append([change("a", 2, "updated")])
    assert names(outbox) == ["a:1", "b:1", "a:2"]
    assert names(outbox, limit=2) == ["a:1", "b:1"]
    assert outbox.depth("redis") == 3


def test_receivers_fail_independently(outbox: Outbox) -> None:
    outbox.register("webhook:ops")
    outbox.append([change("a", 1), change("b", 1)])
    outbox.delivered("redis", 2)
    assert (outbox.depth("redis"), outbox.depth("webhook:ops")) == (0, 2)
    assert names(outbox, "webhook:ops") == ["a:1", "b:1"]


def test_a_mark_never_goes_back_by_a_late_confirmation(outbox: Outbox) -> None:
    outbox.append([change("a", n) for n in range(1, 5)])
    outbox.delivered("redis", 4)
    outbox.delivered("redis", 2)
    assert outbox.mark("redis") == 4


def test_the_same_recording_run_again_appends_nothing(outbox: Outbox, tmp_path: Path, clock: StillClock) -> None:
    first = [change("a", 1), change("a", 2, "closed")]
    assert outbox.append(first) == 2
    assert outbox.append(first) == 0
    outbox.close()
    again = Outbox(tmp_path / "outbox.db", clock)
    assert again.append([*first, change("b", 1)]) == 1
    assert names(again) == ["a:1", "a:2", "b:1"]
    assert again.repeated == 2
    again.close()


def test_a_repetition_is_known_even_when_its_row_is_long_pruned(outbox: Outbox, clock: StillClock) -> None:
    outbox.append([change("a", 1), change("a", 2, "closed")])
    outbox.delivered("redis", 2)
    clock.at += 48 * 3600
    assert outbox.prune() == 2
    assert outbox.append([change("a", 1), change("a", 2, "closed")]) == 0


def test_evidence_after_the_end_opens_nothing_and_goes_in_once(outbox: Outbox) -> None:
    closed = change("a", 2, "closed")
    evidence = replace(closed, seq=3, type="evidence", clip=CLIP)
    outbox.append([change("a", 1), closed])
    assert outbox.append([evidence]) == 1
    assert outbox.append([evidence]) == 0
    assert outbox.open_alerts() == []
    assert names(outbox) == ["a:1", "a:2", "a:3"]


def test_what_is_open_is_what_was_opened_and_not_closed(outbox: Outbox, tmp_path: Path, clock: StillClock) -> None:
    outbox.append([change("a", 1), change("b", 1), change("c", 1)])
    outbox.append([change("a", 2, "updated"), change("b", 2, "closed")])
    outbox.close()
    again = Outbox(tmp_path / "outbox.db", clock)
    assert [(c.id, c.seq, c.type) for c in again.open_alerts()] == [("c", 1, "opened"), ("a", 2, "updated")]
    again.close()


def test_a_batch_that_cannot_be_stored_leaves_nothing_behind(tmp_path: Path, clock: StillClock) -> None:
    box = Outbox(tmp_path / "small.db", clock, Retention(max_bytes=200_000))
    box.register("redis")
    box.append([change("first", 1)])
    with pytest.raises(SinkUnavailable, match="is full"):
        box.append([change(f"a{n}", 1) for n in range(1000)])
    assert names(box) == ["first:1"]
    box.append([change("second", 1)])  # one still finds room
    assert names(box) == ["first:1", "second:1"]
    box.close()


def test_delivered_rows_go_by_age_and_by_number_but_waiting_ones_stay(tmp_path: Path, clock: StillClock) -> None:
    box = Outbox(tmp_path / "outbox.db", clock, Retention(keep_s=100, keep_rows=3))
    box.register("redis")
    box.append([change("a", n) for n in range(1, 11)])
    assert box.prune() == 0  # nothing was delivered
    box.delivered("redis", 8)
    assert box.prune() == 7  # all but the last three rows, of which two wait
    clock.at += 101
    assert box.prune() == 1
    assert names(box) == ["a:9", "a:10"]
    box.close()


def test_a_receiver_that_is_no_longer_configured_holds_nothing_back(outbox: Outbox, clock: StillClock) -> None:
    outbox.register("webhook:gone")
    outbox.append([change("a", 1)])
    outbox.delivered("redis", 1)
    clock.at += 48 * 3600
    assert outbox.prune() == 0
    outbox.unregister_others(["redis"])
    assert outbox.prune() == 1


def test_a_new_receiver_begins_with_what_comes_from_now_on(outbox: Outbox) -> None:
    outbox.append([change("old", 1)])
    outbox.register("webhook:new")
    outbox.append([change("young", 1)])
    assert names(outbox, "webhook:new") == ["young:1"]


def test_a_rewind_brings_back_what_is_still_kept_and_says_what_is_not(outbox: Outbox, clock: StillClock) -> None:
    outbox.append([change("a", n) for n in range(1, 4)])
    outbox.delivered("redis", 3)
    clock.at += 48 * 3600
    outbox.prune()
    outbox.append([change("b", n) for n in range(1, 4)])
    outbox.delivered("redis", 6)
    rewound = outbox.rewind("redis", 1)
    assert (rewound.again, rewound.no_longer_kept) == (3, 2)
    assert names(outbox) == ["b:1", "b:2", "b:3"]


def test_a_rejected_change_is_kept_apart_and_never_comes_again(outbox: Outbox) -> None:
    outbox.append([change("a", 1), change("b", 1)])
    [first, _] = outbox.pending("redis", 2)
    outbox.set_aside("redis", first, "too long")
    assert names(outbox) == ["b:1"]
    outbox.rewind("redis", 0)
    assert names(outbox) == ["b:1"]
    assert [(row.name, why) for row, why in outbox.rejected("redis")] == [("a:1", "too long")]


def test_rows_are_recognised_so_that_a_restored_backup_is_noticed(outbox: Outbox) -> None:
    outbox.append([change("a", 1)])
    assert outbox.holds(1, "a:1") is True
    assert outbox.holds(1, "z:9") is False
    assert outbox.holds(2, "a:2") is False


def test_ages_of_what_waits_are_told(outbox: Outbox, clock: StillClock) -> None:
    assert outbox.oldest_pending_at("redis") is None
    outbox.append([change("a", 1)])
    clock.at += 60
    outbox.append([change("a", 2, "updated")])
    assert outbox.oldest_pending_at("redis") == clock.at - 60


def test_a_second_process_is_refused_and_told_who_is_there(outbox: Outbox, tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailable, match=f"in use by another streamer process \\(pid {os.getpid()}\\)"):
        Outbox(tmp_path / "outbox.db", StillClock())


def test_what_returned_is_there_after_kill_9(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from streamer.clock import SystemClock
        from streamer.sinks.outbox import Outbox
        from tests.alert_lives import change
        box = Outbox(Path(sys.argv[1]), SystemClock())
        box.append([change("a", 1), change("b", 1)])
        box.register("redis")
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    path = tmp_path / "outbox.db"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", program, str(path)], cwd=root, check=False).returncode == -9
    box = Outbox(path, StillClock())
    assert [c.id for c in box.open_alerts()] == ["a", "b"]
    box.close()


def test_every_commit_is_synced_to_disk(outbox: Outbox) -> None:
    [(level,)] = outbox._durable.execute("PRAGMA synchronous").fetchall()
    [(mode,)] = outbox._durable.execute("PRAGMA journal_mode").fetchall()
    assert (level, mode) == (2, "wal")  # FULL


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkUnavailable, match="cannot be opened"):
        Outbox(tmp_path / "file" / "outbox.db", StillClock())


def test_a_closed_outbox_says_so(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", StillClock())
    box.close()
    box.close()
    with pytest.raises(SinkUnavailable, match="is closed"):
        box.append([change()])


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(SinkUnavailable, match="written by a newer streamer"):
        Outbox(path, StillClock())
    Outbox(tmp_path / "other.db", StillClock()).close()  # and its lock does not linger on others


@pytest.mark.parametrize("garbage", [b"not a database at all" * 400, b"SQLite format 3\x00" + b"\xff" * 9000])
def test_a_file_that_is_none_is_moved_aside_and_a_new_one_begun(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(garbage)
    box = Outbox(path, StillClock())
    box.register("redis")
    box.append([change("a", 1)])
    assert names(box) == ["a:1"]
    box.close()
    [aside] = tmp_path.glob("outbox.corrupt-*.db")
    assert aside.read_bytes() == garbage


def test_what_can_be_read_of_a_corrupt_file_is_saved(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", StillClock()
    box = Outbox(path, clock)
    box.register("redis")
    line = box.line("redis")
    for n in range(400):
        box.append([change(f"a{n}", 1)])
    box.delivered("redis", 10)
    box.close()
    size = path.stat().st_size
    with path.open("r+b") as file:  # a bad sector in the middle of the rows
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\x5a" * 4096)
    saved = Outbox(path, clock)
    saved.register("redis")
    rows = saved.pending("redis", 1000)
    assert list(tmp_path.glob("outbox.corrupt-*.db"))
    assert len(rows) > 300
    assert [row.row for row in rows] == sorted(row.row for row in rows)
    assert saved.line("redis") != line  # lost rows' numbers will be used again: the receiver must not mistake them
    saved.append([change("new", 1)])
    assert saved.pending("redis", 1000)[-1].name == "new:1"
    saved.close()
