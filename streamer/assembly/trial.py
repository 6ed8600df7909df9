"""A camera that is tried before it is configured: opened for some seconds beside all that runs, in its own process."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from streamer.config import CameraConfig
from streamer.web.configuration import Trial

_CODE = Path(__file__).parents[2]
_MOST_PATIENCE_S = 20.0
_STARTS_WITHIN_S = 20.0


class Trials:
    """One at a time: each takes a process, and guessing addresses should be slow."""

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def of(self, name: str, camera: CameraConfig) -> Trial:
        """What a camera of these settings shows. Blocks until a picture came, or for as long as it is waited for."""
        if not self._busy.acquire(blocking=False):
            return Trial(False, "another camera is just being tried; try again in some seconds")
        try:
            return _in_its_own_process(name, camera)
        finally:
            self._busy.release()


def _in_its_own_process(name: str, camera: CameraConfig) -> Trial:
    patience_s = min(_MOST_PATIENCE_S, 2 * camera.connect_timeout_s + camera.stall_after_s)
    wish = {"camera": name, "settings": _plain(camera), "patience_s": patience_s}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "streamer.assembly.trial_process"],
            input=json.dumps(wish),
            capture_output=True,  # what FFmpeg writes to stderr may hold passwords
            text=True,
            timeout=_STARTS_WITHIN_S + patience_s,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Trial(False, f"camera '{name}': nothing came of it within {_STARTS_WITHIN_S + patience_s:.0f} s")
    if done.returncode or not done.stdout:
        return Trial(False, f"camera '{name}': its decoder died of what it sends (exit code {done.returncode})")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Trial(answer["ok"], answer["said"], base64.b64decode(answer["jpeg"]) if answer["jpeg"] else None)


def _plain(camera: CameraConfig) -> dict[str, object]:
    left_out = {"rules", "trouble", "detect"}
    settings: dict[str, object] = camera.model_dump(mode="json", exclude=left_out, exclude_unset=True)
    return {**settings, "analyse_fps": "all"}
