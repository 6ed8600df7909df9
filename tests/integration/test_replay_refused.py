"""`streamer replay` of what cannot be replayed: one sentence about what is wrong, and no file of lines."""

from __future__ import annotations

import pytest

from streamer.cli import main
from tests.onnx_models import write_tiny


@pytest.fixture
def model(tmp_path) -> str:
    return str(write_tiny(tmp_path / "sharp").folder)


@pytest.fixture
def no_video(tmp_path) -> str:
    (tmp_path / "notes.mp4").write_text("not a video")
    return str(tmp_path / "notes.mp4")


@pytest.mark.parametrize("to_a_file", [True, False])
def test_a_recording_that_is_no_video_is_said_to_be_that_wherever_the_lines_go(
    tmp_path, capsys, model, no_video, to_a_file
):
    out = ["--out", str(tmp_path / "lines.jsonl")] if to_a_file else []
    assert main(["replay", no_video, "--model", model, *out]) == 1
    err = capsys.readouterr().err
    assert err == f"streamer: camera 'camera': {no_video} is not a video that can be read; check the file\n"
    assert not list(tmp_path.glob("lines*"))


def test_a_place_for_lines_that_is_not_there_is_named(tmp_path, capsys, model, no_video):
    out = tmp_path / "nowhere" / "lines.jsonl"
    assert main(["replay", no_video, "--model", model, "--out", str(out)]) == 2
    assert f"--out: {out} cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["fast", "0", "-5", "241", "nan"])
def test_what_is_no_rate_is_refused_in_words(capsys, model, no_video, rate):
    with pytest.raises(SystemExit) as caught:
        main(["replay", no_video, "--model", model, f"--analyse-fps={rate}"])
    assert caught.value.code == 2
    assert f"should be between 0 and 240 frames a second, or 'all'; got {rate}" in capsys.readouterr().err
