"""A service that is told to stop stops, at whatever moment the signal comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from streamer.commands import run


class Held:
    """A service whose stop() needs a lock."""

    def __init__(self) -> None:
        self.lock, self.stopped = threading.Lock(), threading.Event()

    def stop(self) -> None:
        with self.lock:
            self.stopped.set()


@pytest.fixture
def signals() -> Iterator[run._StopSignals]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run._StopSignals()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_its_thread_holds_the_service_s_lock_is_followed(
    signals: run._StopSignals, number: signal.Signals
) -> None:
    service = Held()
    signals.end(service)  # type: ignore[arg-type]
    with service.lock:
        signal.raise_signal(number)
        assert not service.stopped.is_set()
    assert service.stopped.wait(10)


def test_a_signal_that_came_before_the_service_was_there_ends_it_at_once(signals: run._StopSignals) -> None:
    signal.raise_signal(signal.SIGTERM)
    service = Held()
    signals.end(service)  # type: ignore[arg-type]
    assert service.stopped.is_set()
