"""The programs of the integrator's guide, run as they stand: only addresses are exchanged for those of the test."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from streamer.clock import SystemClock
from streamer.config import parse_config
from streamer.sinks.outbox import StoredChange
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.sinks.webhook import Webhook
from streamer.types import AlertChange
from streamer.web.access import Role
from streamer.wire import encode_alert
from tests.alert_lives import CLIP, change, next_change
from tests.conftest import ROOT
from tests.console_server import TOKENS, Served, served
from tests.crew import eventually
from tests.redis_server import RedisServer, free_port

GUIDE = (ROOT / "docs" / "guide-integrator.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.S | re.M)
OPENED = change("a1")
LIFE = (OPENED, next_change(OPENED, "closed"))


def block(language: str, having: str) -> str:
    """The one block of the guide in this language that has these words."""
    [found] = [body for spoken, body in BLOCKS if spoken == language and having in body]
    return found


def rows(*changes: AlertChange) -> list[StoredChange]:
    return [
        StoredChange(number, one.id, one.seq, one.type, one.camera, one.kind, one.severity, 0.0, encode_alert(one))
        for number, one in enumerate(changes, 1)
    ]


@contextmanager
def running(program: str, folder: Path, **exchanged: str) -> Iterator[Path]:
    """The program in a process of its own; gives the file that it prints to."""
    for old, new in exchanged.items():
        assert EXCHANGED[old] in program
        program = program.replace(EXCHANGED[old], new)
    (folder / "program.py").write_text(program)
    printed = folder / "printed.txt"
    with printed.open("w") as out:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        process = subprocess.Popen(
            [sys.executable, "program.py"], cwd=folder, stdout=out, stderr=subprocess.STDOUT, env=environment
        )
        try:
            yield printed
            assert process.poll() is None, printed.read_text()
        finally:
            process.kill()
            process.wait()


EXCHANGED = {"url": "redis://127.0.0.1:6379", "port": "8099"}


def says(printed: Path, *lines: str, within_s: float = 30) -> None:
    eventually(lambda: set(lines) <= set(printed.read_text().splitlines()), within_s=within_s)


@pytest.fixture
def alerts(server: RedisServer) -> redis.Redis:
    """A Redis on which one alert was opened and closed, and another is open."""
    RedisAlerts(server.url).deliver("L", 0, rows(*LIFE, change("a2", camera="yard")))
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_the_first_program_prints_every_change(tmp_path: Path, server: RedisServer, alerts: redis.Redis) -> None:
    with running(block("python", 'group="pager"'), tmp_path, url=server.url) as printed:
        says(printed, "opened gate warning person in yard", "opened yard warning person in yard")
        assert len(printed.read_text().splitlines()) == 3


def test_the_asynchronous_program_does_too(tmp_path: Path, server: RedisServer, alerts: redis.Redis) -> None:
    with running(block("python", 'group="wall"'), tmp_path, url=server.url) as printed:
        says(printed, "a1 1 opened", "a1 2 closed", "a2 1 opened")


def test_what_a_handler_cannot_handle_lies_where_the_guide_says(
    tmp_path: Path, server: RedisServer, alerts: redis.Redis
) -> None:
    assert "streamer:alerts:dead:GROUP" in GUIDE
    with running(block("python", 'group="tickets"'), tmp_path, url=server.url):
        eventually(lambda: alerts.xlen("streamer:alerts:dead:tickets") == 3, within_s=30)
    [(_, first), *_] = alerts.xrange("streamer:alerts:dead:tickets")
    assert "the ticket system is down" in first["why"]


def test_a_ticket_is_made_once_although_the_program_is_killed_and_told_again(
    tmp_path: Path, server: RedisServer, alerts: redis.Redis
) -> None:
    program = block("python", 'group="desk"')
    with running(program, tmp_path, url=server.url) as printed:
        says(printed, "tickets: 2")
    alerts.xgroup_setid("streamer:alerts", "desk", "0")  # everything once more
    with running(program, tmp_path, url=server.url) as printed:
        eventually(lambda: printed.read_text().count("tickets: 2") == 3, within_s=30)


def test_what_is_open_is_read_from_one_hash(tmp_path: Path, server: RedisServer, alerts: redis.Redis) -> None:
    (tmp_path / "program.py").write_text(block("python", "alerts:open").replace(EXCHANGED["url"], server.url))
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert re.fullmatch(r"yard intrusion since [\d.]+\n", done.stdout)


def test_the_webhook_takes_what_the_service_signs_and_refuses_what_others_send(tmp_path: Path) -> None:
    program, port = block("python", "is_from_streamer"), free_port()
    [secret] = re.findall(r'SECRET = b"(.*)"', program)
    url = f"http://127.0.0.1:{port}/alerts"
    with running(program, tmp_path, port=str(port)) as printed:
        right = Webhook("desk", url, SystemClock(), secret=secret)
        eventually(lambda: delivered(right, LIFE[0]), within_s=30)
        says(printed, "a1:1 opened person in yard")
        assert not delivered(Webhook("desk", url, SystemClock(), secret="a secret of somebody else"), LIFE[1])
        assert delivered(right, LIFE[1])
        says(printed, "a1:2 closed person in yard")


def delivered(hook: Webhook, one: AlertChange) -> bool:
    from streamer.errors import SinkError

    try:
        return hook.deliver("L", 0, rows(one)) == 1
    except SinkError:
        return False


@pytest.mark.parametrize("part", ["webhooks:", "tokens:"])
def test_what_the_guide_configures_is_right(part: str) -> None:
    said: Mapping[str, Any] = yaml.safe_load(block("yaml", part))
    text = yaml.safe_dump({**said, "cameras": {"gate": {"url": "rtsp://10.0.0.5/main"}}})
    secrets = {"DESK_SECRET": "a secret of twenty characters", "DESK_TOKEN": "0123456789abcdef"}
    config = parse_config(text, "guide", secrets)
    assert config.webhooks or (config.web and config.web.tokens)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as there:
        yield there


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_curl_of_the_guide_is_answered(tmp_path: Path, console: Served) -> None:
    for path, content in ((OPENED.snapshot or "", b"picture"), (CLIP.path, b"clip")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    console.room.changed([OPENED])
    console.room.changed([replace(next_change(OPENED, "closed"), clip=CLIP)])
    environment = {
        "PATH": os.environ["PATH"],
        "STREAMER": f"http://127.0.0.1:{console.port}",
        "TOKEN": TOKENS[Role.OPERATOR],
        "ALERT": OPENED.id,
    }
    said: list[Any] = []
    script = block("sh", "curl").replace("\\\n", " ")
    for command in (line for line in script.splitlines() if line.startswith("curl")):
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 0, (command, done.stderr)
        said.append(json.loads(done.stdout) if done.stdout else None)
    assert [each["id"] for each in said[0]["alerts"]] == [OPENED.id]
    assert said[1]["message"]["id"] == OPENED.id
    assert (tmp_path / "alert.jpg").read_bytes() == b"picture"
    assert (tmp_path / "alert.mp4").read_bytes() == b"clip"
    assert [each.type for each in console.ledger.handlings] == ["acknowledged", "commented", "silenced"]
    assert console.woken == [("gate", 60.0)]
    assert "x-role" in json.dumps(said[-1])


def test_no_block_of_the_guide_is_left_out() -> None:
    python = [body for language, body in BLOCKS if language == "python"]
    assert len(python) == 6  # each of those above
    assert {language for language, _ in BLOCKS} == {"python", "yaml", "sh"}
    for body in (body for language, body in BLOCKS if language == "sh"):  # see tests/house/test_docs_commands.py
        commands = [line for line in body.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
        assert all(re.match(r"(curl|streamer) ", line) for line in commands)
