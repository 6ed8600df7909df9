"""Placement on any cluster: what must hold whoever comes and goes, checked by plain arithmetic beside it."""

from __future__ import annotations

import math
import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.cluster.demand import KINDS, CameraDemand, Node, Placement, Resources
from streamer.cluster.levelling import BAND
from streamer.cluster.placement import place

amounts = st.integers(0, 40).map(lambda tenths: tenths / 10)
labels = st.frozensets(st.sampled_from(["site=berlin", "site=paris", "rack=a"]), max_size=2)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[CameraDemand], list[Node]]:
    """A handful of nodes of all sizes and some cameras, from far too few to far too many."""
    nodes = [
        Node(
            f"node-{n}",
            Resources(
                cpu=draw(amounts), model=draw(amounts), memory_mb=draw(amounts), gpu=draw(st.sampled_from([0.0, 1.0]))
            ),
            draw(labels),
            draw(st.integers(0, 4)) == 0,
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    few = st.integers(0, 12).map(lambda tenths: tenths / 10)
    cameras = [
        CameraDemand(
            f"camera-{n}",
            Resources(cpu=draw(few), model=draw(few), memory_mb=draw(few)),
            draw(st.integers(0, 2)),
            draw(st.just(frozenset[str]()) | labels),
            draw(labels),
            draw(st.integers(0, 5)) == 0,
        )
        for n in range(draw(st.integers(0, 24)))
    ]
    return cameras, nodes


def loads(cameras: list[CameraDemand], where: dict[str, str]) -> dict[str, Counter[str]]:
    """node → kind of resource → what its cameras take."""
    used: dict[str, Counter[str]] = {}
    for each in cameras:
        if each.camera in where:
            used.setdefault(where[each.camera], Counter()).update({k: getattr(each.cost, k) for k in KINDS})
    return used


def may_run(camera: CameraDemand, node: Node) -> bool:
    return camera.required <= node.labels and (node.capacity.gpu > 0 or not camera.needs_gpu)


def holds(cameras: list[CameraDemand], nodes: list[Node], done: Placement) -> None:
    """Everything that must be true of one placement."""
    at, by_id = dict(done.assignment.nodes), {node.id: node for node in nodes}
    assert sorted([*at, *done.assignment.unplaced]) == sorted(each.camera for each in cameras)  # nobody lost or twice
    used = loads(cameras, at)
    for node, amount in used.items():
        for kind in KINDS:
            assert amount[kind] <= getattr(by_id[node].capacity, kind) + 1e-6, (node, kind)
    for each in cameras:
        if each.camera in at:
            node = by_id[at[each.camera]]
            assert may_run(each, node)
            assert not node.draining or each.camera in done.assignment.held_back
        else:
            assert len(done.assignment.unplaced[each.camera].split()) > 3
            for node in nodes:  # whoever has no node would have none if all of lower priority had gone
                if may_run(each, node) and not node.draining:
                    firm = [c for c in cameras if c.priority >= each.priority and at.get(c.camera) == node.id]
                    taken = loads(firm, at).get(node.id, Counter())
                    assert any(taken[k] + getattr(each.cost, k) > getattr(node.capacity, k) for k in KINDS), (
                        f"{each.camera} has room at {node.id}"
                    )


@given(clusters(), clusters(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_nobody_is_lost_or_twice_or_where_they_may_not_be_whatever_there_was_before(
    before: tuple[list[CameraDemand], list[Node]], after: tuple[list[CameraDemand], list[Node]], rng: random.Random
) -> None:
    first = place(*before)
    holds(*before, first)
    cameras, nodes = after
    second = place(cameras, nodes, first.assignment.nodes)
    holds(cameras, nodes, second)
    moved = {move.camera: (move.source, move.target) for move in second.moves}
    for each in cameras:  # what is told is what happened
        was, is_ = first.assignment.nodes.get(each.camera), second.assignment.nodes.get(each.camera)
        assert moved.get(each.camera, (was, was)) == (was, is_)
    rng.shuffle(cameras)
    rng.shuffle(nodes)
    assert place(cameras, nodes, first.assignment.nodes) == second


@given(clusters())
@settings(max_examples=150, deadline=None)
def test_what_was_placed_stays_where_it_is(cluster: tuple[list[CameraDemand], list[Node]]) -> None:
    once = place(*cluster)
    again = place(*cluster, once.assignment.nodes)
    settled = place(*cluster, again.assignment.nodes)
    assert len(again.moves) <= len(cluster[0]) // 4
    assert len(settled.moves) <= len(again.moves)


def alike(cameras: int, nodes: int) -> tuple[list[CameraDemand], list[Node]]:
    """Cameras that all cost the same on nodes of one size, with room to spare."""
    return (
        [CameraDemand(f"camera-{n}", Resources(cpu=1.0)) for n in range(cameras)],
        [Node(f"node-{n}", Resources(cpu=2.0 * cameras)) for n in range(nodes)],
    )


@given(st.integers(0, 200), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_who_joins_takes_no_more_than_its_fair_share_and_only_it_takes(cameras: int, nodes: int) -> None:
    demands, there = alike(cameras, nodes + 1)
    before = place(demands, there[:-1])
    after = place(demands, there, before.assignment.nodes)
    assert len(after.moves) <= math.ceil(cameras / (nodes + 1))
    assert {move.target for move in after.moves} <= {there[-1].id}


@given(st.integers(0, 200), st.integers(2, 20), st.data())
@settings(max_examples=200, deadline=None)
def test_who_leaves_moves_only_its_own_cameras(cameras: int, nodes: int, data: st.DataObject) -> None:
    demands, there = alike(cameras, nodes)
    before = place(demands, there)
    gone = data.draw(st.sampled_from(there))
    after = place(demands, [node for node in there if node is not gone], before.assignment.nodes)
    assert sorted(move.camera for move in after.moves) == list(before.assignment.of(gone.id))


@given(
    st.lists(st.integers(1, 10), max_size=120),
    st.lists(st.sampled_from([10, 20, 40]), min_size=2, max_size=12),
    st.sets(st.integers(0, 11)),
)
@settings(max_examples=150, deadline=None)
def test_nodes_of_all_sizes_are_equally_full_as_far_as_their_cameras_allow(
    costs: list[int], sizes: list[int], gone: set[int]
) -> None:
    demands = [CameraDemand(f"camera-{n}", Resources(cpu=cost)) for n, cost in enumerate(costs)]
    nodes = [Node(f"node-{n}", Resources(cpu=100.0 * size)) for n, size in enumerate(sizes)]
    left = [node for n, node in enumerate(nodes) if n not in gone] or nodes
    where = place(demands, left, place(demands, nodes).assignment.nodes).assignment.nodes
    full = {
        node.id: sum(d.cost.cpu for d in demands if where[d.camera] == node.id) / node.capacity.cpu for node in left
    }
    mean = sum(costs) / sum(node.capacity.cpu for node in left)
    by_id = {node.id: node for node in left}
    emptiest = min(left, key=lambda node: full[node.id])
    for demand in demands:  # outside of the band only where no camera of it would make the pair more equal
        source = by_id[where[demand.camera]]
        if full[source.id] > (1 + BAND) * mean + 1e-9:
            there = full[emptiest.id] + demand.cost.cpu / emptiest.capacity.cpu
            assert there >= full[source.id] - 1e-9


def test_a_drained_node_is_empty_and_says_why_its_cameras_moved() -> None:
    demands, there = alike(40, 4)
    before = place(demands, there)
    drained = [Node(there[0].id, there[0].capacity, draining=True), *there[1:]]
    after = place(demands, drained, before.assignment.nodes)
    assert after.assignment.of("node-0") == ()
    assert {move.why for move in after.moves} == {"node-0 is draining"}


def test_a_draining_node_keeps_what_nobody_has_room_for() -> None:
    nodes = [Node("a", Resources(cpu=2), draining=True), Node("b", Resources(cpu=2))]
    demands = [CameraDemand(f"c{n}", Resources(cpu=1)) for n in range(4)]
    done = place(demands, nodes, {"c0": "a", "c1": "a", "c2": "b", "c3": "b"})
    assert done.assignment.of("a") == ("c0", "c1")
    assert "a is draining, and the one node that it may run on is full" in done.assignment.held_back["c0"]


def test_the_important_come_first_and_the_others_are_told_what_is_missing() -> None:
    nodes = [Node("a", Resources(cpu=1.0), frozenset({"site=berlin"}))]
    low = CameraDemand("low", Resources(cpu=0.6), priority=0)
    high = CameraDemand("high", Resources(cpu=0.6), priority=2)
    far = CameraDemand("far", Resources(cpu=0.1), required=frozenset({"site=paris"}))
    seeing = CameraDemand("seeing", Resources(cpu=0.1), needs_gpu=True)
    done = place([low, high, far, seeing], nodes, {"low": "a"})
    assert dict(done.assignment.nodes) == {"high": "a"}
    assert done.assignment.unplaced["low"] == (
        "the one node that it may run on is full: it takes 0.6 processor cores, and the most that is free on one is 0.4"
    )
    assert done.assignment.unplaced["far"] == "no node has site=paris; label one, or change what the camera requires"
    assert done.assignment.unplaced["seeing"] == "it needs a GPU and no node has one"


def test_a_liked_node_is_taken_as_long_as_it_is_no_fuller_than_others() -> None:
    nodes = [Node("a", Resources(cpu=20), frozenset({"rack=a"})), Node("b", Resources(cpu=20))]
    like = [CameraDemand(f"c{n:02d}", Resources(cpu=0.1), preferred=frozenset({"rack=a"})) for n in range(100)]
    done = place(like, nodes)
    assert 50 <= len(done.assignment.of("a")) <= 55
    few = [*like[:10], *(CameraDemand(f"d{n}", Resources(cpu=0.1)) for n in range(30))]
    assert set(place(few, nodes).assignment.of("a")) >= {f"c{n:02d}" for n in range(10)}
