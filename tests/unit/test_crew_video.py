"""Video on its way from a member to the house: bounded, let go up to the next key frame, and told in letters."""

from __future__ import annotations

import json
import mmap
from typing import Any

import pytest

from streamer.crew.arena import GRAIN, Arena
from streamer.crew.letters import Lines, line
from streamer.crew.video import MOST_UNREAD_BYTES, SentVideo, shown
from streamer.live_video import Fragment, LiveVideo, VideoHead
from tests.fakes import FakeClock

HEAD = VideoHead("avc1.64001f", (1280, 720), bytes(range(256)))


class Between:
    """A member's side and the house's, with nothing between them but letters and memory."""

    def __init__(self, memory_bytes: int = 4 * MOST_UNREAD_BYTES) -> None:
        self.arena, self.memory = Arena(memory_bytes), mmap.mmap(-1, memory_bytes)
        self.letters: list[dict[str, Any]] = []
        self.member = SentVideo("gate", self.arena, self.memory, lambda letter: self.letters.extend(told(letter)))
        self.house = LiveVideo(FakeClock().monotonic)
        self.viewing = self.house.join(lambda: None)
        self.member.watch(self.house.turn)

    def deliver(self) -> None:
        """The house reads all its letters."""
        for letter in self.letters:
            block = shown(self.house, letter, self.memory)
            if block is not None:
                self.member.release(block)
        self.letters.clear()


def told(letter: dict[str, object]) -> list[dict[str, Any]]:
    """As it comes out of the socket."""
    return Lines().take(line(letter))


def piece(number: int, size: int = 500) -> Fragment:
    return Fragment(
        number.to_bytes(2) * (size // 2), number % 10 == 0, 10 + number / 25, 1000.5 if number > 3 else None
    )


def test_what_the_member_made_is_what_viewers_get() -> None:
    between = Between()
    between.member.begin(HEAD, [piece(0), piece(1)])
    between.member.add(piece(2))
    between.deliver()
    between.member.add(piece(4))
    between.deliver()
    assert between.viewing.take() == [HEAD, piece(0), piece(1), piece(2), piece(4)]
    assert between.arena.taken == 0
    between.member.end()
    between.deliver()
    assert between.viewing.over == "ended"


def test_a_house_that_does_not_read_gets_the_rest_from_a_key_frame_on_and_memory_stays_bounded() -> None:
    between = Between()
    size = MOST_UNREAD_BYTES // 20
    between.member.begin(HEAD, [])
    for number in range(95):
        between.member.add(piece(number, size))
    assert between.arena.taken <= MOST_UNREAD_BYTES + 20 * GRAIN
    between.deliver()
    seen = [int.from_bytes(each.content[:2]) for each in between.viewing.take() if isinstance(each, Fragment)]
    assert seen == list(range(20))
    assert between.arena.taken == 0
    for number in range(95, 110):
        between.member.add(piece(number, size))
        between.deliver()
    seen = [int.from_bytes(each.content[:2]) for each in between.viewing.take() if isinstance(each, Fragment)]
    assert seen == list(range(100, 110))


def test_frames_that_fill_the_memory_come_first() -> None:
    between = Between()
    between.member.begin(HEAD, [])
    taken = between.arena.take(4 * MOST_UNREAD_BYTES // GRAIN * GRAIN)
    assert taken is not None
    for number in range(15):
        between.member.add(piece(number))
    assert [letter["video"] for letter in between.letters] == ["begin"]
    between.arena.give_back(taken)
    for number in range(15, 25):
        between.member.add(piece(number))
    assert len(between.letters) == 1 + 5  # from the key frame 20 on


def test_a_refusal_is_told_whether_or_not_somebody_watches() -> None:
    between = Between()
    between.member.watch(0)
    between.member.end()
    assert between.letters == []
    between.member.refuse("camera 'gate' sends clay tablets")
    between.deliver()
    assert between.house.cannot == "camera 'gate' sends clay tablets"
    between.member.refuse(None)
    between.deliver()
    assert between.house.cannot is None


@pytest.mark.parametrize(
    "letter",
    [
        {"video": "run", "of": "gate"},
        {"video": "begin", "of": "gate"},
        {"video": "begin", "of": "gate", "head": {"codec": "x", "size": [1], "init": ""}},
        {"video": "more", "of": "gate", "fragment": [0, "many", True, 1.0, None]},
    ],
)
def test_what_is_no_such_letter_is_refused_with_an_error_that_ends_the_member(letter: dict[str, Any]) -> None:
    between = Between()
    with pytest.raises((ValueError, TypeError, KeyError)):
        shown(between.house, json.loads(json.dumps(letter)), between.memory)
