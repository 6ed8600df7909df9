"""The environment of its own in which the rivals and TrackEval live: found or built, outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

# trackers brings supervision, which brings opencv-python.
PINNED = ("trackers==2.6.1", "trackeval==1.3.0", "supervision==0.31.2", "numpy==2.4.6", "scipy==1.17.1")
HEADLESS = "opencv-python-headless"
PROBE = "import trackers, trackeval, supervision"


def oracle_python() -> Path:
    """The interpreter of the oracle environment: $STREAMER_ORACLE (its folder), else one in the user's cache.

    Builds the latter where it is missing (about 500 MB, minutes). Raises CalledProcessError where pip cannot.
    """
    if given := os.environ.get("STREAMER_ORACLE"):
        python = Path(given) / "bin" / "python"
        if not python.exists():
            raise FileNotFoundError(f"STREAMER_ORACLE={given} is no virtual environment: {python} is missing")
        return python
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "streamer" / "tracking-oracle"
    python, finished = home / "bin" / "python", home / "finished"
    if not finished.exists() or finished.read_text() != "\n".join(PINNED):
        _build(home, python)
        finished.write_text("\n".join(PINNED))
    return python


def _build(home: Path, python: Path) -> None:
    print(f"building the oracle environment in {home} (once, some minutes)", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", *PINNED], check=True)
    if subprocess.run([str(python), "-c", PROBE], capture_output=True, check=False).returncode:
        # opencv-python needs libGL, which servers lack.
        subprocess.run([*pip, "uninstall", "--yes", "opencv-python"], check=True)
        subprocess.run([*pip, "install", "--force-reinstall", "--no-deps", HEADLESS], check=True)
        subprocess.run([str(python), "-c", PROBE], check=True)
