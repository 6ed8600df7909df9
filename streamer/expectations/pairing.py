"""Who belongs to whom: pairs of two lists, as many as can be, and of two that would do the nearer one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def largest_pairing(ones: Sequence[A], others: Sequence[B], cost: Callable[[A, B], float | None]) -> dict[int, int]:
    """Index of one → index of its other; cost None where two do not belong together.

    No pairing has more pairs (Kuhn's augmenting paths); each of ones asks for the cheapest first.
    """
    wishes: list[list[int]] = []
    for one in ones:
        costs = [(price, j) for j, other in enumerate(others) if (price := cost(one, other)) is not None]
        wishes.append([j for _, j in sorted(costs)])
    owner: dict[int, int] = {}
    for i in range(len(ones)):
        _place(i, wishes, owner, set())
    return {i: j for j, i in owner.items()}


def _place(one: int, wishes: Sequence[Sequence[int]], owner: dict[int, int], asked: set[int]) -> bool:
    """Give `one` an other, moving those along who have another that they would take."""
    for free in (True, False):  # nobody is moved while something is free
        for j in wishes[one]:
            if (j not in owner) != free or j in asked:
                continue
            asked.add(j)
            if j not in owner or _place(owner[j], wishes, owner, asked):
                owner[j] = one
                return True
    return False


def nearest_pairing(ones: Sequence[A], others: Sequence[B], cost: Callable[[A, B], float | None]) -> dict[int, int]:
    """The same, the cheapest pair of all first, though that may leave more of them alone."""
    costs = [
        (price, i, j)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
        if (price := cost(one, other)) is not None
    ]
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(costs):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)
    return pairs
