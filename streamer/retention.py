"""How long files stay in the data folder: by age, then by size, oldest first, and those of open alerts last."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the names of files begin that are still being written, or were when their writer died."""

_ABANDONED_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning took away, and what is left."""

    files: int
    freed_bytes: int
    kept_bytes: int


def prune(
    root: Path, pattern: str, *, keep_s: float, keep_bytes: int, now: float, open_ids: Collection[str] = ()
) -> Pruned:
    """Remove files below root that match the glob pattern, and folders that this leaves empty.

    Those named after open alerts stay, unless they alone take more than keep_bytes. What cannot be removed is left and
    counted as kept. Also sweeps away what a writer that died left unfinished.
    """
    stored = sorted(_stored(root, pattern), key=lambda file: (file.written_at, file.path))
    kept_bytes = sum(file.size for file in stored)
    removed = freed = 0
    stay_open = set(open_ids)
    # Closed alerts first, then open ones; within each the oldest first.
    for is_open in (False, True):
        for file in stored:
            if (file.path.stem in stay_open) != is_open:
                continue
            is_old = not is_open and now - file.written_at > keep_s
            if (is_old or kept_bytes > keep_bytes) and _remove(file.path):
                removed, freed, kept_bytes = removed + 1, freed + file.size, kept_bytes - file.size
    folders = {path for path in root.glob(pattern.rpartition("/")[0]) if path.is_dir()}
    for folder in folders:
        for unfinished in folder.glob(f"{UNFINISHED}*"):
            if now - _written_at(unfinished, now) > _ABANDONED_AFTER_S:
                _remove(unfinished)
        _remove_if_empty(folder)
    return Pruned(removed, freed, kept_bytes)


@dataclass(frozen=True, slots=True)
class _Stored:
    path: Path
    size: int
    written_at: float


def _stored(root: Path, pattern: str) -> list[_Stored]:
    found = []
    for path in root.glob(pattern):
        if path.name.startswith(UNFINISHED):
            continue
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # another pruning was faster
        found.append(_Stored(path, stat.st_size, stat.st_mtime))
    return found


def _written_at(path: Path, default: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return default


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _remove_if_empty(folder: Path) -> None:
    try:
        if next(folder.iterdir(), None) is None:
            folder.rmdir()
    except OSError:
        return  # a file arrived in between, or another pruning was faster
