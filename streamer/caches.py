"""The user's cache folder: what is kept there can be deleted at any time, and is made again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(of: str = "", environment: Mapping[str, str] | None = None) -> Path:
    """streamer/OF in the user's cache folder; streamer itself where nothing is named.

    By the XDG Base Directory Specification 0.8: relative paths are ignored. Raises RuntimeError where the user has no
    home folder.
    """
    env = os.environ if environment is None else environment
    cache = Path(env.get("XDG_CACHE_HOME") or "")
    if not cache.is_absolute():
        cache = (Path(env["HOME"]) if env.get("HOME") else Path.home()) / ".cache"
    return cache / "streamer" / of
