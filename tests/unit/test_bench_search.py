"""The search for the largest number that holds, asked of oracles that know the answer."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from streamer.bench.search import confirmed, most_that_holds


class Oracle:
    """Holds up to a number, and remembers what it was asked."""

    def __init__(self, holds_up_to: int) -> None:
        self.holds_up_to = holds_up_to
        self.asked: list[int] = []

    def __call__(self, n: int) -> bool:
        self.asked.append(n)
        return n <= self.holds_up_to


@given(truth=st.integers(0, 600), most=st.integers(1, 500), first=st.integers(1, 700))
def test_the_exact_number_is_found_from_wherever_it_begins(truth: int, most: int, first: int) -> None:
    oracle = Oracle(truth)
    assert most_that_holds(oracle, most, first) == min(truth, most)
    assert all(1 <= n <= most for n in oracle.asked)
    assert len(set(oracle.asked)) == len(oracle.asked), "a number is tried once"
    assert len(oracle.asked) <= 2 * math.log2(most + 1) + 2


@given(truth=st.integers(1, 500), first=st.integers(1, 500))
def test_a_coarser_search_is_never_too_high_and_hardly_too_low(truth: int, first: int) -> None:
    found = most_that_holds(Oracle(truth), 500, first, within=0.1)
    assert found <= truth
    assert truth - found <= max(1.0, 0.1 * found)


def test_a_machine_that_holds_nothing_says_zero_after_trying_one() -> None:
    oracle = Oracle(0)
    assert most_that_holds(oracle, 64, 8) == 0
    assert oracle.asked == [8, 4, 2, 1]


def test_it_doubles_before_it_halves() -> None:
    oracle = Oracle(11)
    assert most_that_holds(oracle, 100, 2) == 11
    assert oracle.asked == [2, 4, 8, 16, 12, 10, 11]


def failing_first(times: int) -> Callable[[int], bool]:
    left = [times]

    def holds(_: int) -> bool:
        left[0] -= 1
        return left[0] < 0

    return holds


def test_a_lucky_number_is_given_up_step_by_step() -> None:
    assert confirmed(40, failing_first(0)) == 40
    assert confirmed(40, failing_first(2)) == 36
    assert confirmed(3, failing_first(1)) == 2
    assert confirmed(2, failing_first(9)) == 0
    assert confirmed(0, failing_first(0)) == 0
