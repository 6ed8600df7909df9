"""The books of a camera, kept in another process and told of in between, say the same as if they had been kept here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.crew.letters import Lines, line
from streamer.crew.news import BooksOf, NewsOf, heard_by
from streamer.ledger import Drop, Link, Skip
from streamer.sleep_book import SleepBook, WakeCause
from streamer.surroundings import Surroundings
from tests.fakes import FakeClock

STEPS = st.sampled_from(["received", "skipped", "dropped", "frame", "sleep", "wake", "online", "offline", "sign"])


class Life:
    """A member's books of one camera, a second set that is written directly, and the house's that is told."""

    def __init__(self, clock: FakeClock, house: Surroundings, books: BooksOf) -> None:
        self.clock, self.house, self.books = clock, house, books
        self.waited: list[float] = []
        self.member = replace(Surroundings.alone("gate", clock), sleep=heard_by(self.waited, "gate"))
        self.news = NewsOf(self.member, self.waited, clock.monotonic())

    def tell(self, *, frames_here: int = 0) -> None:
        news = self.news.since(self.clock.monotonic(), all_signs=True)
        self.books.write(json.loads(json.dumps(news)), frames_here=frames_here)


def write(step: str, around: Surroundings, now_s: float) -> None:
    match step:
        case "received":
            around.ledger.received()
        case "skipped":
            around.ledger.received(3)
            around.ledger.skipped(Skip.ASLEEP, 3)
        case "dropped":
            around.ledger.received()
            around.ledger.dropped(Drop.CORRUPT)
        case "frame":
            around.ledger.received()
        case "sleep":
            around.sleep.fell_asleep(now_s)
            around.sleep.holds(1000)
        case "wake":
            around.sleep.woke(now_s, WakeCause.PACKETS)
            around.sleep.decoded(0.25)
            around.sleep.first_offered(0.5)
        case "online":
            around.status.online(now_s, (64, 48), "h264", "h264 (cpu)")
        case "offline":
            around.status.offline(now_s, "camera 'gate': away")
        case "sign":
            around.status.frame(now_s, 0.5)


@settings(deadline=None)
@given(st.lists(st.tuples(STEPS, st.booleans()), max_size=30))
def test_books_that_are_told_equal_books_that_are_written(steps):
    clock, waited_here, waited_there = FakeClock(), [], []
    direct = replace(Surroundings.alone("gate", clock), sleep=SleepBook("gate", waited_here.append))
    house = replace(Surroundings.alone("gate", clock), sleep=SleepBook("gate", waited_there.append))
    life = Life(clock, house, BooksOf(house))
    for step, tells in steps:
        clock.tick(0.25)
        write(step, direct, clock.monotonic())
        write(step, life.member, clock.monotonic())
        if step == "frame":
            life.tell(frames_here=1)
        elif tells:
            life.tell()
    life.tell()
    clock.tick(1.0)
    assert house.ledger.counts() == direct.ledger.counts()
    assert house.sleep.reading(clock.monotonic()) == direct.sleep.reading(clock.monotonic())
    assert waited_there == waited_here
    state, expected = house.status.state(), direct.status.state()
    assert replace(state, since_s=0.0) == replace(expected, since_s=0.0)


@settings(deadline=None)
@given(st.lists(st.lists(STEPS, max_size=10), max_size=4))
def test_what_dead_members_held_is_booked_and_the_sum_holds(lives):
    clock = FakeClock()
    house = Surroundings.alone("gate", clock)
    books, handed_over, told_of = BooksOf(house), 0, 0
    for steps in lives:
        life = Life(clock, house, books)
        for step in steps:
            clock.tick(0.25)
            write(step, life.member, clock.monotonic())
            if step == "frame":
                life.tell(frames_here=1)
                handed_over += 1
        life.tell()
        told_of += life.member.ledger.counts().received
        write("received", life.member, clock.monotonic())  # nobody will ever hear of this one
        books.lose(clock.monotonic(), "camera 'gate': its process died")
        state = house.status.state()
        assert (state.link, state.trouble) == (Link.OFFLINE, "camera 'gate': its process died")
        assert not house.sleep.reading(clock.monotonic()).asleep
    counts = house.ledger.counts()
    assert counts.received == told_of
    assert counts.waiting == handed_over  # they are in the house, and will be analysed or dropped there


def test_sealed_books_are_not_written_any_more():
    clock = FakeClock()
    house = Surroundings.alone("gate", clock)
    books = BooksOf(house)
    life = Life(clock, house, books)
    life.member.ledger.received()
    books.seal()
    life.tell()
    books.lose(clock.monotonic(), "gone")
    assert house.ledger.counts().received == 0
    assert house.status.state().link is Link.CONNECTING


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8)), max_size=4), st.integers(1, 7)
)
def test_letters_arrive_whole_however_they_are_cut(letters, step):
    content, lines, arrived = b"".join(map(line, letters)), Lines(), []
    for at in range(0, len(content), step):
        arrived += lines.take(content[at : at + step])
    assert arrived == letters


@pytest.mark.parametrize("content", [b"{\n", b"[1]\n", b"\xff\xfe\n", b"\n"])
def test_what_is_no_letter_is_refused(content):
    with pytest.raises(ValueError):
        Lines().take(content)
