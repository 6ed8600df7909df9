"""What another configuration would change in a running service: camera by camera, and what only a restart brings in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamer.config.model import Config, Strict

What = Literal["added", "removed", "changed", "same"]


@dataclass(frozen=True, slots=True)
class CameraChange:
    """One camera of either configuration.

    keys: of its CameraConfig, dotted, those that differ ("rules", "zones.door", "analyse_fps"); only where it changed.
    Never values: they may hold passwords.
    """

    camera: str
    what: What
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """cameras: those of the running configuration in its order, then the new ones. restart: keys outside of `cameras`
    that differ, dotted, and that only a restart brings in."""

    cameras: tuple[CameraChange, ...]
    restart: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[CameraChange, ...]:
        """The cameras that do not stay as they are."""
        return tuple(change for change in self.cameras if change.what != "same")

    @property
    def is_empty(self) -> bool:
        """Whether both configurations say the same."""
        return not self.changes and not self.restart


def plan(running: Config, wanted: Config) -> Plan:
    """What would have to change for the running configuration to become the wanted one."""
    cameras = (_change(name, running, wanted) for name in {**running.cameras, **wanted.cameras})
    restart = (key for key in _differing(running, wanted) if key.partition(".")[0] != "cameras")
    return Plan(tuple(cameras), tuple(restart))


def _change(name: str, running: Config, wanted: Config) -> CameraChange:
    if name not in running.cameras:
        return CameraChange(name, "added")
    if name not in wanted.cameras:
        return CameraChange(name, "removed")
    keys = tuple(_differing(running.cameras[name], wanted.cameras[name]))
    return CameraChange(name, "changed" if keys else "same", keys)


def _differing(one: object, other: object, at: str = "") -> Iterator[str]:
    """The keys at which both differ, as deep as both are sections or both are tables of names."""
    if isinstance(one, Strict) and type(one) is type(other):
        one, other = dict(iter(one)), dict(iter(other))  # a section may have a property called keys
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            where = f"{at}.{key}" if at else str(key)
            if key not in one or key not in other:
                yield where
            else:
                yield from _differing(one[key], other[key], where)
    elif one != other:
        yield at
