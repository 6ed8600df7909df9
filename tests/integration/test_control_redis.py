"""Commands over a real Redis: heard from the start on, through its restarts, whatever else stands in the stream."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from streamer.bell import WakeBell
from streamer.cli import main
from streamer.clock import SystemClock
from streamer.control.desk import WakeDesk
from streamer.control.redis_commands import CommandListener
from tests.redis_server import RedisServer

STREAM = "streamer:commands"


class Listening:
    """A listener with two bells."""

    def __init__(self, server: RedisServer) -> None:
        self.bells = {name: WakeBell(time.monotonic) for name in ("gate", "yard")}
        self.failed = threading.Event()
        self.listener = CommandListener(server.url, WakeDesk(self.bells), SystemClock())
        self.listener.start(self.failed.set)

    def until(self, what: Callable[[Listening], bool], within_s: float = 15.0) -> None:
        """Poll what the listener's thread will bring about; fails when it does not."""
        deadline_s = time.monotonic() + within_s
        while not what(self):
            assert time.monotonic() < deadline_s, f"it did not happen: {self.listener.stats()}"
            time.sleep(0.01)

    def rung(self) -> list[str]:
        return [name for name, bell in self.bells.items() if bell.rung(time.monotonic())]


@pytest.fixture
def listening(server: RedisServer) -> Iterator[Listening]:
    with redis.Redis.from_url(server.url) as client:
        client.xadd(STREAM, {"schema": "streamer.command/1", "command": "wake", "camera": "yard"})  # before we came
    running = Listening(server)
    running.until(lambda it: it.listener.stats().listening)
    yield running
    running.listener.close()
    assert not running.failed.is_set()
    assert [worker.name for worker in running.listener.workers] == ["listen:commands"]
    assert not running.listener.workers[0].alive


def say(server: RedisServer, **fields: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.xadd(STREAM, {"schema": "streamer.command/1", "command": "wake", **fields})


def test_who_asks_for_a_camera_wakes_it_and_what_was_said_before_the_start_is_past(server, listening):
    say(server, camera="gate", for_s="30")
    listening.until(lambda it: it.rung() == ["gate"])
    say(server, camera="*")
    listening.until(lambda it: it.rung() == ["gate", "yard"])
    assert listening.listener.stats().done == 2


def test_after_a_crash_of_the_broker_commands_are_heard_again(server, listening, caplog):
    caplog.set_level(logging.INFO, "streamer.control")
    server.kill()
    listening.until(lambda it: it.listener.stats().trouble is not None)
    server.start()
    say(server, camera="gate")
    listening.until(lambda it: it.rung() == ["gate"])
    assert listening.listener.stats().trouble is None
    assert [r.message.partition(":")[0] for r in caplog.records] == [
        "no commands are heard for now",
        "commands are heard again",
    ]


def test_a_broker_that_comes_back_empty_is_listened_to_from_the_start_of_its_new_stream(server, listening):
    server.restart_empty()
    say(server, camera="yard")
    listening.until(lambda it: it.rung() == ["yard"])


def test_what_was_asked_while_the_broker_was_away_from_us_is_done_late_unless_it_is_too_old(server, listening):
    server.freeze()
    try:
        listening.until(lambda it: it.listener.stats().trouble is not None)
    finally:
        server.thaw()
    say(server, camera="yard", at=f"{time.time() - 61:.3f}")
    say(server, camera="gate", at=f"{time.time() - 5:.3f}")
    listening.until(lambda it: it.listener.stats().done == 1)
    assert listening.rung() == ["gate"]
    assert listening.listener.stats().unfit == {"late": 1}


def test_bad_entries_are_told_once_per_kind_and_counted_and_the_next_good_one_is_done(server, listening, caplog):
    for _ in range(3):
        say(server, camera="porch")
        say(server, camera="gate", for_s="-4")
        say(server, camera="gate", at="0")
        say(server, camera="gate", schema="streamer.alert/1")
    with redis.Redis.from_url(server.url) as client:
        client.xadd(STREAM, {b"\xff\x00": b"\xfe", "schema": b"\x80" * 5000})
    say(server, camera="gate")
    listening.until(lambda it: it.listener.stats().done == 1)
    assert listening.rung() == ["gate"]
    assert listening.listener.stats().unfit == {"no_camera": 3, "duration": 3, "late": 3, "unreadable": 4}
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 4
    assert any("there is no camera 'porch'; there are gate, yard" in line for line in told)
    assert all(len(line) < 300 for line in told)


def test_a_key_that_is_no_stream_is_a_trouble_that_ends(server, listening):
    with redis.Redis.from_url(server.url) as client:
        client.set(STREAM, "x")
        listening.until(lambda it: "something else" in (it.listener.stats().trouble or ""))
        client.delete(STREAM)
    say(server, camera="gate")
    listening.until(lambda it: it.rung() == ["gate"])


def test_a_broker_that_is_away_at_the_start_and_at_the_end_holds_nobody_up(tmp_path):
    server = RedisServer(tmp_path)  # never started
    running = Listening(server)
    running.until(lambda it: it.listener.stats().trouble is not None)
    began_s = time.monotonic()
    running.listener.close()
    assert time.monotonic() - began_s < 2
    assert not running.listener.workers[0].alive


def test_the_wake_command_is_heard(server, listening, capsys):
    assert main(["wake", "gate", "--for", "2m", "--redis", server.url]) == 0
    said = capsys.readouterr()
    assert said.out == "asked for camera 'gate' to be awake for 120 s\n"
    assert "nobody shows a camera of that name" in said.err
    listening.until(lambda it: it.rung() == ["gate"])
    assert listening.bells["gate"].rung(time.monotonic() + 110)
    with redis.Redis.from_url(server.url) as client:
        client.hset("streamer:cameras", "yard", "{}")
    assert main(["wake", "*", "--redis", server.url]) == 0
    listening.until(lambda it: it.rung() == ["gate", "yard"])
    assert capsys.readouterr().err == ""


def test_the_wake_command_finds_the_broker_in_the_configuration(server, listening, tmp_path: Path, capsys):
    config = tmp_path / "cameras.yaml"
    config.write_text(f"cameras: {{gate: {{url: rtsp://nowhere/}}}}\nredis: {{url: '{server.url}'}}\n")
    assert main(["wake", "gate", "--config", str(config)]) == 0
    listening.until(lambda it: it.rung() == ["gate"])
    assert main(["wake", "porch", "--config", str(config)]) == 2
    assert "there is no camera 'porch'; it has gate" in capsys.readouterr().err
    config.write_text("cameras: {gate: {url: rtsp://nowhere/}}\n")
    assert main(["wake", "gate", "--config", str(config)]) == 2
    assert "names no redis" in capsys.readouterr().err


@pytest.mark.parametrize("span", ["soon", "-5s", "0", "25h", "s"])
def test_the_wake_command_refuses_what_is_no_span(span, capsys):
    assert main(["wake", "gate", f"--for={span}"]) == 2
    assert "expected a span" in capsys.readouterr().err


def test_the_wake_command_says_when_nobody_could_be_asked(tmp_path, capsys):
    assert main(["wake", "gate", "--redis", RedisServer(tmp_path).url]) == 1
    assert "cannot be reached" in capsys.readouterr().err
