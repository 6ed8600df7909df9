"""The configuration over HTTP: who may, what is answered, what is written down; and the commands in front of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from streamer.assembly.configuration_api import ConfigurationOverApi
from streamer.assembly.configuration_desk import ConfigurationDesk
from streamer.cli import main
from streamer.commands.plan import SOMETHING_TO_DO
from streamer.config import load_config
from streamer.config.history import History
from streamer.web.access import Role
from tests.changing import MemoryChanging
from tests.console_server import TOKENS, Served, served
from tests.fakes import FakeClock

TEXT = """\
# ours
cameras:
  gate: {url: "rtsp://user:s3cret@10.0.0.5/main"}   # the old one
  yard: {url: rtsp://10.0.0.6/main, analyse_fps: 5}
"""
WANTED = TEXT.replace("analyse_fps: 5", "analyse_fps: 2") + "  door: {url: rtsp://10.0.0.7/main}\n"
ROOT = "/api/configuration"


class Site:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "cameras.yaml"
        self.path.write_text(TEXT)
        self.changing = MemoryChanging(load_config(self.path))
        desk = ConfigurationDesk(self.path, self.changing, History(folder / "configurations"), FakeClock())
        self.configuration = ConfigurationOverApi(desk, ())
        self.console: Served

    @property
    def address(self) -> str:
        return self.console.server.address

    def ask(self, method: str, path: str, body: Any = None, role: Role = Role.ADMIN) -> Any:
        answer = self.console.ask(method, ROOT + path, body, role=role)
        assert b"s3cret" not in answer.body
        return answer


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with served(tmp_path, configuration=made.configuration) as made.console:
        yield made


def test_a_text_is_read_planned_brought_in_and_rolled_back(site: Site) -> None:
    standing = site.ask("GET", "").json
    assert (standing["file"], standing["in_force"]) == ("cameras.yaml", True)
    assert "rtsp://***@10.0.0.5/main" in standing["text"]
    wanted = standing["text"].replace("analyse_fps: 5", "analyse_fps: 2") + "inference: {max_batch: 2}\n"
    assert site.ask("POST", "/plan", {"text": wanted}).json == {
        "cameras": [{"camera": "yard", "what": "changed", "keys": ["analyse_fps"]}],
        "restart": ["inference.max_batch"],
    }
    done = site.ask("PUT", "", {"text": wanted, "version": standing["version"]}).json
    assert done == {
        "done": True,
        "cameras": [{"camera": "yard", "what": "changed", "problem": None}],
        "restart": ["inference.max_batch"],
        "number": 2,
    }
    assert site.path.read_text() == wanted.replace("***", "user:s3cret")
    stale = site.ask("PUT", "", {"text": wanted, "version": standing["version"]})
    assert (stale.status, "somebody else" in stale.json["detail"]["problems"][0]) == (409, True)
    assert [each["who"] for each in site.ask("GET", "/history").json["history"]] == ["admin", "the service"]
    assert "rtsp://***@10.0.0.5/main" in site.ask("GET", "/history/1").json["text"]
    assert site.ask("GET", "/history/9").status == 404
    [back] = site.ask("POST", "/plan", {"number": 1}).json["cameras"]
    assert (back["camera"], back["keys"]) == ("yard", ["analyse_fps"])
    assert site.ask("POST", "/rollback", {"number": 1}).json["number"] == 3
    assert site.path.read_text() == TEXT


def test_cameras_come_change_and_go(site: Site) -> None:
    new = {"camera": "door", "settings": {"url": "rtsp://10.0.0.7/main"}}
    assert site.ask("POST", "/cameras", new).json["cameras"] == [{"camera": "door", "what": "added", "problem": None}]
    assert site.ask("POST", "/cameras", new).status == 422
    found = site.ask("GET", "/cameras/gate").json
    assert found["settings"] == {"url": "rtsp://***@10.0.0.5/main"}
    changed = {"settings": {**found["settings"], "analyse_fps": 1}, "version": found["version"]}
    assert site.ask("PUT", "/cameras/gate", changed).json["done"]
    assert site.changing.in_force().cameras["gate"].url == "rtsp://user:s3cret@10.0.0.5/main"
    assert site.ask("PUT", "/cameras/gate", changed).status == 409
    assert site.ask("DELETE", f"/cameras/door?version={found['version']}").status == 409
    assert site.ask("DELETE", "/cameras/door").json["cameras"][0]["what"] == "removed"
    assert site.ask("DELETE", "/cameras/door").status == 404
    assert site.ask("GET", "/cameras/door").status == 404
    assert "# the old one" in site.path.read_text()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"text": "cameras: {gate: {ulr: a}}"}, "cameras.yaml:1: cameras.gate.ulr: unknown key; did you mean 'url'?"),
        ({"text": "cameras: {"}, "cameras.yaml:1: is not YAML here"),
        ({"text": TEXT.replace("10.0.0.6", "127.0.0.1")}, "needs 'loopback' in web.allow_sources"),
    ],
)
def test_what_cannot_be_is_refused_with_every_problem(site: Site, body: Mapping[str, str], problem: str) -> None:
    for method, path in (("PUT", ""), ("POST", "/plan")):
        answer = site.ask(method, path, body)
        assert answer.status == 422
        assert any(problem in each for each in answer.json["detail"]["problems"]), answer.json
    assert site.path.read_text() == TEXT


def test_what_one_camera_does_not_take_leaves_all_as_it_was(site: Site) -> None:
    site.changing.refuses = {"door": "camera 'door': rtsp://user:s3cret@10.0.0.7/ is too much"}
    done = site.ask("PUT", "", {"text": WANTED.replace("user:s3cret", "***")}).json
    assert not done["done"]
    assert {each["camera"]: each["problem"] for each in done["cameras"]} == {
        "yard": None,
        "door": "camera 'door': rtsp://***@10.0.0.7/ is too much",
    }
    assert site.path.read_text() == TEXT


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_nobody_but_an_admin_sees_or_changes_it(site: Site, role: Role) -> None:
    for method, path, body in [
        ("GET", "", None),
        ("PUT", "", {"text": WANTED}),
        ("POST", "/plan", {"text": WANTED}),
        ("GET", "/history", None),
        ("POST", "/rollback", {"number": 1}),
        ("POST", "/try", {"settings": {"url": "a"}}),
        ("POST", "/cameras", {"camera": "a", "settings": {"url": "a"}}),
        ("DELETE", "/cameras/gate", None),
    ]:
        assert site.ask(method, path, body, role).status == 403, path
    assert site.path.read_text() == TEXT


def test_without_a_file_there_is_a_sentence(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        answer = console.get(ROOT, Role.ADMIN)
        assert (answer.status, answer.json["detail"]) == (409, "the service was started without a configuration file")


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("STREAMER_SERVICE", site.address)
    monkeypatch.setenv("STREAMER_TOKEN", TOKENS[Role.ADMIN])
    monkeypatch.setenv("NO_COLOR", "1")
    return site


def test_plan_and_apply_say_what_changes_and_do_it(
    command: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = tmp_path / "wanted.yaml"
    wanted.write_text(WANTED + "inference: {max_batch: 2}\n")
    assert main(["plan", str(wanted)]) == 0
    told = capsys.readouterr().out
    for line in (
        "~ yard  changed: analyse_fps",
        "+ door  added",
        "! inference.max_batch  needs a restart",
        "2 cameras",
    ):
        assert line in told
    assert command.path.read_text() == TEXT
    assert main(["plan", str(wanted), "--detailed-exitcode"]) == SOMETHING_TO_DO
    assert main(["apply", str(wanted)]) == 0
    assert "applied; it is number 2 of the history" in capsys.readouterr().out
    assert command.path.read_text() == wanted.read_text()
    wanted.write_text(command.path.read_text())
    assert main(["apply", str(wanted)]) == 0
    assert main(["config", "rollback", "1"]) == 0
    assert command.path.read_text() == TEXT
    capsys.readouterr()
    (tmp_path / "same.yaml").write_text(TEXT)
    assert main(["plan", str(tmp_path / "same.yaml"), "--detailed-exitcode"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_history_and_show_tell_what_was_and_is(command: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show"]) == 0
    assert capsys.readouterr().out == TEXT.replace("user:s3cret", "***")
    assert main(["config", "show", "1"]) == 0
    assert capsys.readouterr().out == TEXT.replace("user:s3cret", "***")
    assert main(["config", "history", "--json"]) == 0
    [entry] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (entry["number"], entry["who"]) == (1, "the service")
    assert main(["config", "show", "7"]) == 2
    assert "no configuration 7 in the history" in capsys.readouterr().err


def test_what_is_refused_or_away_has_its_own_exit_code(
    command: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(TEXT.replace("yard: {url", "yard: {ulr"))
    assert main(["apply", str(wrong)]) == 2
    assert "cameras.yaml:4: cameras.yard.ulr: unknown key; did you mean 'url'?" in capsys.readouterr().err
    command.changing.refuses = {"yard": "camera 'yard': is stuck"}
    wrong.write_text(TEXT.replace("analyse_fps: 5", "analyse_fps: 2"))
    assert main(["apply", str(wrong)]) == 1
    assert "yard  not changed: camera 'yard': is stuck" in capsys.readouterr().out
    assert command.path.read_text() == TEXT
    monkeypatch.setenv("STREAMER_TOKEN", TOKENS[Role.VIEWER])
    assert main(["plan", str(wrong)]) == 1
    assert "needs the role admin" in capsys.readouterr().err
    assert main(["plan", str(wrong), "--service", "http://127.0.0.1:1"]) == 1
    assert "no console answers at http://127.0.0.1:1" in capsys.readouterr().err
    assert main(["plan", str(tmp_path / "gone.yaml")]) == 2


def test_without_users_whoever_is_at_the_machine_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMER_TOKEN", raising=False)
    site = Site(tmp_path)
    with served(tmp_path, users=False, configuration=site.configuration) as site.console:
        (tmp_path / "wanted.yaml").write_text(WANTED)
        assert main(["apply", str(tmp_path / "wanted.yaml"), "--service", site.address]) == 0
    assert site.path.read_text() == WANTED


def test_two_files_are_compared_without_a_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old.yaml").write_text(TEXT)
    (tmp_path / "new.yaml").write_text(WANTED.replace("gate", "gates"))
    asked = ["plan", str(tmp_path / "new.yaml"), "--against", str(tmp_path / "old.yaml"), "--detailed-exitcode"]
    assert main(asked) == SOMETHING_TO_DO
    told = capsys.readouterr().out
    for line in ("- gate  removed", "+ gates  added", "~ yard  changed: analyse_fps"):
        assert line in told
    assert "s3cret" not in told
