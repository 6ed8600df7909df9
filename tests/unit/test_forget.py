"""`streamer forget` takes what shows a camera at a time, and nothing else; `streamer audit` tells who did it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from streamer.audit.reading import Asked, newest_first
from streamer.audit.trail import FOLDER, day_files
from streamer.cli import main
from tests.clips import write_clip

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def picture(folder: Path, camera: str, number: int, at: float) -> Path:
    path = folder / "snapshots" / "2026-03-01" / f"{camera}-{number:020x}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a picture")
    os.utime(path, (at, at))
    return path


def clip(folder: Path, camera: str, number: int, at: float) -> Path:
    """Two seconds."""
    path = folder / "clips" / "2026-03-01" / f"{camera}-{number:020x}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = write_clip(folder / "plain.mp4", frames=20, fps=10)
    with av.open(str(plain)) as source, av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as target:
        target.metadata.update({"creation_time": datetime.fromtimestamp(at, UTC).isoformat(), "camera": camera})
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    plain.unlink()
    return path


def segment(folder: Path, camera: str, at: float) -> Path:
    moment = datetime.fromtimestamp(at, UTC)
    path = folder / "recordings" / camera / "2026-03-01" / f"{moment:%H-%M-%S}.000Z.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a segment")
    os.utime(path, (at + 50, at + 50))
    return path


@pytest.fixture
def kept(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """What shows gate between 12:00 and 12:10, and everything else."""
    inside = [
        picture(tmp_path, "gate", 1, NOON + 60),
        clip(tmp_path, "gate", 2, NOON - 1),
        clip(tmp_path, "gate", 3, NOON + 599),
        segment(tmp_path, "gate", NOON - 30),  # goes on into it
        segment(tmp_path, "gate", NOON + 300),
    ]
    outside = [
        picture(tmp_path, "gate", 4, NOON - 600),
        picture(tmp_path, "gate-2", 5, NOON + 60),
        clip(tmp_path, "gate", 6, NOON + 700),
        clip(tmp_path, "gate-2", 7, NOON + 60),
        segment(tmp_path, "gate", NOON - 90),
        segment(tmp_path, "gate", NOON + 660),
        segment(tmp_path, "yard", NOON + 60),
    ]
    return inside, outside


def forget(folder: Path, *more: str) -> int:
    times = ("--from", "2026-03-01T12:00:00Z", "--to", "2026-03-01T12:10:00Z")
    return main(["forget", str(folder), "--camera", "gate", *times, *more])


def test_it_removes_what_shows_the_camera_at_that_time_and_nothing_else(
    tmp_path: Path, kept: tuple[list[Path], list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    inside, outside = kept
    assert forget(tmp_path) == 0
    shown = capsys.readouterr()
    assert all(path.exists() for path in (*inside, *outside))
    assert sorted(shown.out.splitlines()) == sorted(map(str, inside))
    assert "nothing was removed: add --yes" in shown.err
    assert forget(tmp_path, "--yes") == 0
    assert "removed 1 pictures, 2 clips, 2 recordings" in capsys.readouterr().out
    assert not any(path.exists() for path in inside)
    assert all(path.exists() for path in outside)
    [entry] = newest_first(tmp_path, Asked(camera="gate"))
    assert (entry["did"], entry["role"]) == ("removed", "shell")
    assert "1 pictures, 2 clips, 2 recordings" in entry["what"]
    assert forget(tmp_path, "--yes") == 0
    assert "holds nothing of camera 'gate'" in capsys.readouterr().out


def test_a_clip_that_cannot_say_when_it_is_of_goes_too(tmp_path: Path) -> None:
    path = tmp_path / "clips" / "2026-03-01" / f"gate-{1:020x}.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut off by a crash")
    os.utime(path, (NOON + 900, NOON + 900))
    assert forget(tmp_path, "--yes") == 0
    assert not path.exists()


def test_times_that_cannot_be_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = ("--from", "2026-03-01T13:00:00Z", "--to", "2026-03-01T12:00:00Z")
    assert main(["forget", str(tmp_path), "--camera", "gate", *times]) == 2
    assert "is not after" in capsys.readouterr().err


def test_the_log_is_shown_and_verified_and_a_change_is_exit_1(
    tmp_path: Path, kept: tuple[list[Path], list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    forget(tmp_path, "--yes")
    capsys.readouterr()
    assert main(["audit", "show", str(tmp_path), "--camera", "gate", "--since", "1h"]) == 0
    assert "(shell, local)  removed 1 pictures" in capsys.readouterr().out
    assert main(["audit", "show", str(tmp_path), "--who", "nobody at all"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["audit", "verify", str(tmp_path)]) == 0
    head = capsys.readouterr().out.split()[-1]
    assert main(["audit", "verify", str(tmp_path), "--head", head]) == 0
    assert main(["audit", "verify", str(tmp_path), "--head", "rubbish"]) == 2
    [file] = day_files(tmp_path / FOLDER)
    file.write_text(file.read_text().replace("shell", "admin"))
    assert main(["audit", "verify", str(tmp_path)]) == 1
    assert "was changed" in capsys.readouterr().err
