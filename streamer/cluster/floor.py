"""Who stands where while placement is being decided: loads of nodes as arrays, kept in step with every camera put down.

Nodes and cameras are numbered in the order of their names, so that what is decided does not depend on the order in
which they were given. How full a node is, is its fullest kind of resource: the dominant share of Ghodsi et al.,
"Dominant Resource Fairness", NSDI 2011.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from streamer.cluster.demand import KINDS, CameraDemand, Node

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
NOWHERE = -1
_ROUNDING = 1e-9
_amounts = attrgetter(*(f"cost.{kind}" for kind in KINDS))


class Floor:
    """N cameras on M nodes of R kinds of resources.

    cost float64 (N, R); bulk float64 (N,), how big a camera is; capacity, load float64 (M, R); full float64 (M,), how
    full every node is, 1 is full; where int64 (N,), a node or NOWHERE; kind_of int64 (N,), which cameras may stand in
    the same places; open_to bool (K, M), by kind: where one may be put; kept_at bool (K, M): where
    one may stay (draining nodes too); liked int64 (K, M): how many of the preferred labels a node has.
    """

    def __init__(self, cameras: Iterable[CameraDemand], nodes: Iterable[Node]) -> None:
        self.cameras = sorted(cameras, key=attrgetter("camera"))
        self.nodes = sorted(nodes, key=attrgetter("id"))
        _refuse_doubles([each.camera for each in self.cameras], "camera")
        _refuse_doubles([each.id for each in self.nodes], "node")
        n, m, r = len(self.cameras), len(self.nodes), len(KINDS)
        self.cost: Floats = np.array([_amounts(each) for each in self.cameras], np.float64).reshape(n, r)
        self.capacity: Floats = np.array(
            [[getattr(node.capacity, kind) for kind in KINDS] for node in self.nodes], np.float64
        ).reshape(m, r)
        with np.errstate(divide="ignore"):
            self.per_unit: Floats = np.where(self.capacity > 0, 1.0 / self.capacity, 0.0)
        self._limit = self.capacity * (1 + _ROUNDING) + _ROUNDING
        self.priority: Ints = np.array([each.priority for each in self.cameras], np.int64)
        self.kind_of, self.open_to, self.kept_at, self.liked = _kinds(self.cameras, self.nodes)
        self.load: Floats = np.zeros((m, r))
        self.full: Floats = np.zeros(m)
        self._load_of_priority = {int(p): np.zeros((m, r)) for p in np.unique(self.priority)}
        self.where: Ints = np.full(n, NOWHERE, np.int64)
        self.on: list[set[int]] = [set() for _ in self.nodes]
        self._size = self._sizes()
        self.bulk: Floats = (self.cost * self._share_of_all()).max(axis=1, initial=0.0)

    def put_all(self, where: Ints) -> None:
        """Everybody at once, on an empty floor; NOWHERE for those who stand nowhere."""
        standing = np.flatnonzero(where != NOWHERE)
        self.where[standing] = where[standing]
        np.add.at(self.load, where[standing], self.cost[standing])
        for priority, load in self._load_of_priority.items():
            of_it = standing[self.priority[standing] == priority]
            np.add.at(load, where[of_it], self.cost[of_it])
        for camera, node in zip(standing.tolist(), where[standing].tolist(), strict=True):
            self.on[node].add(camera)
        self.full[:] = (self.load * self.per_unit).max(axis=1, initial=0.0)

    def put(self, camera: int, node: int) -> None:
        """A camera that stands nowhere, onto a node."""
        self.where[camera] = node
        self.load[node] += self.cost[camera]
        self.full[node] = (self.load[node] * self.per_unit[node]).max()
        self._load_of_priority[int(self.priority[camera])][node] += self.cost[camera]
        self.on[node].add(camera)

    def lift(self, camera: int) -> None:
        """A camera off its node."""
        node = int(self.where[camera])
        self.where[camera] = NOWHERE
        self.on[node].remove(camera)
        self.load[node] -= self.cost[camera]
        self._load_of_priority[int(self.priority[camera])][node] -= self.cost[camera]
        if not self.on[node]:
            self.load[node] = 0.0
        self.full[node] = (self.load[node] * self.per_unit[node]).max()

    def use_with(self, camera: int) -> Floats:
        """float64 (M,): how full every node would be with this camera on top."""
        full: Floats = ((self.load + self.cost[camera]) * self.per_unit).max(axis=1, initial=0.0)
        return full

    def fit(self, load: Floats, node: int) -> Mask:
        """bool (…,): whether loads float64 (…, R) are within what a node can carry."""
        fits: Mask = (load <= self._limit[node]).all(axis=-1)
        return fits

    def would_fit(self, camera: int, node: int) -> bool:
        """Whether there is room for it at a node, open to it or not."""
        return bool(self.fit(self.load[node] + self.cost[camera], node))

    def room_for(self, camera: int) -> Mask:
        """bool (M,): where this camera may be put now."""
        fits: Mask = (self.load + self.cost[camera] <= self._limit).all(axis=1)
        may: Mask = fits & self.open_to[self.kind_of[camera]]
        return may

    def room_if_others_left(self, camera: int) -> Mask:
        """bool (M,): where this camera could be put, if all of lower priority went."""
        lower = sum(
            (load for priority, load in self._load_of_priority.items() if priority < self.priority[camera]),
            np.zeros_like(self.load),
        )
        fits: Mask = (self.load - lower + self.cost[camera] <= self._limit).all(axis=1)
        may: Mask = fits & self.open_to[self.kind_of[camera]]
        return may

    def overfull(self) -> Ints:
        """Nodes that carry more than they can."""
        return np.flatnonzero((self.load > self._limit).any(axis=1))

    def overfull_at(self, node: int) -> bool:
        """Whether this one does."""
        return not bool(self.fit(self.load[node], node))

    def level(self, kind: int) -> float:
        """How full the nodes of this kind of camera would be if all carried the same: the mean, by size."""
        there = self.open_to[kind]
        weight = self._size[there]
        return float((self.full[there] * weight).sum() / weight.sum()) if weight.any() else 0.0

    def coming(self) -> Floats:
        """float64 (K, R): what all who stand nowhere would take, by kind of camera."""
        homeless = np.flatnonzero(self.where == NOWHERE)
        taken: Floats = np.zeros((len(self.open_to), self.cost.shape[1]))
        np.add.at(taken, self.kind_of[homeless], self.cost[homeless])
        return taken

    def level_with_all(self, kind: int, coming: Floats) -> float:
        """The same once all who stand nowhere have been put down, as far as can be told; coming: as coming() says."""
        there = self.open_to[kind]
        size_of = self.open_to @ self._size  # of the nodes that are open to each kind
        with np.errstate(divide="ignore", invalid="ignore"):
            # Of each kind as much comes here as these nodes are of those that are open to it.
            share = np.where(size_of > 0, (self.open_to & there) @ self._size / size_of, 0.0)
        arriving = share @ coming
        capacity = self.capacity[there].sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            more = np.where((capacity > 0) & np.isfinite(capacity), arriving / capacity, 0.0)
        return self.level(kind) + float(more.max())

    def _share_of_all(self) -> Floats:
        """float64 (R,): what one unit of each kind of resource is of all that the nodes have."""
        have = self.capacity.sum(axis=0)
        with np.errstate(divide="ignore"):
            return np.where((have > 0) & np.isfinite(have), 1.0 / have, 0.0)

    def _sizes(self) -> Floats:
        """float64 (M,): how big a node is, compared by the kind of resource that is scarcest in all."""
        asked = self.cost.sum(axis=0)
        there = self.capacity[[not node.draining for node in self.nodes]]
        finite = np.where(np.isfinite(there), there, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            pressed = np.where(finite.sum(axis=0) > 0, asked / finite.sum(axis=0), 0.0)
        size = self.capacity[:, int(np.argmax(pressed))] if pressed.any() else np.ones(len(self.nodes))
        return np.where(np.isfinite(size), size, 1.0)


def _kinds(cameras: Sequence[CameraDemand], nodes: Sequence[Node]) -> tuple[Ints, Mask, Mask, Ints]:
    numbers: dict[tuple[frozenset[str], frozenset[str], bool], int] = {}
    kind_of = [numbers.setdefault((c.required, c.preferred, c.needs_gpu), len(numbers)) for c in cameras]
    kept_at = np.array(
        [
            [required <= node.labels and (node.capacity.gpu > 0 or not needs_gpu) for node in nodes]
            for required, _, needs_gpu in numbers
        ],
        np.bool_,
    ).reshape(len(numbers), len(nodes))
    liked = np.array([[len(preferred & node.labels) for node in nodes] for _, preferred, _ in numbers], np.int64)
    awake = np.array([not node.draining for node in nodes], np.bool_)
    return np.array(kind_of, np.int64), kept_at & awake, kept_at, liked.reshape(kept_at.shape)


def _refuse_doubles(names: Sequence[str], what: str) -> None:
    for before, name in pairwise(names):
        if before == name:
            raise ValueError(f"{what} '{name}' is named twice; names are unique in a cluster")


def numbered(floor: Floor, now: Mapping[str, str]) -> Ints:
    """int64 (N,): where each camera stands in an assignment by name; NOWHERE where its node is not among these."""
    number = {node.id: i for i, node in enumerate(floor.nodes)}
    found = (number.get(now.get(each.camera, ""), NOWHERE) for each in floor.cameras)
    return np.fromiter(found, np.int64, len(floor.cameras))
