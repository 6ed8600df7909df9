"""Where TensorRT keeps the engines that it built: a folder of its own for all that an engine depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from streamer.caches import cache_folder


def cache_root(environment: Mapping[str, str] | None = None) -> Path:
    """streamer/engines in the user's cache folder (XDG Base Directory Specification 0.8: relative paths are ignored).

    Raises RuntimeError where the user has no home folder.
    """
    return cache_folder("engines", environment)


def engine_folder(root: Path, *, model_sha256: str, gpu: str, tensorrt: str, precision: str) -> Path:
    """One folder per model, GPU, TensorRT and precision: an engine is right for exactly these.

    Another card finds no engine and builds one; what is old can be deleted at any time.
    """
    return root / model_sha256[:16] / "-".join(_plain(part) for part in (gpu, f"trt{tensorrt}", precision))


def _plain(text: str) -> str:
    """NVIDIA GeForce RTX 4090 → nvidia_geforce_rtx_4090."""
    return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_") or "unknown"
