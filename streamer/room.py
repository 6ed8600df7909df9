"""Room on the data folder's disk that alerts need more than their pictures do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

LEAST_FREE_BYTES = 64 * 2**20
LEAST_FREE_SHARE = 0.05
"""Of a small disk."""


def require_room(folder: Path) -> None:
    """Pictures, clips and recordings ask this before they are written: what is left is for the outbox.

    Without it they would fill the disk, alert changes could not be stored, and the cameras would wait: evidence would
    have stopped the watching. Raises OSError with ENOSPC where too little is free; costs a system call.
    """
    disk = os.statvfs(folder)
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    kept = min(LEAST_FREE_BYTES, int(LEAST_FREE_SHARE * whole))
    if free < kept:
        raise OSError(errno.ENOSPC, f"{free / 1e6:.0f} MB are free, and {kept / 1e6:.0f} MB are kept for alerts")
