"""How fast and how gently are cameras placed on nodes? Ten thousand cameras, two hundred nodes, and no day is quiet.

    python -m tests.benchmarks.placement [--cameras 10000] [--nodes 200] [--events 300] [--seed 1]

The cluster has eight sites. Every camera must run on a node of its site, one in ten needs a GPU, one in five prefers a
rack; costs spread over a factor of eight, priorities are three, node sizes are two. Events come one after the other,
each from where the one before left things: a node dies, comes back, is drained, joins as new; a rack of ten is lost and
comes back; cameras are added, removed, change what they cost, by one or by a hundred.

decision_ms_p99       of place(), by the clock on the wall, over all events; cold_ms is the first, from nothing
moves_over_minimum    moves of all events over the sum of their lower bounds. The bound of an event is counted beside
                      the algorithm: cameras whose node is gone or draining must move; and in each site either nodes
                      that are too full must give (the fewest, their biggest), or nodes that are too empty must get what
                      homeless and new cameras do not bring (as few as the site's biggest allow), whichever is more. It
                      asks for the same ±10 % and ignores GPUs and capacity: what is possible may be worse, never
                      better. Cameras that are new or go for good are no moves
imbalance             the most that any node of any site was above or below its site's mean, after any event
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from streamer.cluster.demand import CameraDemand, Node, Placement, Resources
from streamer.cluster.levelling import BAND
from streamer.cluster.placement import place
from tests.benchmarks.report import report

SITES = tuple(f"site={name}" for name in ("berlin", "cairo", "delhi", "hanoi", "lagos", "lima", "oslo", "perth"))


class World:
    """The cluster as it is, and what may happen to it."""

    def __init__(self, cameras: int, nodes: int, seed: int) -> None:
        self._rng = random.Random(seed)
        self.nodes = {node.id: node for node in (self._node(n) for n in range(nodes))}
        self._next_camera, self._next_node = 0, nodes
        self.cameras: dict[str, CameraDemand] = {}
        self.spare: dict[str, Node] = {}
        self._load_per_node = 0.7 / (cameras / nodes)
        self.add(cameras)

    def happens(self) -> str:
        """One event; its name."""
        event = self._rng.choice(
            [
                "dies",
                "comes back",
                "drained",
                "joins",
                "rack lost",
                "all back",
                "added",
                "added 100",
                "removed 100",
                "cost",
            ]
        )
        rng, names = self._rng, sorted(self.nodes)
        match event:
            case "dies":
                self._lose([rng.choice(names)])
            case "drained":
                name = rng.choice(names)
                self.nodes[name] = replace(self.nodes[name], draining=True)
            case "comes back":
                for name in sorted(self.spare)[:1]:
                    self.nodes[name] = self.spare.pop(name)
                for name in [n for n in names if self.nodes[n].draining]:  # drained means: gone when it is empty
                    self.spare[name] = replace(self.nodes.pop(name), draining=False)
            case "joins":
                if len(self.nodes) < 210:
                    self.nodes[f"node-{self._next_node:04d}"] = self._node(self._next_node)
                    self._next_node += 1
            case "rack lost":
                if len(self.spare) < 12:  # in every site one or two: what is left can carry all
                    self._lose(rng.sample(names, 10))
            case "all back":
                self.nodes.update(self.spare)
                self.spare.clear()
            case "added":
                self.add(1)
            case "added 100":
                self.add(100)
            case "removed 100":
                for name in rng.sample(sorted(self.cameras), 100):
                    del self.cameras[name]
            case "cost":
                for name in rng.sample(sorted(self.cameras), 100):
                    self.cameras[name] = replace(self.cameras[name], cost=self._cost())
        return event

    def add(self, count: int) -> None:
        for _ in range(count):
            rng, name = self._rng, f"camera-{self._next_camera:06d}"
            self._next_camera += 1
            self.cameras[name] = CameraDemand(
                name,
                self._cost(),
                rng.choice([0, 1, 1, 1, 2]),
                frozenset({rng.choice(SITES)}),
                frozenset({f"rack={rng.randrange(3)}"}) if rng.random() < 0.2 else frozenset(),
                rng.random() < 0.1,
            )

    def _cost(self) -> Resources:
        cpu = self._rng.choice([0.25, 0.5, 1.0, 1.0, 1.0, 2.0]) * 16 * 1.25 * self._load_per_node
        return Resources(cpu=cpu, model=cpu / 40, memory_mb=600 * cpu)

    def _node(self, number: int) -> Node:
        cores = 16.0 if number % 3 else 32.0
        labels = frozenset({SITES[number % len(SITES)], f"rack={number // len(SITES) % 3}"})
        gpu = float(number // len(SITES) % 2 == 0)
        return Node(
            f"node-{number:04d}", Resources(cpu=cores, model=cores / 8, gpu=gpu, memory_mb=2048 * cores), labels
        )

    def _lose(self, names: Iterable[str]) -> None:
        for name in names:
            self.spare[name] = replace(self.nodes.pop(name), draining=False)


def least_moves(cameras: Iterable[CameraDemand], nodes: Iterable[Node], now: Mapping[str, str]) -> int:
    """No placement within the band makes fewer moves than this, see above."""
    nodes_of: dict[str, list[Node]] = defaultdict(list)
    cameras_of: dict[str, list[CameraDemand]] = defaultdict(list)
    for node in nodes:
        if not node.draining:
            [site] = node.labels & frozenset(SITES)
            nodes_of[site].append(node)
    for camera in cameras:
        [site] = camera.required
        cameras_of[site].append(camera)
    return sum(_least_of_a_site(cameras_of[site], nodes_of[site], now) for site in SITES)


def _least_of_a_site(cameras: list[CameraDemand], nodes: list[Node], now: Mapping[str, str]) -> int:
    capacity = {node.id: node.capacity.cpu for node in nodes}
    kept: dict[str, list[float]] = {node.id: [] for node in nodes}
    coming, forced = 0.0, 0
    for camera in cameras:
        where = now.get(camera.camera)
        if where in kept:
            kept[where].append(camera.cost.cpu)
        else:
            coming += camera.cost.cpu
            forced += where is not None
    mean = sum(camera.cost.cpu for camera in cameras) / sum(capacity.values())
    give, lacking = 0, -coming
    for node, costs in kept.items():
        surplus = sum(costs) - (1 + BAND) * mean * capacity[node]
        for cost in sorted(costs, reverse=True):
            if surplus <= 1e-9:
                break
            surplus -= cost
            give += 1
        lacking += max(0.0, (1 - BAND) * mean * capacity[node] - sum(costs))
    biggest = max((camera.cost.cpu for camera in cameras), default=1.0)
    return forced + max(give, math.ceil(lacking / biggest - 1e-9) if lacking > 0 else 0)


def imbalance(cameras: Iterable[CameraDemand], nodes: Iterable[Node], done: Placement) -> float:
    """How far the farthest node of any site is from its site's mean, as a share of that."""
    capacity = {node.id: node.capacity.cpu for node in nodes if not node.draining}
    site_of = {node.id: next(iter(node.labels & frozenset(SITES))) for node in nodes}
    load: dict[str, float] = dict.fromkeys(capacity, 0.0)
    for camera in cameras:
        where = done.assignment.nodes.get(camera.camera)
        if where in load:
            load[where] += camera.cost.cpu
    worst = 0.0
    for site in SITES:
        there = [name for name in load if site_of[name] == site]
        mean = sum(load[name] for name in there) / sum(capacity[name] for name in there)
        worst = max(worst, *(abs(load[name] / capacity[name] / mean - 1) for name in there))
    return worst


def main() -> None:
    """Measure, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.placement", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--cameras", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--nodes", type=int, default=200, help="how many at the beginning (default 200)")
    parser.add_argument("--events", type=int, default=300, help="how many (default 300)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that happens (default 1)")
    args = parser.parse_args()
    world = World(args.cameras, args.nodes, args.seed)
    begun_s = time.perf_counter()
    done = place(world.cameras.values(), world.nodes.values())
    cold_ms = 1000 * (time.perf_counter() - begun_s)
    now = dict(done.assignment.nodes)
    took_ms: list[float] = []
    cpu_ms: list[float] = []
    moves = least = unplaced = 0
    uneven: list[float] = []
    by_event: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for _ in range(args.events):
        event = world.happens()
        cameras, nodes = list(world.cameras.values()), list(world.nodes.values())
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        done = place(cameras, nodes, now)
        took_ms.append(1000 * (time.perf_counter() - begun_s))
        cpu_ms.append(1000 * (time.process_time() - begun_cpu_s))
        moved = sum(move.source is not None and move.target is not None for move in done.moves)
        bound = least_moves(cameras, nodes, now)
        moves, least, unplaced = moves + moved, least + bound, max(unplaced, len(done.assignment.unplaced))
        uneven.append(imbalance(cameras, nodes, done))
        for column, value in enumerate((1, moved, bound)):
            by_event[event][column] += value
        now = dict(done.assignment.nodes)
    for event, (times, moved, bound) in sorted(by_event.items()):
        print(f"{event:12} {times:4} times  {moved:6} moves, at least {bound}")
    report(
        "placement",
        {
            "cameras": args.cameras,
            "nodes": args.nodes,
            "events": args.events,
            "seed": args.seed,
            "decision_ms_p50": round(float(np.percentile(took_ms, 50)), 1),
            "decision_ms_p99": round(float(np.percentile(took_ms, 99)), 1),
            "decision_ms_most": round(max(took_ms), 1),
            "decision_cpu_ms_p99": round(float(np.percentile(cpu_ms, 99)), 1),
            "cold_ms": round(cold_ms, 1),
            "moves": moves,
            "moves_at_least": least,
            "moves_over_minimum": round(moves / least, 3),
            "imbalance": round(max(uneven), 4),
            "imbalance_median": round(float(np.median(uneven)), 4),
            "unplaced_most": unplaced,
        },
    )


if __name__ == "__main__":
    main()
