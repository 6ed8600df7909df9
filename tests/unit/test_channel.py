"""The bounded hand-off: order, back-pressure, and an end that either side can make."""

from __future__ import annotations

import threading

import pytest

from streamer.channel import Channel, ChannelClosed


def test_what_goes_in_comes_out_in_order_and_the_end_is_the_end():
    channel: Channel[int] = Channel(10)
    for i in range(5):
        channel.put(i)
    channel.close()
    assert list(channel) == [0, 1, 2, 3, 4]
    with pytest.raises(ChannelClosed):
        channel.put(5)


def test_a_full_channel_holds_its_producer_until_there_is_room():
    channel: Channel[int] = Channel(1)
    channel.put(0)
    placed = threading.Event()

    def produce() -> None:
        channel.put(1)
        placed.set()

    producer = threading.Thread(target=produce)
    producer.start()
    items = iter(channel)
    assert not placed.is_set()
    assert next(items) == 0
    assert placed.wait(5)
    producer.join(5)
    assert next(items) == 1


def test_a_producer_that_waits_is_set_free_when_its_consumer_leaves():
    channel: Channel[int] = Channel(1)
    channel.put(0)
    outcome: list[str] = []
    waiting = threading.Event()

    def produce() -> None:
        waiting.set()
        try:
            channel.put(1)
        except ChannelClosed:
            outcome.append("closed")

    producer = threading.Thread(target=produce)
    producer.start()
    assert waiting.wait(5)
    with pytest.raises(ArithmeticError), channel:  # the consumer dies
        raise ArithmeticError
    producer.join(5)
    assert outcome == ["closed"]
