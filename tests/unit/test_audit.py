"""An audit log from which nothing can be taken, and in which nothing can be changed, unnoticed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.audit.entry import Act, Head
from streamer.audit.reading import Asked, newest_first, verify
from streamer.audit.trail import FOLDER, AuditTrail, day_files
from tests.conftest import ROOT
from tests.fakes import FakeClock

DAY_S = 86_400.0


def act(number: int = 1, who: str = "anna", camera: str = "gate") -> Act:
    return Act(who, "operator", "10.0.0.3", "acknowledged", f"alert {number}", (camera,))


def filled(folder: Path, entries: int = 5) -> AuditTrail:
    trail = AuditTrail(folder, FakeClock())
    assert all(trail.record(act(number)) for number in range(entries))
    return trail


def lines(folder: Path) -> list[str]:
    return [line for file in day_files(folder / FOLDER) for line in file.read_text().splitlines()]


def test_what_was_written_is_read_newest_first_and_the_chain_is_whole(tmp_path: Path) -> None:
    filled(tmp_path)
    assert [body["what"] for body in newest_first(tmp_path, Asked())] == [f"alert {n}" for n in (4, 3, 2, 1, 0)]
    verdict = verify(tmp_path)
    assert (verdict.entries, verdict.head.n, verdict.problems, verdict.notes) == (5, 5, (), ())
    assert os.stat(day_files(tmp_path / FOLDER)[0]).st_mode & 0o077 == 0


def test_entries_are_found_by_who_when_and_camera(tmp_path: Path) -> None:
    clock = FakeClock()
    trail = AuditTrail(tmp_path, clock)
    begun = clock.now()
    for number, (who, camera) in enumerate([("anna", "gate"), ("ben", "gate"), ("anna", "yard")]):
        trail.record(act(number, who, camera))
        clock.tick(60)
    found = [
        [body["what"] for body in newest_first(tmp_path, asked)]
        for asked in (
            Asked(who="anna"),
            Asked(camera="gate"),
            Asked(since=begun + 30),
            Asked(until=begun + 30),
            Asked(before=2),
        )
    ]
    assert found == [["alert 2", "alert 0"], ["alert 1", "alert 0"], ["alert 2", "alert 1"], ["alert 0"], ["alert 0"]]


@settings(max_examples=60, deadline=None)
@given(chosen=st.integers(0, 7), how=st.sampled_from(["change", "remove", "swap", "double", "remove the end"]))
def test_whatever_is_done_to_a_line_is_found(tmp_path_factory, chosen: int, how: str) -> None:
    folder = tmp_path_factory.mktemp("log")
    filled(folder, 8)
    [file] = day_files(folder / FOLDER)
    stored = file.read_text().splitlines()
    match how:
        case "change":
            stored[chosen] = stored[chosen].replace("anna", "berta")
        case "remove":
            del stored[chosen]
        case "swap":
            other = (chosen + 1) % 8
            stored[chosen], stored[other] = stored[other], stored[chosen]
        case "double":
            stored.insert(chosen, stored[chosen])
        case "remove the end":
            del stored[chosen:]
    file.write_text("\n".join(stored) + "\n")
    assert verify(folder).problems


def test_a_log_that_was_made_anew_is_found_by_a_head_that_was_kept_elsewhere(tmp_path: Path) -> None:
    filled(tmp_path / "real", 5)
    kept = verify(tmp_path / "real").head
    forged = AuditTrail(tmp_path / "forged", FakeClock())
    for number in range(9):
        forged.record(act(number, who="nobody"))
    assert not verify(tmp_path / "forged").problems
    assert "made anew" in verify(tmp_path / "forged", kept).problems[0]
    assert not verify(tmp_path / "real", kept).problems
    assert verify(tmp_path / "real", Head(4, "f" * 64)).problems


def test_old_days_go_and_the_log_says_so(tmp_path: Path) -> None:
    clock = FakeClock()
    trail = AuditTrail(tmp_path, clock, keep_days=3)
    for number in range(10):
        trail.record(act(number))
        clock.tick(DAY_S)
    assert len(day_files(tmp_path / FOLDER)) <= 5
    assert not verify(tmp_path).problems
    day_files(tmp_path / FOLDER)[0].unlink()  # another one goes, and nothing says so
    assert "no entry says" in verify(tmp_path).problems[0]


def test_a_line_that_was_half_written_is_left_and_the_chain_goes_on(tmp_path: Path) -> None:
    trail = filled(tmp_path, 2)
    [file] = day_files(tmp_path / FOLDER)
    with file.open("a") as opened:
        opened.write('{"n": 3, "who": "an')
    trail.record(act(9))
    verdict = verify(tmp_path)
    assert (verdict.entries, verdict.problems) == (3, ())
    assert "is no entry" in verdict.notes[0]


def test_a_clock_that_is_set_back_breaks_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    trail = AuditTrail(tmp_path, clock)
    for step in (0, 2 * DAY_S, -2 * DAY_S, 0):
        clock.tick(step)
        trail.record(act())
    assert not verify(tmp_path).problems
    assert verify(tmp_path).entries == 4


def test_several_processes_and_threads_write_one_chain(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from streamer.audit.trail import AuditTrail\n"
        "from streamer.audit.entry import Act; from streamer.clock import SystemClock\n"
        "trail = AuditTrail(Path(sys.argv[1]), SystemClock())\n"
        "for n in range(20): trail.record(Act('shell', 'shell', 'local', 'cut', str(n)))"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT) for _ in range(2)]
    from streamer.clock import SystemClock

    trail = AuditTrail(tmp_path, SystemClock())
    threads = [threading.Thread(target=lambda: [trail.record(act(n)) for n in range(20)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [other.wait(60) for other in others] == [0, 0]
    verdict = verify(tmp_path)
    assert (verdict.entries, verdict.problems, verdict.notes) == (80, (), ())


def test_a_full_disk_costs_the_entry_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trail = filled(tmp_path, 2)
    [file] = day_files(tmp_path / FOLDER)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 20, limit[1]))
    try:
        assert not trail.record(act())
        assert not trail.record(act())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert len([each for each in caplog.records if "cannot be written" in each.message]) == 1
    assert {name: value for name, _, value in trail.rows()}["streamer_audit_failures_total"] == 2
    assert trail.record(act())
    assert not verify(tmp_path).problems
    assert verify(tmp_path).entries == 3


def test_long_texts_are_cut(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path, FakeClock())
    trail.record(Act("x" * 10_000, "viewer", "::1", "tried", "y\n" * 10_000))
    assert len(lines(tmp_path)) == 1
    assert len(lines(tmp_path)[0]) < 3000
