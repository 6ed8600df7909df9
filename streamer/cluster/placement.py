"""Which node watches which camera: as few moves as possible, nobody over capacity, nobody much fuller than others.

    place(cameras, nodes, now) ─▶ keep who may stay ▶ lift what is too much ▶ put down the homeless ▶ level ▶ try again

A camera stays where it is unless it must go: its node is gone, draining, lacks a label, or carries too much. Who has no
node is put onto the one that is least full with it, the most important and then the biggest first (list scheduling,
Graham, "Bounds on Multiprocessing Timing Anomalies", 1969). No node may be fuller than (1 + BAND) times the mean or
emptier than (1 - BAND) times: the bound of Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads",
SODA 2018, whose hashing is not needed where one place knows the whole assignment; knowing it, only what is outside of
the band is moved (levelling.py). Where there is not room for all, those of lower priority make room.

Pure: the same cameras, nodes and assignment, in whatever order, give the same placement.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

import numpy as np

from streamer.cluster.demand import Assignment, CameraDemand, Move, Node, Placement
from streamer.cluster.floor import NOWHERE, Floor, Ints, Mask, numbered
from streamer.cluster.levelling import BAND, level
from streamer.cluster.reasons import why_it_moved, why_nowhere

_NOTHING: Mapping[str, str] = {}


def place(cameras: Iterable[CameraDemand], nodes: Iterable[Node], now: Mapping[str, str] = _NOTHING) -> Placement:
    """Where every camera should be. now: camera → node as it is; names that are no longer there are passed over.

    Raises ValueError for a name that comes twice.
    """
    floor = Floor(cameras, nodes)
    before = numbered(floor, now)
    if not floor.nodes:
        return _told(floor, now)
    floor.put_all(np.where(_may_stay(floor, before), before, NOWHERE))
    _lift_what_is_too_much(floor)
    _put_down(floor, before)
    level(floor, before)
    _put_down(floor, before)  # levelling may have made room
    return _told(floor, now)


def _may_stay(floor: Floor, before: Ints) -> Mask:
    there = before != NOWHERE
    stays: Mask = there.copy()
    stays[there] = floor.open_to[floor.kind_of[there], before[there]]
    return stays


def _lift_what_is_too_much(floor: Floor) -> None:
    for node in floor.overfull().tolist():
        while floor.overfull_at(node):
            floor.lift(_least_missed(floor, floor.on[node]))


def _least_missed(floor: Floor, cameras: Iterable[int]) -> int:
    """The lowest priority, then the biggest: so that few go."""
    return min(cameras, key=lambda each: (floor.priority[each], -floor.bulk[each], each))


def _put_down(floor: Floor, before: Ints) -> None:
    """Everybody who stands nowhere, where there is room."""
    homeless = np.flatnonzero(floor.where == NOWHERE).tolist()
    queue = [(-int(floor.priority[each]), -float(floor.bulk[each]), each) for each in homeless]
    heapq.heapify(queue)
    levels, coming = {}, floor.coming()
    for kind in {int(floor.kind_of[each]) for each in homeless}:
        if floor.liked[kind].any():
            levels[kind] = floor.level_with_all(kind, coming)
    while queue:
        _, _, camera = heapq.heappop(queue)
        node = _best_for(floor, camera, levels)
        if node is None and not _back(floor, camera, int(before[camera])):
            for other in _made_room(floor, camera):
                heapq.heappush(queue, (-int(floor.priority[other]), -float(floor.bulk[other]), other))
        elif node is not None:
            floor.put(camera, node)


def _best_for(floor: Floor, camera: int, levels: Mapping[int, float]) -> int | None:
    """The least full with it; of nodes that it likes, as long as it makes none of them fuller than others are.

    levels: how full nodes will be on average, of kinds of cameras that like some.
    """
    room = floor.room_for(camera)
    if not room.any():
        return None
    full = np.where(room, floor.use_with(camera), np.inf)
    kind = int(floor.kind_of[camera])
    liked = floor.liked[kind]
    if kind in levels:
        for much in sorted({*liked.tolist()} - {0}, reverse=True):
            among = np.where(liked == much, full, np.inf)
            best = int(among.argmin())
            if among[best] <= (1 + BAND) * levels[kind]:
                return best
    return int(full.argmin())


def _back(floor: Floor, camera: int, node: int) -> bool:
    """A draining node keeps what nobody else has room for: better watched there until the end than not at all."""
    if node == NOWHERE or not floor.nodes[node].draining or not floor.kept_at[floor.kind_of[camera], node]:
        return False
    if not floor.would_fit(camera, node):
        return False
    floor.put(camera, node)
    return True


def _made_room(floor: Floor, camera: int) -> list[int]:
    """Put it where cameras of lower priority can make room, with the fewest of them; who had to go."""
    could = floor.room_if_others_left(camera)
    if not could.any():
        return []
    node = int(np.where(could, floor.use_with(camera), np.inf).argmin())
    gone: list[int] = []
    while not floor.would_fit(camera, node):
        lower = [each for each in floor.on[node] if floor.priority[each] < floor.priority[camera]]
        gone.append(_least_missed(floor, lower))
        floor.lift(gone[-1])
    floor.put(camera, node)
    return gone


def _told(floor: Floor, now: Mapping[str, str]) -> Placement:
    nodes: dict[str, str] = {}
    unplaced: dict[str, str] = {}
    held_back: dict[str, str] = {}
    moves: list[Move] = []
    known = {node.id: node for node in floor.nodes}
    names = [node.id for node in floor.nodes]
    draining = [node.draining for node in floor.nodes]
    for number, (demand, at) in enumerate(zip(floor.cameras, floor.where.tolist(), strict=True)):
        camera = demand.camera
        source, target = now.get(camera), None if at == NOWHERE else names[at]
        if target is None:
            unplaced[camera] = why_nowhere(floor, number)
        else:
            nodes[camera] = target
            if draining[at]:
                held_back[camera] = f"{target} is draining, and {why_nowhere(floor, number)}"
        if source != target:
            why = unplaced.get(camera) or why_it_moved(demand, known.get(source or ""), source)
            moves.append(Move(camera, source, target, why))
    return Placement(Assignment(nodes, unplaced, held_back), tuple(moves))
