"""The environment of its own in which the `inference` package lives: found or built, outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

PACKAGE = "inference-cpu==1.8.3"
PROBE = "from inference import InferencePipeline; import onnxruntime, cv2"


def inference_python() -> Path:
    """The interpreter of that environment: $STREAMER_INFERENCE (its folder), else one in the user's cache.

    Builds the latter where it is missing (several GB, minutes). It gets our ONNX Runtime in place of the older one that
    the package asks for: what is compared is the pipeline, and the older one takes 1.4 times as long for the same net.
    Raises CalledProcessError where pip cannot install it, or where it cannot be imported then.
    """
    if given := os.environ.get("STREAMER_INFERENCE"):
        python = Path(given) / "bin" / "python"
        if not python.exists():
            raise FileNotFoundError(f"STREAMER_INFERENCE={given} is no virtual environment: {python} is missing")
        return python
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "streamer" / "inference-peer"
    python, finished = home / "bin" / "python", home / "finished"
    ours = f"onnxruntime=={version('onnxruntime')}"
    if not finished.exists() or finished.read_text() != f"{PACKAGE}\n{ours}":
        print(f"building the environment of the inference package in {home} (once, some minutes)", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, PACKAGE], check=True)
        subprocess.run([*pip, "--no-deps", ours], check=True)
        subprocess.run([str(python), "-c", PROBE], check=True, capture_output=True)
        finished.write_text(f"{PACKAGE}\n{ours}")
    return python
