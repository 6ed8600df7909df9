"""The console in the house: served by the service, gone with it, and never what stops the watching."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from streamer.assembly.house import House, open_house
from streamer.cli import build_parser, main
from streamer.clock import SystemClock
from streamer.commands import run
from streamer.config import Config
from streamer.config.model import WebConfig
from streamer.errors import ConfigError
from streamer.web.passwords import matches
from tests.console import wait_until_served, with_console
from tests.footage import pictures
from tests.integration.test_delivery_redis import eventually
from tests.living import follow, one_camera, running
from tests.redis_server import RedisServer
from tests.rtsp import free_port
from tests.unit.test_web_access import HASH

ZONES = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
IN = {"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.4}


def a_config(folder: Path, video: Path, **settings: Any) -> Config:
    camera = {"url": str(video), "pace": "demand", "analyse_fps": 5, "zones": ZONES, "rules": [IN]}
    return Config.model_validate({"cameras": {"gate": camera}, "data_dir": folder / "data", "http": None, **settings})


def run_to_its_end(house: House) -> None:
    assert house.service.run().clean


def ask(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_what_a_service_raised_is_there_at_the_next_start_and_nothing_is_open(tmp_path: Path, street: Path) -> None:
    config = a_config(tmp_path, street, web={"port": free_port()})
    with open_house(config, SystemClock(), "test") as house:
        run_to_its_end(house)
    again = config.model_copy(update={"web": WebConfig(port=free_port())})
    with open_house(again, SystemClock(), "test"):
        status, found = ask(again.web.port, "/api/alerts")
        assert status == 200
        assert found["counts"]["all"] >= 1
        assert found["counts"]["open"] == 0
        newest = found["alerts"][0]
        assert (newest["camera"], newest["kind"], newest["label"]) == ("gate", "intrusion", "person")
        _, cameras = ask(again.web.port, "/api/cameras")
        assert cameras["cameras"][0]["rules"] == [
            {"name": "in", "kind": "intrusion", "severity": "warning", "place": "all"}
        ]
        _, places = ask(again.web.port, "/api/cameras/gate/places")
        assert "without a configuration file" in places["read_only"]
    with pytest.raises(ConnectionRefusedError):
        ask(again.web.port, "/api/alerts")


def test_alerts_are_the_same_with_a_console_and_without(tmp_path: Path, street: Path) -> None:
    told = []
    for name, web in (("with", {"port": 0}), ("without", None)):
        lines = tmp_path / f"{name}.jsonl"
        config = a_config(tmp_path / name, street, web=web, jsonl={"path": lines})
        with open_house(config, SystemClock(), "test") as house:
            run_to_its_end(house)
        changes = [json.loads(line) for line in lines.read_text().splitlines()]
        told.append([{k: v for k, v in each.items() if k != "outbox"} for each in changes])
    assert told[0] == told[1]
    assert told[0]


@pytest.mark.parametrize(("web", "level"), [({}, logging.INFO), ({"port": 9777}, logging.ERROR)])
def test_without_its_parts_there_is_a_sentence_and_the_watching_goes_on(
    tmp_path: Path, street: Path, web: dict[str, int], level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.MonkeyPatch.context() as hidden:
        hidden.setitem(sys.modules, "fastapi", None)
        with open_house(a_config(tmp_path, street, web=web), SystemClock(), "test") as house:
            run_to_its_end(house)
    [said] = [each for each in caplog.records if each.message.startswith("no console")]
    assert (said.levelno, "pip install 'streamer[web]'" in said.message) == (level, True)


def test_a_port_that_is_taken_stops_who_asked_for_it_and_nobody_else(tmp_path: Path, street: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = a_config(tmp_path, street, web={"port": taken.getsockname()[1]})
        with pytest.raises(ConfigError, match="web: cannot listen"), open_house(config, SystemClock(), "test"):
            pass


def test_the_framework_is_loaded_by_nobody_who_has_no_console() -> None:
    code = "import sys, streamer.cli; streamer.cli.build_parser(); "
    code += "print([m for m in ('fastapi', 'starlette', 'uvicorn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_service_serves_it_unless_it_is_told_not_to(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"

    def chosen(text: str, *arguments: str) -> WebConfig | None:
        config.write_text(f"cameras: {{gate: {{url: rtsp://nowhere/}}}}\n{text}")
        return run._configuration(build_parser().parse_args(["run", str(config), *arguments])).web

    assert chosen("") == WebConfig()
    assert chosen("web: null\n") is None
    assert chosen("", "--web", "off") is None
    assert chosen("web: {session_hours: 1}\n", "--web", "127.0.0.1:7000") == WebConfig(port=7000, session_hours=1)
    users = f"web: {{users: {{anna: {{password: '{HASH}'}}}}}}\n"
    assert set(chosen(users, "--web", "0.0.0.0:9096").users) == {"anna"}
    with pytest.raises(ConfigError, match="lets others in"):
        chosen("", "--web", "0.0.0.0:9096")


def test_a_service_that_is_told_to_stop_stops_while_somebody_watches(tmp_path: Path, street: Path) -> None:
    config = one_camera(tmp_path, "redis://127.0.0.1:1", url=str(street), pace="realtime", loop=True)
    address = with_console(config, users={})
    with running(config) as service:
        wait_until_served(address)
        port = int(address.rpartition(":")[2])
        streams = []
        for path in ("/api/events", "/api/live?camera=gate", "/api/cameras/gate/live.mjpg"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", path)
            streams.append((connection, connection.getresponse()))
            assert streams[-1][1].status == 200
        service.terminate()
        assert service.wait(15) == 0
    assert "held the console" not in config.with_suffix(".log").read_text()


def test_what_a_person_did_is_told_once_though_redis_was_away_and_the_service_killed(
    tmp_path: Path, street: Path
) -> None:
    server = RedisServer(tmp_path / "redis")  # not started yet
    zone = {"zones": ZONES, "rules": [IN]}
    config = one_camera(tmp_path, server.url, url=str(street), pace="realtime", loop=True, **zone)
    address = with_console(config, users={})
    port = int(address.rpartition(":")[2])

    def raised() -> list[dict[str, Any]]:
        return ask(port, "/api/alerts?camera=gate&kind=intrusion")[1]["alerts"]

    with running(config) as service:
        wait_until_served(address)
        eventually(lambda: bool(raised()), within_s=60)
        alert = raised()[-1]["id"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/session")
        csrf = json.loads(connection.getresponse().read())["csrf"]
        headers = {"X-CSRF-Token": csrf, "Content-Type": "application/json"}
        connection.request("POST", f"/api/alerts/{alert}/acknowledge", "{}", headers)
        assert connection.getresponse().status == 200
        service.kill()
        service.wait()
    with server, running(config):
        told = follow(
            server.url, lambda changes: any(each["change"] == "acknowledged" for each in changes), within_s=60
        )
        wait_until_served(address)
        assert ask(port, f"/api/alerts/{alert}")[1]["acknowledged_by"] == "local"
    [handling] = [each for each in told if each["change"] == "acknowledged"]
    assert (handling["schema"], handling["alert"], handling["by"]) == ("streamer.handling/1", alert, "local")
    assert [each["id"] for each in told].index(alert) < told.index(handling)


@pytest.mark.parametrize("processes", [0, 1])
def test_who_wants_it_large_gets_the_camera_s_own_picture_wherever_it_is_read(
    tmp_path: Path, street: Path, processes: int
) -> None:
    config = one_camera(tmp_path, "redis://127.0.0.1:1", url=str(street), pace="realtime", loop=True)
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**settings, "capture": {"processes": processes}}))
    address = with_console(config, users={})
    [(_, first)] = pictures(street)[:1]
    with running(config):
        wait_until_served(address)
        connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=30)
        connection.request("GET", "/api/live?camera=gate&width=1920&fps=20")
        answer = connection.getresponse()
        shape = (0, 0)
        while shape[1] != first.shape[1]:
            text, jpeg = int.from_bytes(answer.read(4)), int.from_bytes(answer.read(4))
            body = json.loads(answer.read(text)) if text else {"size": None}
            shown = np.frombuffer(answer.read(jpeg), np.uint8)
            shape = cv2.imdecode(shown, cv2.IMREAD_COLOR).shape[:2] if jpeg else shape
        assert body["size"] == [shape[1], shape[0]]
        connection.close()


def test_it_speaks_tls_with_the_files_of_the_configuration(tmp_path: Path, street: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*made, *files, *subject], check=True, capture_output=True)
    config = a_config(tmp_path, street, web={"port": free_port(), "cert": cert, "key": key})
    with open_house(config, SystemClock(), "test"):
        trusted = ssl.create_default_context(cafile=cert)
        connection = http.client.HTTPSConnection("127.0.0.1", config.web.port, context=trusted, timeout=10)
        connection.request("GET", "/api/session")
        assert connection.getresponse().status == 200
    gone = a_config(tmp_path, street, web={"cert": cert, "key": tmp_path / "gone.pem"})
    with pytest.raises(ConfigError, match=r"web\.key: there is no file"):
        open_house(gone, SystemClock(), "c.yaml").__enter__()


def test_a_hash_is_made_of_a_password_that_is_not_too_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for password, code in (("short", 2), ("long enough, this one", 0)):
        (tmp_path / "password").write_text(password + "\n")
        with pytest.MonkeyPatch.context() as patched, (tmp_path / "password").open() as typed:
            patched.setattr(sys, "stdin", typed)
            assert main(["user", "hash"]) == code
    assert matches("long enough, this one", capsys.readouterr().out.strip())
