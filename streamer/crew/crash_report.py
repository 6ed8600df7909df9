"""Which camera brought its member down: Python's fault handler says on which thread it happened.

A native crash (SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL) is handled on the thread that caused it. What the handler
writes goes into memory that the house holds too, and is read there once the member is gone.
"""

from __future__ import annotations

import faulthandler
import os
import re
from collections.abc import Mapping

_CULPRIT = re.compile(rb"^Current thread 0x([0-9a-f]+)", re.MULTILINE)
_MOST_BYTES = 100_000


def report_to(descriptor: int) -> None:
    """In the member: from now on crashes are written there. The descriptor stays open."""
    faulthandler.enable(descriptor)


def report_of(descriptor: int) -> bytes:
    """In the house: what was written; closes the descriptor."""
    try:
        return os.pread(descriptor, _MOST_BYTES, 0)
    finally:
        os.close(descriptor)


def culprit(report: bytes, cameras: Mapping[int, str]) -> str | None:
    """The camera on whose thread it happened, by thread id; None where it was no camera's, or nothing was written."""
    found = _CULPRIT.search(report)
    return cameras.get(int(found.group(1), 16)) if found else None
