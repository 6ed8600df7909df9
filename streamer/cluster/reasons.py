"""Why a camera is where it is, or nowhere, in a sentence for whoever has to do something about it."""

from __future__ import annotations

import numpy as np

from streamer.cluster.demand import KINDS, NAMED, CameraDemand, Node
from streamer.cluster.floor import Floor


def why_nowhere(floor: Floor, camera: int) -> str:
    """What is missing for a camera that no node took."""
    demand = floor.cameras[camera]
    if not floor.nodes:
        return "the cluster has no node"
    having = [node for node in floor.nodes if demand.required <= node.labels]
    if not having:
        return f"no node has {_labels(demand.required)}; label one, or change what the camera requires"
    if demand.needs_gpu and not any(node.capacity.gpu > 0 for node in having):
        return f"it needs a GPU and no node{_with(demand.required)} has one"
    may = np.flatnonzero(floor.open_to[floor.kind_of[camera]])
    if not len(may):
        return f"every node{_with(demand.required)} that it may run on is draining"
    free = floor.capacity[may] - floor.load[may]
    short = floor.cost[camera] > free
    kind = int(np.argmax(short.mean(axis=0)))
    nodes = "the one node" if len(may) == 1 else f"the {len(may)} nodes"
    most = max(0.0, float(free[:, kind].max()))
    return (
        f"{nodes}{_with(demand.required)} that it may run on {'is' if len(may) == 1 else 'are'} full: it takes "
        f"{floor.cost[camera, kind]:.3g} {NAMED[KINDS[kind]]}, and the most that is free on one is {most:.3g}"
    )


def why_it_moved(demand: CameraDemand, source: Node | None, was_at: str | None) -> str:
    """Why a camera that has a node now was not left where it was."""
    if was_at is None:
        return "it is new"
    if source is None:
        return f"{was_at} is gone"
    if source.draining:
        return f"{was_at} is draining"
    if not demand.required <= source.labels:
        return f"{was_at} lacks {_labels(demand.required - source.labels)}"
    if demand.needs_gpu and not source.capacity.gpu > 0:
        return f"{was_at} has no GPU"
    return f"{was_at} was too full"


def _labels(labels: frozenset[str]) -> str:
    return " and ".join(sorted(labels))


def _with(labels: frozenset[str]) -> str:
    return f" with {_labels(labels)}" if labels else ""
