"""Continuous recording: nothing is lost between segments, any time can be cut out of them, and gaps are said."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from streamer.cli import main
from streamer.commands.clip import moment
from streamer.errors import ConfigError, FootageError
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.cut import cut
from streamer.footage.keeper import FootageKeeper, Keep
from streamer.footage.recording import segment_path
from streamer.footage.segments import segments
from tests.clips import write_clip
from tests.footage import alert, boxes, pictures, same_pictures, show
from tests.unit.test_alerts_snapshots import SetClock
from tests.unit.test_footage_clips import STREAMS, FullDisk, Told, at_times

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


def record(folder: Path, *videos: tuple[Path, float], segment_s: float = 2.0, **more: object) -> CameraFootage:
    """Each video is a connection that begins at an epoch time; the writer looks in twice a second."""
    camera = CameraFootage("gate", folder, clips=None, segment_s=segment_s, **more)  # type: ignore[arg-type]
    for video, zero_at in videos:
        at = at_times(**{f"_{n // 2}_{n % 2 * 5}": camera.write for n in range(1, 100)})
        show(camera, video, zero_at=zero_at, at=at)
        camera.write()
    camera.finish()
    return camera


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("recordings/**/*.mp4"))


def test_segments_are_named_after_their_first_picture_and_cut_at_key_frames(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=200, gop=20, strict_gop=True, size_wh=(64, 48))
    record(tmp_path, (video, NOON + 0.25))
    assert files(tmp_path) == [
        f"recordings/gate/2026-03-01/12-00-{second}Z.mp4" for second in ("00.250", "02.650", "05.050", "07.450")
    ]
    assert segment_path("gate", NOON + 0.25) == files(tmp_path)[0]
    for name in files(tmp_path):
        assert len(pictures(tmp_path / name)) in (60, 20)


def test_a_day_ends_where_utc_says(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=100, gop=20, strict_gop=True, size_wh=(64, 48))
    midnight = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
    record(tmp_path, (video, midnight - 1.6))
    assert files(tmp_path) == [
        "recordings/gate/2026-03-01/23-59-58.400Z.mp4",
        "recordings/gate/2026-03-02/00-00-00.800Z.mp4",
    ]
    made = cut(tmp_path, "gate", midnight - 0.5, midnight + 1.5, tmp_path / "out.mp4")
    source = pictures(video)
    times_s = same_pictures(pictures(tmp_path / "out.mp4"), source, made.from_at - midnight + 1.6)
    assert np.allclose(np.diff(times_s), 0.04, atol=0.002)
    assert (times_s[0], times_s[-1]) == pytest.approx((0.8, 3.12), abs=0.05)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_cut_across_segments_shows_what_the_camera_showed_to_the_bit(tmp_path: Path, stream: str) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, **{"strict_gop": True, **STREAMS[stream]})
    record(tmp_path, (video, NOON))
    assert len(files(tmp_path)) == 5
    made = cut(tmp_path, "gate", NOON + 1.9, NOON + 8.1, tmp_path / "out.mp4")
    times_s = same_pictures(pictures(tmp_path / "out.mp4"), pictures(video), made.from_at - NOON)
    assert np.allclose(np.diff(times_s), 0.04, atol=0.002)
    assert times_s[0] == pytest.approx(1.6, abs=0.001)
    assert 8.1 - 0.041 <= times_s[-1] <= 8.1 + 0.17
    assert (made.missing, made.other_from) == ((), None)
    names = boxes(tmp_path / "out.mp4")
    assert names.index("moov") < names.index("mdat")


def test_the_service_changing_its_mind_about_the_time_makes_no_hole(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=200, gop=20, strict_gop=True, size_wh=(64, 48))
    camera = CameraFootage("gate", tmp_path, clips=None, segment_s=2.0)
    settling = {0.0: NOON, 2.0: NOON - 0.3, 4.0: NOON - 0.31, 6.0: NOON + 0.2}

    def at(stream_s: float) -> None:
        camera.timed(settling[max(since for since in settling if since <= stream_s)])
        camera.write()

    show(camera, video, zero_at=NOON, at=at)
    camera.finish()
    made = cut(tmp_path, "gate", NOON, NOON + 8.0, tmp_path / "out.mp4")
    times_s = same_pictures(pictures(tmp_path / "out.mp4"), pictures(video), made.from_at - NOON)
    assert len(times_s) == 200
    assert made.missing == ()


def test_what_was_not_recorded_is_said(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "first.mp4", frames=100, gop=20, strict_gop=True, size_wh=(64, 48))
    second = write_clip(
        tmp_path / "second.mp4", frames=100, gop=20, strict_gop=True, size_wh=(64, 48), first_number=500
    )
    record(tmp_path, (first, NOON), (second, NOON + 60.0))
    made = cut(tmp_path, "gate", NOON - 10.0, NOON + 100.0, tmp_path / "out.mp4")
    assert [(round(a - NOON, 1), round(b - NOON, 1)) for a, b in made.missing] == [
        (-10.0, 0.0),
        (4.0, 60.0),
        (64.0, 100.0),
    ]
    shown = pictures(tmp_path / "out.mp4")
    same_pictures(shown[:100], pictures(first), made.from_at - NOON)
    same_pictures(shown[100:], pictures(second), made.from_at - NOON - 60.0)
    assert len(shown) == 200
    # What was before a gap is no lead-up to what comes after it, and what comes after it no end of what was before.
    early = cut(tmp_path, "gate", NOON + 2.0, NOON + 30.0, tmp_path / "early.mp4")
    assert early.to_at == pytest.approx(NOON + 4.0)
    assert [round(b - NOON, 1) for _, b in early.missing] == [30.0]
    assert cut(tmp_path, "gate", NOON + 30.0, NOON + 62.0, tmp_path / "late.mp4").from_at == pytest.approx(NOON + 60.0)


def test_a_segment_that_was_deleted_is_a_gap(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True, size_wh=(64, 48))
    record(tmp_path, (video, NOON))
    (tmp_path / files(tmp_path)[2]).unlink()
    made = cut(tmp_path, "gate", NOON, NOON + 10.0, tmp_path / "out.mp4")
    assert [(round(a - NOON, 1), round(b - NOON, 1)) for a, b in made.missing] == [(4.8, 7.2)]
    same_pictures(pictures(tmp_path / "out.mp4"), pictures(video), made.from_at - NOON)


def test_a_camera_that_began_to_send_other_pictures_is_cut_up_to_there(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "first.mp4", frames=100, gop=20, strict_gop=True, size_wh=(64, 48))
    second = write_clip(tmp_path / "second.mp4", frames=100, gop=20, strict_gop=True, size_wh=(96, 64))
    record(tmp_path, (first, NOON), (second, NOON + 4.5))
    made = cut(tmp_path, "gate", NOON, NOON + 8.0, tmp_path / "out.mp4")
    assert made.other_from == pytest.approx(NOON + 4.5)
    assert len(pictures(tmp_path / "out.mp4")) == 100
    rest = cut(tmp_path, "gate", made.other_from, NOON + 8.0, tmp_path / "rest.mp4")
    assert len(pictures(tmp_path / "rest.mp4")) == 89
    assert rest.other_from is None


def test_where_nothing_was_recorded_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FootageError, match=r"nothing was recorded between .*; there are no recordings of it"):
        cut(tmp_path, "gate", NOON, NOON + 1, tmp_path / "out.mp4")
    video = write_clip(tmp_path / "source.mp4", frames=50, gop=20, strict_gop=True, size_wh=(64, 48))
    record(tmp_path, (video, NOON))
    with pytest.raises(FootageError, match=r"14:00:00 UTC and .*; there are recordings of 2026-03-01 to 2026-03-01"):
        cut(tmp_path, "gate", NOON + 7200, NOON + 7210, tmp_path / "out.mp4")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_other_peoples_files_and_broken_ones_are_passed_over(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=200, gop=20, strict_gop=True, size_wh=(64, 48))
    record(tmp_path, (video, NOON))
    day = tmp_path / "recordings/gate/2026-03-01"
    (day / "notes.mp4").write_bytes(b"mine")
    (day / "12-00-01.000Z.mp4").write_bytes(b"")
    (day / "12-00-03.000Z.mp4").write_bytes(b"\0" * 5000)
    assert len(segments(tmp_path, "gate", NOON, NOON + 8)) == 6  # the two of nothing among them
    cut(tmp_path, "gate", NOON, NOON + 8.0, tmp_path / "out.mp4")
    assert len(pictures(tmp_path / "out.mp4")) == 200


@pytest.mark.parametrize("left", [0.1, 0.35, 0.6, 0.85, 0.99])
def test_a_segment_that_was_cut_off_anywhere_is_good_up_to_there(tmp_path: Path, left: float) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True, b_frames=2, noise=10)
    record(tmp_path, (video, NOON), segment_s=60.0)
    [name] = files(tmp_path)
    os.truncate(tmp_path / name, int((tmp_path / name).stat().st_size * left))
    try:
        made = cut(tmp_path, "gate", NOON, NOON + 6.0, tmp_path / "out.mp4")
    except FootageError:
        assert left == 0.1  # not even the first fragment
        return
    times_s = same_pictures(pictures(tmp_path / "out.mp4"), pictures(video), made.from_at - NOON)
    assert times_s[-1] >= 6.0 * left - 2.0


def test_recording_goes_on_after_the_disk_was_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=500, gop=20, strict_gop=True, size_wh=(64, 48))
    disk = FullDisk(takes=70)
    camera = CameraFootage("gate", tmp_path, clips=None, segment_s=2.0, open_file=disk)

    def at(stream_s: float) -> None:
        if stream_s >= 6.0 and disk.takes < 0:
            disk.takes = 10**6  # somebody made room
        camera.write()

    with caplog.at_level(logging.WARNING):
        show(camera, video, zero_at=NOON, at=at)
        camera.finish()
    assert ("streamer_footage_failures_total", ("gate", "disk"), 1.0) in list(camera.rows())
    assert "ENOSPC" in caplog.text
    made = cut(tmp_path, "gate", NOON, NOON + 20.0, tmp_path / "out.mp4")
    [(gap_from, gap_to)] = made.missing
    assert gap_from - NOON <= 2.8
    assert 12.7 <= gap_to - NOON <= 13.7  # ten seconds after the trouble it was tried again
    same_pictures(pictures(tmp_path / "out.mp4"), pictures(video), made.from_at - NOON)


def test_a_recorder_whose_disk_is_slow_loses_packets_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=500, gop=20, strict_gop=True)
    camera = CameraFootage("gate", tmp_path, clips=None, segment_s=2.0, most_bytes=video.stat().st_size // 5)
    with caplog.at_level(logging.WARNING):
        show(camera, video, zero_at=NOON, at=at_times(_1_0=camera.write, _12_0=camera.write))
        camera.write()
        camera.finish()
    assert ("streamer_footage_failures_total", ("gate", "behind"), 1.0) in [
        (name, labels, min(1.0, n)) for name, labels, n in camera.rows()
    ]
    made = cut(tmp_path, "gate", NOON, NOON + 20.0, tmp_path / "out.mp4")
    assert made.missing
    same_pictures(pictures(tmp_path / "out.mp4"), pictures(video), made.from_at - NOON)


def test_clips_and_recordings_are_kept_by_age_and_size_and_open_alerts_clips_go_last(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True, size_wh=(64, 48))
    record(tmp_path, (video, NOON))
    camera, told = CameraFootage("gate", tmp_path, clips=ClipLimits(1.0, 1.0, 60.0)), Told()
    show(camera, video)
    for name in ("a", "b", "c"):
        camera.begin(alert(name, 9.0), told.of(name))
    camera.finish()
    clock = SetClock(NOON)
    for age_s, name in enumerate(("c", "b", "a")):
        path = tmp_path / told.clips[name].path  # type: ignore[union-attr]
        os.utime(path, (NOON - age_s, NOON - age_s))  # a is the oldest
    size = (tmp_path / told.clips["a"].path).stat().st_size  # type: ignore[union-attr]
    for age_s, name in enumerate(reversed(files(tmp_path))):
        os.utime(tmp_path / name, (NOON - age_s * 86_400, NOON - age_s * 86_400))
    keeper = FootageKeeper(tmp_path, clips=Keep(1.0, int(1.5 * size)), recordings=Keep(2.5, 10**9), clock=clock)
    keeper.opened("a")
    keeper.prune()
    assert [path.stem for path in (tmp_path / "clips").glob("*/*.mp4")] == ["a"]
    assert len(files(tmp_path)) == 3
    assert {labels[0]: n for _, labels, n in keeper.rows()}["clips"] == size
    clock.time += 3 * 86_400
    keeper.prune()
    assert len(files(tmp_path)) == 0
    assert [path.stem for path in (tmp_path / "clips").glob("*/*.mp4")] == ["a"]
    keeper.closed("a")
    keeper.prune()
    assert not [*(tmp_path / "clips").iterdir()]


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    video = write_clip(folder / "source.mp4", frames=100, gop=20, strict_gop=True, size_wh=(64, 48))
    record(folder, (video, NOON))
    return folder


def run(*arguments: object) -> int:
    return main(["clip", *(str(argument) for argument in arguments)])


def test_the_command_cuts_and_says_what_and_what_not(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    asked = ("--camera", "gate", "--from", "2026-03-01T12:00:01Z", "--to", "2026-03-01T12:00:09+00:00")
    assert run(recorded, *asked, "--out", out) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{out}: 3.2 s from 2026-03-01 12:00:00 UTC, h264, ")
    assert said.err == "missing: 5.0 s from 2026-03-01 12:00:03 UTC were not recorded\n"
    assert len(pictures(out)) == 80
    config = tmp_path / "c.yaml"
    config.write_text(f"cameras: {{gate: {{url: 'rtsp://h/1'}}}}\ndata_dir: {recorded}\n")
    assert run(config, *asked, "--out", out) == 0


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"--camera": "gaet"}, 2, "knows no such camera; there are gate"),
        ({"--from": "yesterday"}, 2, "--from yesterday: expected a time like"),
        ({"--from": "0001-01-01"}, 2, "--from 0001-01-01: expected a time like"),
        ({"--to": "2026-03-01T11:00Z"}, 2, "--to 2026-03-01T11:00Z: is not after --from"),
        ({"--to": "2026-03-05T11:00Z"}, 2, "is more than a day after --from"),
        ({"--out": "."}, 2, "--out .: is a folder"),
        ({"--from": "2026-03-02T12:00Z", "--to": "2026-03-02T12:01Z"}, 1, "there are recordings of 2026-03-01"),
    ],
)
def test_the_command_says_what_is_wrong(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], code: int, says: str
) -> None:
    asked = {
        "--camera": "gate",
        "--from": "2026-03-01T12:00:01Z",
        "--to": "2026-03-01T12:00:09Z",
        "--out": str(tmp_path / "o.mp4"),
        **change,
    }
    assert run(recorded, *(word for pair in asked.items() for word in pair)) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


def test_a_time_can_be_said_in_several_ways() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moment("--from", "2026-03-01T11:59:30Z", now) == NOON - 30.0
    assert moment("--from", "90s", now) == NOON - 90.0
    assert moment("--from", f"{NOON:.3f}", now) == NOON
    with pytest.raises(ConfigError, match="--from soon"):
        moment("--from", "soon", now)


def test_a_segment_that_lost_its_tags_is_placed_by_its_name(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=50, gop=20, strict_gop=True, size_wh=(64, 48))
    day = tmp_path / "recordings/gate/2026-03-01"
    day.mkdir(parents=True)
    (day / "12-00-00.500Z.mp4").write_bytes(video.read_bytes())
    made = cut(tmp_path, "gate", NOON, NOON + 3, tmp_path / "out.mp4")
    assert made.from_at == pytest.approx(NOON + 0.5)
