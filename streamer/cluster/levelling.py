"""Making nodes equally full, with few moves: only who is outside of a band around the mean gives or gets cameras.

A local search: the fullest node that has something to give, the emptiest that may take it, the biggest camera that
helps. Every move makes the fuller of the two less full than it was, so that it ends; where no single camera can do
that, the nodes are as equal as their cameras allow. Kinds of cameras that may stand in different places are levelled
one after the other, each over the nodes that are open to it.
"""

from __future__ import annotations

import numpy as np

from streamer.cluster.floor import Floor, Ints

BAND = 0.10
_INSIDE = 0.095  # what is moved at all is moved a little further in, or the next small change would move it again
_HELPS = 1e-9


def level(floor: Floor, before: Ints) -> None:
    """Move what is outside of the band. before: where cameras stood, to move those who have moved anyway first."""
    for _ in range(3):  # levelling one kind may unlevel another, a little
        if not sum(_level_kind(floor, kind, before) for kind in range(len(floor.open_to))):
            return


def _level_kind(floor: Floor, kind: int, before: Ints) -> int:
    open_to = np.flatnonzero(floor.open_to[kind])
    mean = floor.level(kind)
    if len(open_to) < 2 or mean <= 0:
        return 0
    full = floor.full
    if full[open_to].max() <= (1 + BAND) * mean and full[open_to].min() >= (1 - BAND) * mean:
        return 0
    most, least = (1 + _INSIDE) * mean, (1 - _INSIDE) * mean
    giving = np.ones(len(open_to), np.bool_)  # who has not shown yet to have nothing for the emptiest
    moves, served = 0, -1
    while True:
        full = floor.full[open_to]
        emptiest = int(open_to[full.argmin()])
        if emptiest != served:
            giving[:], served = open_to != emptiest, emptiest
        fullest = int(open_to[np.where(giving, full, -1.0).argmax()])
        high, low = float(floor.full[fullest]), float(floor.full[emptiest])
        if not giving.any() or high <= low or (high <= most and low >= least):
            return moves
        camera = _to_give(floor, kind, fullest, emptiest, most, least, before)
        if camera is None:
            giving[open_to == fullest] = False
            continue
        floor.lift(camera)
        floor.put(camera, emptiest)
        moves += 1


def _to_give(floor: Floor, kind: int, source: int, target: int, most: float, least: float, before: Ints) -> int | None:
    """The camera whose move helps most, or None where none does.

    First those that have moved already or like the target no less; then those that leave both nodes inside the band;
    then the biggest.
    """
    there_now = np.fromiter(floor.on[source], np.int64, len(floor.on[source]))
    candidates = there_now[floor.kind_of[there_now] == kind]
    if not len(candidates):
        return None
    cost = floor.cost[candidates]
    with_it = floor.load[target] + cost
    there = (with_it * floor.per_unit[target]).max(axis=1)
    here = ((floor.load[source] - cost) * floor.per_unit[source]).max(axis=1)
    helps = (np.maximum(there, here) < floor.full[source] - _HELPS) & floor.fit(with_it, target)
    if not helps.any():
        return None
    tidy = (there <= most) & (here >= least)
    free = before[candidates] != source
    liked = floor.liked[kind][target] >= floor.liked[kind][source]
    order = np.lexsort((candidates, -floor.bulk[candidates], ~tidy, ~(free | liked), ~helps))
    return int(candidates[order[0]])
