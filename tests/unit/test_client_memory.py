"""What a subscriber remembers, where it begins, and how long it waits."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from streamer.client.messages import Gap, Seen, order_of, start_id
from streamer.client.patience import Patience
from streamer.client.subscription import subscribe
from streamer.commands.tail import line, place
from streamer.errors import ConfigError, SinkUnavailable
from tests.alert_lives import change


def test_what_was_handled_is_known_and_the_memory_is_bounded() -> None:
    seen = Seen(most=3)
    for n in range(1, 6):
        seen.handled(change("a", n))
    assert [seen.was_handled(change("a", n)) for n in range(1, 6)] == [False, False, True, True, True]


def test_a_change_that_never_came_is_a_gap_and_a_late_one_is_none() -> None:
    seen = Seen()
    assert seen.arrives(change("a", 3)) is None  # it began before we did
    assert seen.arrives(change("a", 4)) is None
    assert seen.arrives(change("a", 7)) == Gap("seq", 5, 6)
    assert seen.arrives(change("a", 6)) is None  # redelivered after a failure
    assert seen.arrives(change("a", 8)) is None
    assert seen.arrives(change("b", 1)) is None


def test_places_in_a_stream() -> None:
    assert start_id("new", "5-7") == "5-7"
    assert start_id("all", "5-7") == "0-0"
    assert start_id("12-3", "5-7") == "12-3"
    assert start_id("12", "5-7") == "12-0"
    at = start_id(datetime(2026, 1, 1, tzinfo=UTC), "5-7")
    first_of_that_moment = (int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1000, 0)
    assert order_of(at) < first_of_that_moment
    with pytest.raises(ValueError, match="'yesterday' is no place"):
        subscribe("redis://localhost", "g", start="yesterday")


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no Redis address"):
        subscribe("localhost:6379", "g")


def test_patience_grows_and_ends_with_the_error() -> None:
    now = [0.0]
    patience = Patience(10.0, lambda: now[0], random.Random(1))
    error = SinkUnavailable("away")
    waits: list[float] = []

    def wait_on() -> None:
        while True:
            waits.append(patience.wait_s(error))
            now[0] += waits[-1]

    with pytest.raises(SinkUnavailable, match="away"):
        wait_on()
    assert waits[0] < 0.11
    assert max(waits) <= 2.0
    assert 10.0 <= sum(waits) < 13.0
    patience.answered()
    assert patience.wait_s(error) < 0.11


def test_places_that_tail_understands() -> None:
    now = datetime(2026, 1, 31, 18, tzinfo=UTC)
    assert place("all", now) == "all"
    assert place("1700000000000-1", now) == "1700000000000-1"
    assert place("90m", now) == datetime(2026, 1, 31, 16, 30, tzinfo=UTC)
    assert place("2026-01-31T18:00+00:00", now) == now
    with pytest.raises(ConfigError, match="--from soon: expected"):
        place("soon", now)


def test_a_line_for_a_person_says_what_where_why() -> None:
    said = line(change("a", 3, "closed"))
    for part in ("closed", "intrusion", "gate", "in yard", "after 3 s", "person in yard", "0.87", "a #3"):
        assert part in said
