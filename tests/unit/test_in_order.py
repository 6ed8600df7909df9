"""Whatever the order in which lanes finish, the one who reads gets things by their numbers."""

from __future__ import annotations

import random
import threading

import pytest

from streamer.channel import ChannelClosed
from streamer.in_order import HeldBack, InOrder


def test_what_comes_early_waits_for_what_is_next():
    hand_off = InOrder(capacity=3, producers=1)
    hand_off.put(2, "c")
    hand_off.put(0, "a")
    hand_off.put(1, "b")
    hand_off.leave()
    assert list(hand_off) == ["a", "b", "c"]


def test_many_lanes_that_finish_as_they_like_are_read_in_order():
    hand_off, numbers, lock = InOrder(capacity=3, producers=4), iter(range(400)), threading.Lock()

    def lane(seed: int) -> None:
        rng = random.Random(seed)
        with hand_off:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                for _ in range(rng.randrange(200)):
                    pass
                hand_off.put(number, number)

    lanes = [threading.Thread(target=lane, args=(seed,)) for seed in range(4)]
    for each in lanes:
        each.start()
    assert list(hand_off) == list(range(400))
    for each in lanes:
        each.join(5)


def test_a_lane_that_fails_lets_the_reader_have_what_is_complete_and_stops_the_others():
    hand_off = InOrder(capacity=4, producers=2)
    hand_off.put(0, "a")
    hand_off.put(2, "c")
    with pytest.raises(ZeroDivisionError), hand_off:
        raise ZeroDivisionError  # it had number 1
    assert list(hand_off) == ["a"]
    with pytest.raises(ChannelClosed):
        hand_off.put(3, "d")


def test_what_is_held_back_is_handed_over_when_asked_for_and_at_the_end():
    hand_off, held_numbers = InOrder(capacity=4, producers=1), []
    with hand_off, HeldBack(hand_off) as held:
        for number in range(3):
            held.hand_over()
            held.hold(number, number)
            held_numbers.append(len(held))
    assert held_numbers == [1, 1, 1]
    assert list(hand_off) == [0, 1, 2]


def test_a_lane_that_fails_hands_over_what_it_held_and_its_own_error_is_what_is_told():
    hand_off = InOrder(capacity=4, producers=1)
    held = HeldBack(hand_off)
    held.hold(0, "a")
    with pytest.raises(ZeroDivisionError), hand_off, held:
        raise ZeroDivisionError
    assert list(hand_off) == ["a"]
    held.hold(1, "b")
    with pytest.raises(ZeroDivisionError), held:  # nobody reads any more
        raise ZeroDivisionError


def test_a_lane_too_far_ahead_waits_outside_until_there_is_room():
    hand_off, placed = InOrder(capacity=2, producers=1), threading.Event()

    def ahead() -> None:
        hand_off.put(2, "c")
        placed.set()

    lane = threading.Thread(target=ahead)
    lane.start()
    hand_off.put(0, "a")
    reader = iter(hand_off)
    assert next(reader) == "a"
    assert placed.wait(5)
    hand_off.put(1, "b")
    assert [next(reader), next(reader)] == ["b", "c"]
    lane.join(5)
