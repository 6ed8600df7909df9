"""What a configuration asks of the machine, and what it gets."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from streamer.assembly.admission import RefusedSource, admitted, weights
from streamer.config import Config
from streamer.errors import ConfigError, SourceUnavailable


def a_config(cameras: int, **inference: object) -> Config:
    always = {"url": "rtsp://camera/", "decode": "always", "analyse_fps": 5}
    return Config.model_validate({
        "cameras": {f"c{i}": always for i in range(cameras)}, "inference": inference,
    })  # fmt: skip


def test_where_there_is_time_for_all_nothing_changes():
    config = a_config(4)
    taken = admitted(config, pictures_per_s=100.0)
    assert taken.config == config
    assert taken.refused == {}
    assert taken.load == pytest.approx(20 / 90)


def test_where_there_is_not_every_camera_is_looked_at_less_often_and_it_is_said(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="streamer.assembly"):
        taken = admitted(a_config(40), pictures_per_s=100.0)
    assert [camera.analyse_fps for camera in taken.config.cameras.values()] == pytest.approx([90 / 40] * 40)
    assert "40 of them are analysed less often" in caplog.text
    rows = {labels: value for name, labels, value in taken.rows() if name == "streamer_camera_analyse_fps"}
    assert rows["c0", "asked"] == 5
    assert rows["c0", "given"] == pytest.approx(2.25)


def test_a_camera_that_is_refused_says_why_and_what_to_do():
    taken = admitted(a_config(3, when_full="refuse"), pictures_per_s=12.0)
    assert set(taken.refused) == {"c2"}
    with pytest.raises(SourceUnavailable, match=r"'c2' is refused: this machine analyses 11 .* Lower 'analyse_fps'"):
        RefusedSource("c2", taken.refused["c2"]).frames()
    assert {(labels, value) for name, labels, value in taken.rows() if labels == ("c2", "given")} == {
        (("c2", "given"), 0.0)
    }


def test_cameras_that_sleep_most_of_the_time_ask_for_less_and_recordings_for_nothing():
    cameras = {
        "sleeper": {"url": "rtsp://camera/", "analyse_fps": 10},
        "recording": {"url": "clip.mp4", "analyse_fps": "all"},
    }
    taken = admitted(Config.model_validate({"cameras": cameras}), pictures_per_s=10.0)
    assert taken.config.cameras["sleeper"].analyse_fps == 10
    assert taken.config.cameras["recording"].analyse_fps is None
    assert 0 < taken.load < 0.5


COSTS = {
    "decode_cpu_s_per_video_s": 0.05,
    "demux_cpu_s_per_video_s": 0.0,
    "convert_cpu_s_per_frame": 0.001,
    "track_cpu_s_per_frame": 0.001,
    "rules_cpu_s_per_frame": 0.0,
    "publish_cpu_s_per_frame": None,
    "run_cpu_s_per_frame_by_batch": {"1": 0.008, "4": 0.009},
    "prepare_s_per_frame_by_batch": {},
    "outputs_s_per_frame_by_batch": {},
}


def test_what_the_benchmark_found_brings_decoding_into_the_account(tmp_path: Path):
    capacity = tmp_path / "bench.json"
    capacity.write_text(json.dumps({"costs": COSTS}))
    cores = len(os.sched_getaffinity(0))
    # A picture costs 10 ms of a core, a stream as much as 5 pictures a second: at 5 of its own, a tenth of a core.
    fits = int(0.9 * cores * 10)
    config = a_config(fits + 2, when_full="refuse", capacity=str(capacity))
    assert set(admitted(config, pictures_per_s=1e6).refused) == {f"c{fits}", f"c{fits + 1}"}
    assert len(admitted(config, pictures_per_s=10.0).refused) == fits + 1  # the model is what is scarce


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"costs": {}}', json.dumps({"costs": {**COSTS, "rules_cpu_s_per_frame": "x"}})]
)
def test_a_file_that_no_benchmark_wrote_is_refused_with_what_to_do(tmp_path: Path, text: str):
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(ConfigError, match=r"streamer bench --json"):
        admitted(a_config(1, capacity=str(tmp_path / "bench.json")), pictures_per_s=100.0)


def test_priorities_have_weights():
    cameras = {name: {"url": "rtsp://camera/", "priority": name} for name in ("low", "normal", "high")}
    shares = weights(Config.model_validate({"cameras": cameras}))
    assert shares["low"] < shares["normal"] < shares["high"]
