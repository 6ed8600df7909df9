"""What stands between a clip's reader and the server's loop: every picture once, whatever the loop is busy with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from streamer.demo.rtsp_server import put_once


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in another thread."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()


class BusyAfterwards(asyncio.Queue[Any]):
    """Takes an item, and has its loop do something else for longer than anybody waits before that is told."""

    async def put(self, item: Any) -> None:
        await super().put(item)
        threading.Event().wait(0.3)


def test_an_item_that_is_in_the_queue_and_not_yet_told_is_not_put_again(loop: asyncio.AbstractEventLoop) -> None:
    queue = BusyAfterwards()
    for number in range(3):
        assert put_once(None, loop, queue, number, threading.Event())
    assert [queue.get_nowait() for _ in range(queue.qsize())] == [0, 1, 2]


def test_it_waits_for_a_queue_that_is_full(loop: asyncio.AbstractEventLoop) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
    assert put_once(None, loop, queue, "first", threading.Event())
    taken = asyncio.run_coroutine_threadsafe(queue.get(), loop)
    assert put_once(None, loop, queue, "second", threading.Event())
    assert taken.result(30) == "first"
    assert queue.get_nowait() == "second"


def test_it_leaves_a_queue_that_stays_full_where_it_is_told_to_stop(loop: asyncio.AbstractEventLoop) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
    assert put_once(None, loop, queue, "first", threading.Event())
    stopped = threading.Event()
    threading.Timer(0.1, stopped.set).start()
    assert not put_once(None, loop, queue, "late", stopped)
    assert queue.get_nowait() == "first"
