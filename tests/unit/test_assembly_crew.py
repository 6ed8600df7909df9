"""Who sits where in the capture crew, while cameras come and go; no process is started for it."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from streamer.assembly.crew import FEW_CAMERAS, Crew, Seat
from streamer.config import Config
from tests.fakes import FakeClock


def a_config(cameras: int, processes: int | str) -> Config:
    return Config.model_validate(
        {
            "cameras": {f"c{n}": {"url": f"rtsp://host/{n}"} for n in range(cameras)},
            "capture": {"processes": processes, "frames_mb": 16},
        }
    )


def a_crew(cameras: int, processes: int | str) -> tuple[Crew, Config, dict[str, Seat | None]]:
    config = a_config(cameras, processes)
    crew = Crew(config, FakeClock(), lambda: None)
    return crew, config, {name: crew.seat(name, camera) for name, camera in config.cameras.items()}


def load(seats: Any) -> list[int]:
    return sorted(Counter(seat.now_at.number for seat in seats if seat is not None).values())


def test_cameras_are_dealt_out_evenly_from_the_start():
    crew, _, seats = a_crew(11, 4)
    assert load(seats.values()) == [2, 3, 3, 3]
    assert len(crew.stations) == 4


def test_few_cameras_stay_in_the_house_and_one_that_is_too_many_gets_a_process():
    crew, _, seats = a_crew(FEW_CAMERAS, "auto")
    assert set(seats.values()) == {None}
    more = a_config(FEW_CAMERAS + 1, "auto")
    crew.expect(more)
    assert crew.seat("new", more.cameras["c0"]) is not None
    assert len(crew.stations) == 1


def test_a_recording_and_what_is_decoded_on_a_device_stay_in_the_house():
    crew, _, _ = a_crew(2, 2)
    other = Config.model_validate(
        {"cameras": {"file": {"url": "x.mp4"}, "card": {"url": "rtsp://host/1", "decode_on": "cuda"}}}
    )
    assert [crew.seat(name, camera) for name, camera in other.cameras.items()] == [None, None]


@pytest.mark.parametrize("seed", range(5))
def test_whoever_comes_sits_where_there_is_most_room_and_an_empty_station_is_closed(seed):
    rng = random.Random(seed)
    crew, config, seats = a_crew(6, 3)
    camera = config.cameras["c0"]
    numbers = {station.number for station in crew.stations}
    for step in range(60):
        if seats and rng.random() < 0.5:
            name = rng.choice(sorted(seats))
            assert crew.leave(seats.pop(name), 0.0)
        else:
            crew.expect(a_config(len(seats) + 1, 3))
            before = Counter(seat.now_at.number for seat in seats.values())
            seat = seats[f"n{step}"] = crew.seat(f"n{step}", camera)
            least = 0 if len(before) < min(3, len(seats)) else min(before.values())
            assert before[seat.now_at.number] == least
        there = {station.number for station in crew.stations}
        assert there == {seat.now_at.number for seat in seats.values()}
        assert len(there) <= 3
        numbers |= there
    assert len(numbers) > 3 or len(seats) > 3  # a closed station's number is never used again
