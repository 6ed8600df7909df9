"""Blocks of shared memory never overlap, and what is given back can be taken again, in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.crew.arena import GRAIN, Arena

PAGES = 40
SIZES = st.integers(0, 15 * GRAIN)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), SIZES, st.integers(0, 1000))))
def test_no_byte_belongs_to_two_blocks_and_none_is_lost(steps):
    arena = Arena(PAGES * GRAIN + 17)
    owner: list[int | None] = [None] * PAGES  # page → the block that has it: the same again, by brute force
    blocks: dict[int, int] = {}
    for takes, size, which in steps:
        if takes:
            pages = max(1, -(-size // GRAIN))
            fits = [at for at in range(PAGES - pages + 1) if not any(o is not None for o in owner[at : at + pages])]
            offset = arena.take(size)
            assert offset == (fits[0] * GRAIN if fits else None)  # the lowest place, and whenever there is one
            if offset is not None:
                owner[offset // GRAIN : offset // GRAIN + pages] = [offset] * pages
                blocks[offset] = pages
        elif blocks:
            offset = sorted(blocks)[which % len(blocks)]
            pages = blocks.pop(offset)
            arena.give_back(offset)
            owner[offset // GRAIN : offset // GRAIN + pages] = [None] * pages
        assert arena.taken == GRAIN * sum(blocks.values())
    for offset in list(blocks):
        arena.give_back(offset)
    assert arena.take(PAGES * GRAIN) == 0  # all of it, in one piece


def test_what_was_not_taken_cannot_be_given_back():
    arena = Arena(PAGES * GRAIN)
    arena.give_back(arena.take(5000))
    with pytest.raises(KeyError):
        arena.give_back(0)


def test_an_arena_without_room_for_anything_is_refused():
    with pytest.raises(ValueError, match="at least 4096 bytes; got 100"):
        Arena(100)
