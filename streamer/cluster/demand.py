"""The nouns of placement: what a node has, what a camera takes, and who watches what.

Amounts are what is used in a second of running, so that they add up: a node's capacity is used when the sums of its
cameras reach it in any one of the five. A kind of which a node has no limit is infinite there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType

KINDS = ("cpu", "decode", "model", "gpu", "memory_mb")
NAMED: Mapping[str, str] = MappingProxyType(
    {
        "cpu": "processor cores",
        "decode": "of the hardware decoder",
        "model": "seconds of the model a second",
        "gpu": "of a GPU",
        "memory_mb": "MB of memory",
    }
)


@dataclass(frozen=True, slots=True)
class Resources:
    """cpu: core-seconds a second; decode: seconds a second of a hardware decoder; model: seconds a second of the net;
    gpu: share of a GPU; memory_mb: as it is. Negative amounts are a ValueError."""

    cpu: float = 0.0
    decode: float = 0.0
    model: float = 0.0
    gpu: float = 0.0
    memory_mb: float = 0.0

    def __post_init__(self) -> None:
        for kind in KINDS:
            if not getattr(self, kind) >= 0:
                raise ValueError(f"{kind}: an amount is not negative; got {getattr(self, kind)}")

    @classmethod
    def endless(cls) -> Resources:
        """Of a node that nobody measured."""
        return cls(inf, inf, inf, inf, inf)


@dataclass(frozen=True, slots=True)
class Node:
    """One machine. labels: facts as `site=berlin`; draining: it takes no more cameras, and lets its own go."""

    id: str
    capacity: Resources
    labels: frozenset[str] = frozenset()
    draining: bool = False


@dataclass(frozen=True, slots=True)
class CameraDemand:
    """One camera as placement sees it.

    priority    more is first, where there is not room for all
    required    labels that its node must have
    preferred   labels that its node should have, as long as it does not carry more than others for it
    """

    camera: str
    cost: Resources
    priority: int = 1
    required: frozenset[str] = frozenset()
    preferred: frozenset[str] = frozenset()
    needs_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who watches what. unplaced: camera → why nobody does; held_back: camera → why it is still on a draining node."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    unplaced: Mapping[str, str] = field(default_factory=dict)
    held_back: Mapping[str, str] = field(default_factory=dict)

    def of(self, node: str) -> tuple[str, ...]:
        """The cameras of a node, by name."""
        return tuple(sorted(camera for camera, where in self.nodes.items() if where == node))


@dataclass(frozen=True, slots=True)
class Move:
    """One camera that changes its node. source None: nobody watched it; target None: nobody does any more."""

    camera: str
    source: str | None
    target: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Placement:
    """What placement decided: the new assignment, and how it differs from the one before, by camera."""

    assignment: Assignment
    moves: tuple[Move, ...]
