"""What a trial's numbers mean, the record that is written of them, and the picture that is drawn."""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from streamer.bench.capacity import Capacity, by_cameras, find_capacity
from streamer.bench.chart import Axes, round_step, rounded_up
from streamer.bench.durations import Spread
from streamer.bench.footage import Footage, looked_at
from streamer.bench.picture import capacity_picture, saved, stages_picture
from streamer.bench.record import capacity_record, costs, record_schema, stages_record
from streamer.bench.stages import ANALYSED, SOURCE, StageCost
from streamer.bench.tables import ceilings, overhead_ms, remarks
from streamer.bench.trial import Plan, Trial, configuration, why_not
from streamer.cli import main
from streamer.commands.bench import duration_s
from streamer.config.model import ModelConfig
from streamer.errors import ConfigError
from streamer.ledger import FrameCounts

MODEL = {"name": "lookout", "sha256": "0" * 64}
PLAN = Plan(
    footage=Footage(Path("street.mp4"), 1280, 720, 25.0, 24.0, "h264"),
    model=ModelConfig(),
    analyse_fps=5.0,
    gated=False,
    p99_limit_s=0.5,
    redis_url="redis://127.0.0.1:1/0",
    redis_pid=None,
    settle_s=1.0,
    measure_s=10.0,
)
STAGES = [
    StageCost("demux", SOURCE, 0.02, 0.02, 100),
    StageCost("decode", SOURCE, 2.0, 2.0, 100),
    StageCost("convert", ANALYSED, 1.0, 1.0, 100),
    StageCost("session.run", ANALYSED, 10.0, 10.0, 100, batch=1),
    StageCost("detect", ANALYSED, 11.5, 11.5, 100, batch=1),
    StageCost("prepare", ANALYSED, 0.5, 0.5, 100, batch=1),
    StageCost("outputs", ANALYSED, 1.0, 1.0, 100, batch=1),
    StageCost("session.run", ANALYSED, 8.0, 4.0, 100, batch=2),
    StageCost("track", ANALYSED, 0.4, 0.4, 100),
    StageCost("rules", ANALYSED, 0.1, 0.1, 100),
    StageCost("publish", ANALYSED, 0.2, 0.3, 100),
    StageCost("capture", SOURCE, 0.06, 0.06, 100),
]


def trial(cameras: int, p99_ms: float = 100.0, **changes: object) -> Trial:
    """Ten seconds of so many cameras at 25 frames a second, of which five were analysed."""
    spread = Spread(50 * cameras, p99_ms / 2, p99_ms / 2, p99_ms * 0.8, p99_ms, p99_ms)
    whole = Trial(
        cameras=cameras,
        measured_s=10.0,
        due_frames=250.0 * cameras,
        counts=FrameCounts(250 * cameras, 50 * cameras, {"rate": 200 * cameras}, {}),
        lost_results=0,
        stages={"whole": spread, "capture": spread, "infer": spread},
        cpu_cores=0.1 * cameras,
        cpu_cores_by_thread={"capture": 0.1 * cameras},
        redis_cpu_cores=0.01,
        others_cpu_cores=0.0,
        decode_cpu_s=0.5 * cameras,
        run_s=0.5 * cameras,
        run_cpu_s=0.4 * cameras,
        batches={1: 50 * cameras},
        memory_mb=300.0,
        memory_slope_mb_per_min=0.5,
        gpu=None,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def holding(up_to: int):
    """A machine that gets slower with each camera."""

    def run(plan: Plan, cameras: int, labels: tuple[str, ...], measure_s: float) -> Trial:
        return trial(cameras, p99_ms=100.0 if cameras <= up_to else 900.0, measured_s=measure_s)

    return run


def found(up_to: int = 6, most: int = 50) -> Capacity:
    return find_capacity(PLAN, ("person",), most, 2, lambda *_: None, lambda _: None, holding(up_to))


def test_a_trial_that_kept_everything_holds() -> None:
    assert why_not(trial(4), 0.5, 5.0) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"p99_ms": 501.0}, "p99 is 501 ms, over 500 ms"),
        (
            {"counts": FrameCounts(1000, 195, {"rate": 800}, {"stale": 3, "overload": 2})},
            "5 frames were dropped (2 overload, 3 stale)",
        ),
        ({"counts": FrameCounts(1000, 170, {"rate": 800}, {})}, "22 frames are not accounted for"),
        ({"lost_results": 2}, "2 frames are not accounted for"),
        ({"due_frames": 2000.0}, "only 50% of the frames that were due could be read in time"),
        ({"stages": {}}, "no frame was analysed in 10 s; ask for more than 5 frames a second"),
        ({"failed": "stage infer failed: it broke"}, "stage infer failed: it broke"),
    ],
)
def test_every_broken_promise_is_told_in_a_sentence(changes: dict[str, object], sentence: str) -> None:
    assert why_not(trial(4, **changes), 0.5, 5.0) == sentence  # type: ignore[arg-type]


def test_frames_on_their_way_are_accounted_for_and_piles_are_not() -> None:
    assert trial(4, counts=FrameCounts(1000, 192, {"rate": 800}, {})).unaccounted == 0
    assert trial(4, counts=FrameCounts(1000, 191, {"rate": 800}, {})).unaccounted == 1


def test_the_search_confirms_what_it_found_with_a_longer_trial() -> None:
    capacity = found(up_to=6)
    assert capacity.cameras == 6
    assert not capacity.at_most
    last = capacity.trials[-1]
    assert (last.trial.cameras, last.confirms, last.trial.measured_s) == (6, True, 20.0)
    assert capacity.best is last.trial
    assert found(up_to=100, most=8).at_most
    assert found(up_to=0).best is None
    shown = by_cameras(capacity.trials)
    assert [each.trial.cameras for each in shown] == sorted({each.trial.cameras for each in capacity.trials})
    assert next(each for each in shown if each.trial.cameras == 6).confirms


@pytest.mark.parametrize("up_to", [0, 6])
def test_both_records_are_what_the_schema_says(up_to: int) -> None:
    schema = record_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    capacity = json.loads(json.dumps(capacity_record(PLAN, MODEL, 50, found(up_to), STAGES)))
    jsonschema.validate(capacity, schema)
    assert capacity["found"]["cameras"] == up_to
    jsonschema.validate(json.loads(json.dumps(stages_record(PLAN, MODEL, STAGES))), schema)
    del capacity["found"]
    with pytest.raises(jsonschema.ValidationError, match="'found' is a required property"):
        jsonschema.validate(capacity, schema)


def test_costs_are_in_the_units_that_their_names_say() -> None:
    told = costs(STAGES, PLAN, trial(4))
    assert told["decode_cpu_s_per_video_s"] == pytest.approx(0.05)  # 25 frames of 2 ms
    assert told["convert_cpu_s_per_frame"] == pytest.approx(0.001)
    assert told["run_s_per_frame_by_batch"] == {"1": 0.01, "2": 0.004}
    assert told["run_cpu_s_per_frame_by_batch"] == {"1": 0.01, "2": 0.008}
    # 0.4 cores for 10 s, less 2 s of decoders and 1.6 s of session.run: 0.4 s for 200 frames, each converted in 1 ms
    assert told["service_cpu_s_per_frame"] == pytest.approx(0.001)
    assert costs(STAGES, PLAN, None)["service_cpu_s_per_frame"] is None


def test_what_follows_from_the_stages_is_told() -> None:
    assert ceilings(STAGES, PLAN)[0] == "bare session.run: 250.0 frames a second on 1 thread (batch 2)"
    assert ceilings(STAGES, PLAN)[2].startswith(f"decode and session.run alone allow {1 / (0.05 + 0.04):.1f} ")
    assert overhead_ms(STAGES, PLAN) == pytest.approx(5 * 0.06 + 0.5 + 1.0 + 0.4 + 0.1 + 0.2)


def test_other_programs_on_the_machine_are_not_kept_silent() -> None:
    busy = replace(found().trials[0], trial=trial(2, others_cpu_cores=1.25))
    assert "other programs took up to 1.2 cores" in remarks(Capacity(2, False, (busy,)))[-1]
    assert len(remarks(found())) == 1


def test_cameras_are_configured_as_a_user_would_write_them(tmp_path: Path) -> None:
    config = configuration(replace(PLAN, p99_limit_s=1.5), 3, tmp_path, ("person", "car"))
    assert list(config.cameras) == ["camera-1", "camera-2", "camera-3"]
    camera = config.cameras["camera-2"]
    assert (camera.pace, camera.loop, camera.decode, camera.analyse_fps) == ("realtime", True, "always", 5.0)
    assert [rule.kind for rule in camera.rules] == ["intrusion"]
    assert config.inference.max_age_s == 1.5, "else frames are too old before they can be as late as is asked"
    gated = configuration(replace(PLAN, gated=True, redis_url=None), 1, tmp_path, ("car",))
    assert gated.cameras["camera-1"].decode == "motion"
    assert gated.jsonl is not None
    assert gated.redis is None


def test_pictures_show_late_trials_above_the_limit_and_tall_bars_tall(tmp_path: Path) -> None:
    picture = capacity_picture(found(), PLAN)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 5
    saved(picture, tmp_path / "found.png")
    saved(stages_picture(STAGES, PLAN), tmp_path / "stages.png")
    assert (tmp_path / "found.png").stat().st_size > 3000
    with pytest.raises(ConfigError, match=r"--picture: .*nowhere"):
        saved(picture, tmp_path / "nowhere" / "found.png")


@pytest.mark.parametrize("highest", [0.013, 0.9, 7.0, 43.0, 512.0, 98765.0])
def test_axes_end_at_round_numbers_above_what_they_hold(highest: float) -> None:
    step = round_step(highest)
    assert 4 <= rounded_up(highest) / step <= 10
    assert highest <= rounded_up(highest) * (1 + 1e-9) < highest + step * (1 + 1e-9)
    assert f"{step:e}"[0] in "125"
    axes = Axes(50, 10, 250, 110, columns=4, highest=rounded_up(highest))
    assert (axes.y(0.0), axes.y(axes.highest), axes.y(2 * axes.highest)) == (110, 10, 10)
    assert [b - a for a, b in itertools.pairwise(map(axes.x, range(4)))] == [50, 50, 50]


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("0.5s", 0.5), ("2 m", 120.0), ("1.5 s", 1.5)])
def test_times_are_read_with_their_unit(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["0ms", "500", "-1s", "soon", "", "0.0s"])
def test_times_without_unit_or_of_nothing_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="500ms"):
        duration_s(text)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "say what to measure"),
        (["stages", "--find-max-streams"], 2, "say what to measure"),
        (["stages", "--video", "nowhere.mp4"], 2, "--video: nowhere.mp4 is not there"),
        (["stages", "--model", "no-such-model"], 3, "no detector of that name"),
        (["stages", "--json", "nowhere/found.json"], 2, "there is no folder"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [["--p99", "0ms"], ["--fps", "0"], ["--most", "0"], ["--provider", "abacus"]])
def test_numbers_that_make_no_sense_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--find-max-streams", *arguments])
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "note.mp4"
    file.write_text("this is no video")
    with pytest.raises(ConfigError, match="cannot be read as a video"):
        looked_at(file)
