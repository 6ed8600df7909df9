"""The audit log of a configuration, as those see it who write into it and read it."""

from __future__ import annotations

import contextlib
import getpass
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamer.audit.entry import Act
from streamer.audit.reading import Asked, newest_first
from streamer.audit.trail import AuditTrail
from streamer.clock import Clock, SystemClock
from streamer.config import Config
from streamer.web.parts import Audit, AuditWanted, Who


@contextlib.contextmanager
def open_trail(config: Config, clock: Clock) -> Iterator[AuditTrail]:
    """The log of a service, which begins and ends in it."""
    trail = AuditTrail(config.data_dir, clock, keep_days=config.keep.audit_days)
    trail.record(_service("started", f"with {len(config.cameras)} cameras"))
    try:
        yield trail
    finally:
        trail.record(_service("stopped", "the service"))


def told_to(trail: AuditTrail) -> Audit:
    """What the console calls."""

    def audit(
        who: Who, did: str, what: str, *, camera: str | None = None, cameras: Sequence[str] = (), outcome: str = "done"
    ) -> None:
        about = tuple(cameras) or ((camera,) if camera is not None else ())
        trail.record(Act(who.name, who.role, who.address, did, what, about, outcome))

    return audit


def orders_told_to(trail: AuditTrail, name: str) -> Callable[[str, str, tuple[str, ...]], None]:
    """What is called when a machine orders something: from where, what, and which cameras it was about."""

    def ordered(address: str, what: str, cameras: tuple[str, ...]) -> None:
        trail.record(Act(name, "machine", address, "woke", what, cameras))

    return ordered


def entries_of(data_dir: Path) -> Callable[[AuditWanted, int], Sequence[Mapping[str, Any]]]:
    """What the console asks."""

    def entries(wanted: AuditWanted, most: int) -> Sequence[Mapping[str, Any]]:
        asked = Asked(wanted.since, wanted.until, wanted.who, wanted.camera, wanted.before)
        return list(itertools.islice(newest_first(data_dir, asked), most))

    return entries


def record_command(data_dir: Path, did: str, what: str, camera: str | None = None) -> None:
    """Somebody at this machine did something with the data folder, by a command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = "?"
    act = Act(name, "shell", "local", did, what, () if camera is None else (camera,))
    AuditTrail(data_dir, SystemClock(), keep_days=float("inf")).record(act)


def _service(did: str, what: str) -> Act:
    return Act("streamer", "service", "local", did, what)
