"""What tests may need from outside, and what happens when it is missing.

On a person's machine a test whose part is missing is skipped with the reason. With STREAMER_TEST_STRICT=1 (CI sets it)
the same test fails: a part that should be there and is not must never pass as "skipped".
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.browser import CHROMIUM

# The same examples in every run, so that a red run means a change; STREAMER_TEST_EXPLORE=1 looks for new ones.
# No deadlines: how long an example takes says more of what else the machine does.
settings.register_profile("streamer", derandomize=os.environ.get("STREAMER_TEST_EXPLORE") != "1", deadline=None)
settings.load_profile("streamer")

# Threads of torch wait for each other by counting: beside other programs two take many times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True, scope="session")
def a_cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests measure and fetch is not a person's."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command that a test runs in this process sets up logging for a person at a terminal."""
    root = logging.getLogger("streamer")
    before = root.handlers[:], root.level, root.propagate
    yield
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


@cache
def missing(part: str) -> str | None:
    """Why a part is missing, or None where it is there."""
    if part == "shared":
        return (
            None if (SHARED / "data").is_dir() else "../shared (the project's test footage) is not beside the checkout"
        )
    if part == "debian":
        if not shutil.which("redis-server"):
            return "redis-server is not installed (Debian: apt-get install redis-server)"
        probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
        done = subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, check=False)
        return (
            None
            if done.returncode == 0
            else "the GStreamer RTSP server is not installed (see .ci/run for its packages)"
        )
    if part == "chromium":
        return None if Path(CHROMIUM).exists() else "Chromium is not installed (Debian: apt-get install chromium)"
    if part == "prometheus":
        found = shutil.which("prometheus") and shutil.which("promtool")
        return None if found else "Prometheus is not installed (Debian: apt-get install prometheus)"
    if part == "systemd":
        found = shutil.which("systemd-analyze")
        return None if found else "systemd-analyze is not installed (Debian: apt-get install systemd)"
    if part in ("torch", "torchvision"):
        return None if importlib.util.find_spec(part) else f"{part} is not installed (pip install 'streamer[train]')"
    if part == "ray":
        return None if importlib.util.find_spec("ray") else "ray is not installed (pip install 'streamer[cluster]')"
    raise pytest.UsageError(
        f"needs('{part}'): no such part; there are 'shared', 'debian', 'chromium', 'prometheus', 'systemd', 'ray', "
        "'torch' and 'torchvision'"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what lacks a part; under CI leave it to fail in setup."""
    for item in items:
        for marker in item.iter_markers("needs"):
            for part in marker.args:
                reason = missing(part)
                if reason and not os.environ.get("STREAMER_TEST_STRICT"):
                    item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Under CI a missing part is a failure."""
    if os.environ.get("STREAMER_TEST_STRICT"):
        for marker in item.iter_markers("needs"):
            for part in marker.args:
                if reason := missing(part):
                    pytest.fail(f"STREAMER_TEST_STRICT is set and a part is missing: {reason}", pytrace=False)


@pytest.fixture
def shared() -> Path:
    """The folder of test footage; use together with needs('shared')."""
    return SHARED
