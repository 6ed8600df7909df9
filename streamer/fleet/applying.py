"""A configuration for the whole cluster: planned against the one in Redis, brought in by every node, or taken back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streamer.cluster.state import ClusterState, Picture
from streamer.config import Config
from streamer.config.load import config_of, read_text
from streamer.config.plan import Plan, plan
from streamer.errors import ConfigError

WITHIN_S = 60.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Applied:
    """number: that is in force; problems: camera → why it could not be brought in, and then nothing was changed;
    late: nodes that have not said that they have it."""

    number: int
    problems: Mapping[str, str]
    late: tuple[str, ...] = ()


def redis_of(config: Config, origin: str) -> str:
    """Where the cluster's state is. Raises ConfigError where the configuration names no Redis."""
    if config.redis is None:
        raise ConfigError([f"{origin}: a cluster needs 'redis': leases, shares and alerts are there"])
    return config.redis.url


def steps(state: ClusterState, path: Path) -> Plan | None:
    """What a file would change in the cluster; None where the cluster has no configuration yet. Raises ConfigError."""
    written = state.read().written
    wanted = config_of(read_text(path), path.absolute(), str(path))
    return None if written is None else plan(config_of(written.text, Path(written.path), "the cluster"), wanted)


def begin(state: ClusterState, path: Path) -> int:
    """Put the file in force where there is none, or it differs, before anything runs; its number."""
    text, written = read_text(path), state.read().written
    config_of(text, path.absolute(), str(path))
    if written is not None and written.text == text and written.path == str(path.absolute()):
        return written.number
    number = written.number if written else 0
    if not state.configure(text, str(path.absolute()), replaces=number):
        raise ConfigError([f"{path}: somebody else configures this cluster at the same moment; try again"])
    return number + 1


def apply(state: ClusterState, path: Path, *, within_s: float = WITHIN_S) -> Applied:
    """Bring a file in, and wait until every node that lives says so; where a camera fails, the text before comes back.

    Raises ConfigError, SinkUnavailable.
    """
    before = state.read()
    if before.written is None:
        raise ConfigError(["this cluster has no configuration yet: start it with `streamer cluster run CONFIG`"])
    changes = steps(state, path)
    changed = {each.camera for each in changes.changes} if changes else set()
    number = begin(state, path)
    until_s = time.monotonic() + within_s
    while (late := _late(seen := state.read(), number)) and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
    known_before = _problems(before)
    problems = {
        name: why for name, why in _problems(seen).items() if (not name or name in changed) and name not in known_before
    }
    if problems:
        state.configure(before.written.text, before.written.path, replaces=number)
        return Applied(before.written.number, problems, late)
    return Applied(number, {}, late)


def _late(seen: Picture, number: int) -> tuple[str, ...]:
    """Nodes that have not brought it in, or watch something else than their share."""
    return tuple(
        sorted(
            node
            for node, share in seen.shares.items()
            if (beat := seen.beats.get(node)) is None
            or beat.number < number
            or not share.cameras.keys() <= {*beat.cameras, *beat.problems}
        )
    )


def _problems(seen: Picture) -> dict[str, str]:
    return {camera: why for beat in seen.beats.values() for camera, why in beat.problems.items()}
