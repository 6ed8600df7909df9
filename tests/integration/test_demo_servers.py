"""The demo's own servers: they come up, they are told apart when they fail, and none outlives the demo."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import redis

from streamer.demo.clips import encode
from streamer.demo.errors import DemoError
from streamer.demo.servers import Child, require_programs, start_redis, start_rtsp


def test_the_private_redis_answers_and_is_gone_when_stopped(tmp_path: Path) -> None:
    child, port = start_redis(tmp_path)
    client = redis.Redis(port=port)
    try:
        assert client.ping()
    finally:
        client.close()
        child.stop()
    assert child.exit_code() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_a_drawn_clip_comes_back_over_rtsp_and_goes_on_after_its_end(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    ramp = [np.full((96, 128, 3), 20 + 2 * i, np.uint8) for i in range(40)]  # two seconds of dawn
    encode(ramp, clips / "dawn.mp4", fps=20)
    child, port = start_rtsp(clips, tmp_path)
    try:
        address = f"rtsp://127.0.0.1:{port}/dawn.mp4?play_count=0"
        with av.open(address, options={"rtsp_transport": "tcp"}, timeout=(5, 5)) as stream:
            times, lights = [], []
            for frame in stream.decode(video=0):
                if frame.time is None:
                    continue
                times.append(frame.time)
                lights.append(int(frame.to_ndarray(format="gray").mean()))
                if times[-1] - times[0] > 2.5:
                    break
    finally:
        child.stop()
    assert all(later > earlier for earlier, later in pairwise(times))
    assert min(np.diff(lights)) < -50, "the clip never began again"


def test_all_missing_parts_are_named_at_once_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        DemoError, match=r"redis-server .* and an RTSP server .* and ONNX Runtime; pip install 'streamer\[demo\]'"
    ):
        require_programs(installed=lambda _: False)


def test_a_program_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    child = Child("teapot", [sys.executable, "-c", "print('no coffee here'); raise SystemExit(4)"], tmp_path / "log")
    with pytest.raises(DemoError, match=r"teapot ended with exit code 4; it said: no coffee here"):
        child.wait_until(lambda: False, within_s=20)


def test_a_program_that_will_not_end_is_ended(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    child = Child("stubborn", [sys.executable, "-c", stubborn], tmp_path / "log")
    child.wait_until(lambda: "up" in child.last_words(), within_s=20)
    assert child.stop(within_s=0.2) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's leash is Linux's")
def test_children_die_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    started = (
        "import sys, pathlib, time\n"
        "from streamer.demo.servers import Child\n"
        "sleep = 'import time; print(1, flush=True); time.sleep(60)'\n"
        f"child = Child('sleeper', [sys.executable, '-c', sleep], pathlib.Path({str(tmp_path / 'log')!r}))\n"
        "child.wait_until(lambda: child.last_words() == '1', 20)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    demo = subprocess.Popen([sys.executable, "-c", started], stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    try:
        pid = int(demo.stdout.readline())
        handle = os.pidfd_open(pid)
    finally:
        demo.kill()
        demo.wait()
        demo.stdout.close()
    try:
        # A pidfd becomes readable when its process has ended: an event to wait for, no polling.
        ready, _, _ = select.select([handle], [], [], 10.0)
        assert ready, "the child outlived the demo"
    finally:
        os.close(handle)
