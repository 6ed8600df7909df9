"""`streamer demo` as a newcomer runs it: everything starts, alerts come, the truth agrees, nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.demo.clips import prepare_clips

pytestmark = pytest.mark.alone  # what it must find in its time it finds where it can keep up with three cameras


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def demo(cache: Path, scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "streamer", "demo", "--json", "--cache", str(cache), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )


def left_over(scratch: Path) -> list[str]:
    """Programs that still hold something of the demo's folder in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(scratch) in command:
            found.append(command)
    return found


@pytest.mark.timeout(180)
def test_it_draws_its_clips_and_shows_them_and_ctrl_c_ends_it_clean(cache: Path, tmp_path: Path) -> None:
    process = demo(cache, tmp_path)
    assert process.stderr is not None
    for line in process.stderr:  # until the first alert: then everything runs
        if "critical" in line or "warning" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.strip().splitlines()[-1])["first_alert_s"] is not None
    assert list(tmp_path.iterdir()) == []
    assert left_over(tmp_path) == []


@pytest.mark.timeout(180)
def test_the_demo_raises_the_alerts_of_the_drawn_truth_and_cleans_up(cache: Path, tmp_path: Path) -> None:
    prepare_clips(cache)  # all of its time is for the show; there is nothing to do where the test before drew them
    process = demo(cache, tmp_path, "--for", "45s")
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err
    report = json.loads(out.strip().splitlines()[-1])
    assert report["first_alert_s"] < 60
    assert report["alerts"].get("intrusion", 0) >= 2
    assert report["cameras"] == 3
    frames = report["frames"]
    accounted = sum(
        count for outcome, count in frames.items() if outcome.startswith(("analysed", "skipped", "dropped"))
    )
    assert frames["analysed"] > 100
    assert accounted == frames["received"] - frames.get("waiting", 0)
    assert report["events"]["unjudged"] == []
    assert report["events"]["found"] >= 0.6 * report["events"]["true"] > 0
    assert list(tmp_path.iterdir()) == []
    assert left_over(tmp_path) == []
