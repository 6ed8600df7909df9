"""`streamer bench` for a few seconds on a small drawn clip: the whole service, a real Redis, a real search."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from streamer.bench.record import record_schema
from streamer.cli import main
from tests.conftest import ROOT


def test_the_search_runs_the_service_and_keeps_what_it_found(street: Path, tmp_path: Path) -> None:
    written, drawn = tmp_path / "found.json", tmp_path / "found.png"
    asked = ["--find-max-streams", "--most", "2", "--fps", "2", "--p99", "20s", "--settle", "1s", "--measure", "3s"]
    assert main(["bench", *asked, "--video", str(street), "--json", str(written), "--picture", str(drawn)]) == 0
    record = json.loads(written.read_text())
    jsonschema.validate(record, record_schema())
    assert record["video"]["fps"] == pytest.approx(10.0)
    assert record["trials"][0]["cameras"] == 2
    # A machine that is busy may hold fewer than two; what was measured has to make sense all the same.
    confirmed = [each["cameras"] for each in record["trials"] if each["confirms"] and each["held"]]
    assert record["found"]["cameras"] == (confirmed or [0])[-1]
    assert record["found"]["at_most"] == (record["found"]["cameras"] == 2)
    last = record["trials"][-1]
    assert last["held"] == (last["broken"] is None)
    frames = last["frames"]
    gone = frames["analysed"] + sum(frames["skipped"].values()) + sum(frames["dropped"].values())
    assert frames["received"] == gone + frames["waiting_more"]
    assert 0 < last["received_of_due"] < 1.3
    stages = last["latency"]
    assert stages["whole"]["samples"] == pytest.approx(last["frames"]["analysed"], abs=6)
    parts = sum(stages[name]["mean_ms"] for name in ("capture", "wait", "infer", "analyse", "publish"))
    assert parts == pytest.approx(stages["whole"]["mean_ms"], abs=0.01), "a frame's stages leave no gap"
    assert last["cpu_cores_by_thread"]["capture"] > 0
    assert last["cpu_cores_by_thread"]["infer"] > 0
    assert 0 < last["run_s_per_frame"] < 1
    assert record["costs"]["decode_cpu_s_per_video_s"] > 0
    assert drawn.stat().st_size > 3000


def test_each_stage_is_measured_alone(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "stages.json"
    assert main(["bench", "stages", "--measure", "10ms", "--video", str(street), "--json", str(written)]) == 0
    record = json.loads(written.read_text())
    jsonschema.validate(record, record_schema())
    measured = {(each["stage"], each["batch"]) for each in record["stages"]}
    assert {"demux", "decode", "convert", "track", "rules", "publish", "capture"} <= {stage for stage, _ in measured}
    assert {("session.run", n) for n in (1, 2, 4, 8)} <= measured
    by = {(each["stage"], each["batch"]): each["wall_ms"] for each in record["stages"]}
    assert by["detect", 1] > by["prepare", 1] + by["outputs", 1], "the model takes time of its own"
    assert "bare session.run" in capsys.readouterr().out


def test_an_interrupted_search_ends_soon_and_leaves_nothing_behind(street: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamer", "bench", "--find-max-streams", "--most", "1", "--settle", "100s"]
    bench = subprocess.Popen(
        [*command, "--video", str(street)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=_here(tmp_path),
        preexec_fn=_as_at_a_terminal,
    )
    assert bench.stderr is not None
    assert any(line.startswith("1 camera …") for line in bench.stderr)
    bench.send_signal(signal.SIGINT)
    rest = bench.stderr.read()
    assert bench.wait(60) == 130
    assert "Traceback" not in rest
    assert list(tmp_path.glob("streamer-bench-*")) == []


def _as_at_a_terminal() -> None:
    """Whoever runs the tests in the background has Ctrl-C ignored, and all processes below inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _here(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "TMPDIR": str(folder)}
