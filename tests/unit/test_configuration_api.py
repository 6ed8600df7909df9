"""The configuration from afar: no secret comes out, and what only this machine may reach does not come in."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from streamer.web.configuration import ConfigurationRefused
from tests.configuration_site import SECRETS, TEXT, Site, a_site


@pytest.fixture(autouse=True)
def secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "r3d-passw0rd")
    monkeypatch.setenv("OTHER_SECRET", "r3d-passw0rd")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return a_site(tmp_path)


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(ConfigurationRefused) as error:
        call(*arguments)
    assert not any(secret in str(error.value) for secret in SECRETS)
    return str(error.value)


def test_nothing_that_is_answered_holds_a_secret(site: Site) -> None:
    shown = site.api.read()
    edited = shown.text.replace("gravel", "grass").replace("/main", "/main?x=1")
    answers: list[Any] = [asdict(shown), asdict(site.api.plan(shown.text)), asdict(site.api.camera("gate"))]
    answers += [asdict(site.api.camera("local")), site.api.past(1), *map(asdict, site.api.history())]
    assert not any(secret in json.dumps(answers) for secret in SECRETS)
    assert (shown.in_force, shown.restart, shown.problems) == (True, (), [])
    assert "cameras.gate.url" in refused(site.api.plan, edited)  # *** at another address


def test_what_comes_back_with_hidden_secrets_keeps_them(site: Site) -> None:
    shown = site.api.read()
    done = site.api.apply(
        shown.text.replace("  film:", "  door: {url: rtsp://10.0.0.7/}\n  film:"), "ada", shown.version
    )
    assert [(each.camera, each.what) for each in done.cameras] == [("door", "added")]
    assert site.text == TEXT.replace("  film:", "  door: {url: rtsp://10.0.0.7/}\n  film:")
    assert site.changing.in_force().cameras["gate"].url == "rtsp://user:s3cret@10.0.0.5/main"


def test_a_camera_is_added_changed_and_removed_and_all_else_stays_as_it_was_written(site: Site) -> None:
    site.api.add_camera("door", {"url": "rtsp://10.0.0.7/", "analyse_fps": 2}, "ada", None)
    assert site.text.startswith(TEXT.partition("web:")[0].rstrip())
    gate = site.api.camera("gate")
    assert gate.settings["url"] == "rtsp://***@10.0.0.5/main"
    steps = site.api.plan_camera("gate", {**gate.settings, "analyse_fps": 9})
    assert [(each.camera, each.what, each.keys) for each in steps.cameras] == [("gate", "changed", ("analyse_fps",))]
    site.api.change_camera("gate", {**gate.settings, "analyse_fps": 9}, "ada", gate.version)
    now = site.changing.in_force().cameras["gate"]
    assert (now.url, now.analyse_fps, set(now.zones)) == ("rtsp://user:s3cret@10.0.0.5/main", 9.0, {"yard"})
    assert "# gravel" in site.text
    assert [each.what for each in site.api.plan_camera("door", None).cameras] == ["removed"]
    site.api.remove_camera("door", "ada", None)
    assert set(site.changing.in_force().cameras) == {"gate", "film", "local"}
    assert [each.who for each in site.api.history()] == ["ada", "ada", "ada", "the service"]
    site.api.rollback(1, "ben", None)
    assert site.text == TEXT


def test_wishes_that_cannot_be_are_refused_in_words(site: Site) -> None:
    fine = {"url": "rtsp://10.0.0.7/"}
    assert "there is a camera 'gate' already" in refused(site.api.add_camera, "gate", fine, "ada", None)
    assert "there is no camera 'shed'" in refused(site.api.change_camera, "shed", fine, "ada", None)
    assert "there is no camera 'shed'" in refused(site.api.remove_camera, "shed", "ada", None)
    assert "unknown key" in refused(site.api.add_camera, "shed", {**fine, "anlyse_fps": 3}, "ada", None)
    assert "changed by somebody else" in refused(site.api.add_camera, "shed", fine, "ada", "an older version")
    assert site.text == TEXT


@pytest.mark.parametrize(
    ("url", "needed"),
    [
        ("/etc/passwd", "files"),
        ("film.mp4", "files"),
        ("file:///etc/passwd", "any_scheme"),
        ("concat:/etc/passwd|/etc/hosts", "files"),
        ("udp://10.0.0.7:9", "any_scheme"),
        ("/dev/video0", "devices"),
        ("rtsp://127.0.0.1/x", "loopback"),
        ("rtsp://localhost:554/x", "loopback"),
        ("http://[::1]/x", "loopback"),
        ("http://[::ffff:127.0.0.1]/x", "loopback"),
        ("http://2130706433/x", "loopback"),
        ("http://0.0.0.0/x", "loopback"),
        ("rtsp://a:b@127.1/x", "loopback"),
        ("http://169.254.169.254/latest/meta-data", "link_local"),
        ("http://[fe80::1]/x", "link_local"),
        ("http://[fd00:ec2::254]/x", "link_local"),
        ("http://100.100.100.200/x", "link_local"),
    ],
)
def test_what_only_the_machine_itself_can_reach_must_be_allowed(tmp_path: Path, url: str, needed: str) -> None:
    site = a_site(tmp_path)
    assert f"'{needed}' in web.allow_sources" in refused(site.api.add_camera, "new", {"url": url}, "ada", None)
    assert f"'{needed}'" in refused(site.api.attempt, None, {"url": url})
    again = refused(site.api.add_camera, "new", {"url": "rtsp://10.0.0.1/", "footage_url": url}, "ada", None)
    assert "cameras.new.footage_url" in again
    assert site.text == TEXT
    assert a_site(tmp_path, needed, "any_scheme", "files").api.add_camera("new", {"url": url}, "ada", None).done


def test_what_stands_in_the_file_already_stays_allowed(site: Site) -> None:
    site.api.change_camera("film", {"url": "/videos/a.mp4", "analyse_fps": 1}, "ada", None)
    local = site.api.camera("local")
    site.api.change_camera("local", {**local.settings, "analyse_fps": 1}, "ada", None)
    assert site.changing.in_force().cameras["local"].options == {"headers": "Cookie: abcd1234"}
    elsewhere = {**local.settings, "url": "http://evil.example/"}
    assert "cameras.local.options.headers" in refused(site.api.change_camera, "local", elsewhere, "ada", None)


@pytest.mark.parametrize(
    ("was", "becomes", "sentence"),
    [
        ("redis.example", "evil.example", "redis.url: ${REDIS_PASSWORD} is used in a new place"),
        ("cameras:\n", "http: {port: 1}\ncameras:\n", "http: is not changed through the API"),
        ("web: {", "web: {allow_sources: [files], ", "web: is not changed through the API"),
        ("cameras:\n", "jsonl: {path: /etc/cron.d/x}\ncameras:\n", "jsonl: is not changed through the API"),
        ("cameras:\n", "model: {path: /tmp/evil}\ncameras:\n", "model.path: through the API a model is named"),
        ("10.0.0.5/main", "10.0.0.5/main\n    options: {protocol_whitelist: file}", "cameras.gate.options"),
        ("/videos/a.mp4", "'rtsp://x:${OTHER_SECRET}@10.0.0.7/'", "${OTHER_SECRET} is used in a new place"),
        ("/videos/a.mp4", "'rtsp://x:${REDIS_PASSWORD}@10.0.0.7/'", "${REDIS_PASSWORD} is used in a new place"),
        ("/videos/a.mp4", "'rtsp://x:${file:/etc/shadow}@10.0.0.7/'", "cameras.film.url"),
    ],
)
def test_what_decides_who_comes_in_and_where_things_go_is_changed_at_the_machine_only(
    site: Site, was: str, becomes: str, sentence: str
) -> None:
    shown = site.api.read()
    assert sentence in refused(site.api.apply, shown.text.replace(was, becomes), "ada", shown.version)
    assert site.text == TEXT


def test_a_file_that_a_person_broke_is_not_shown_and_can_be_rolled_back(site: Site) -> None:
    site.path.write_text("cameras: {gate: {url: rtsp://user:s3cret@x/\n")
    standing = site.api.read()
    assert (standing.text, standing.in_force) == (None, False)
    assert "is not YAML" in standing.problems[0]
    assert "s3cret" not in str(standing)
    site.api.rollback(1, "ada", standing.version)
    assert site.text == TEXT
