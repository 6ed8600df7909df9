"""The JSON lines file holds every change once, whatever the end of the last run looked like."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from streamer.errors import SinkUnavailable
from streamer.sinks import json_lines
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.outbox import StoredChange
from streamer.sinks.receivers import Memory
from streamer.wire import decode_alert, encode_alert
from tests.alert_lives import change


def row(number: int, line_of: str = "a") -> StoredChange:
    one = change(line_of, number)
    return StoredChange(number, one.id, one.seq, one.type, one.camera, one.kind, one.severity, 0.0, encode_alert(one))


def rows(first: int, last: int) -> list[StoredChange]:
    return [row(n) for n in range(first, last + 1)]


def names(path: Path) -> list[str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [f"{line['id']}:{line['seq']}" for line in lines]


def test_a_line_is_a_replay_line_with_its_origin_behind(tmp_path: Path) -> None:
    sink = JsonLines(tmp_path / "alerts.jsonl")
    sink.deliver("L", 0, rows(1, 1))
    line = json.loads((tmp_path / "alerts.jsonl").read_text())
    assert list(line)[:3] == ["type", "schema", "id"]
    assert line["outbox"] == {"line": "L", "row": 1, "name": "a:1"}
    assert decode_alert(line) == decode_alert(encode_alert(change("a", 1)))


def test_the_file_remembers_how_far_it_came(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "alerts.jsonl"
    assert JsonLines(path).remembers("L") is None
    JsonLines(path).deliver("L", 0, rows(1, 3))
    assert JsonLines(path).remembers("L") == Memory(3, "a:3")
    assert JsonLines(path).remembers("another outbox") is None


def test_half_a_line_that_a_crash_left_is_cut_off_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    JsonLines(path).deliver("L", 0, rows(1, 3))
    whole = path.read_bytes()
    for cut in (1, 5, 200):
        path.write_bytes(whole[:-cut])
        sink = JsonLines(path)
        memory = sink.remembers("L")
        assert memory == Memory(2, "a:2")
        sink.deliver("L", memory.row, rows(3, 4))
        assert names(path) == ["a:1", "a:2", "a:3", "a:4"]


def test_a_full_disk_leaves_no_half_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.jsonl"
    sink = JsonLines(path)
    sink.deliver("L", 0, rows(1, 2))

    def fill_up(file: int, text: bytes) -> None:
        os.write(file, text[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(json_lines, "_write_all", fill_up)
        with pytest.raises(SinkUnavailable, match="No space left"):
            sink.deliver("L", 2, rows(3, 4))
    sink.deliver("L", 2, rows(3, 4))
    assert names(path) == ["a:1", "a:2", "a:3", "a:4"]


def test_files_are_rotated_by_size_and_the_memory_survives_it(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    sink = JsonLines(path, max_bytes=1500, old_files=2)
    for n in range(1, 10):
        sink.deliver("L", n - 1, rows(n, n))
    kept = sorted(p.name for p in tmp_path.iterdir())
    assert set(kept) <= {"alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2"}
    assert "alerts.jsonl.2" in kept
    assert JsonLines(path).remembers("L") == Memory(9, "a:9")


def test_a_file_that_was_moved_away_by_somebody_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    sink = JsonLines(path)
    sink.deliver("L", 0, rows(1, 1))
    path.rename(tmp_path / "moved")
    sink.deliver("L", 1, rows(2, 2))
    assert names(path) == ["a:2"]
    assert names(tmp_path / "moved") == ["a:1"]


def test_a_folder_in_the_way_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SinkUnavailable, match="cannot be written: Is a directory"):
        JsonLines(tmp_path).deliver("L", 0, rows(1, 1))
