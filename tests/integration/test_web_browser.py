"""The console as a person meets it: Chromium in front of a real service that watches a drawn camera over RTSP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import yaml
from playwright.sync_api import Browser, expect

from tests.console import chromium, visiting, wait_until_served, with_console
from tests.living import one_camera, running
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]

EVERYWHERE = {
    "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    "rules": [
        {
            "name": "in",
            "kind": "intrusion",
            "zone": "all",
            "labels": ["person"],
            "min_score": 0.4,
            "severity": "critical",
        }
    ],
}


@dataclass(frozen=True)
class Site:
    """A service that runs, and where it can be watched."""

    address: str
    redis: str
    config: Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with RedisServer(folder / "redis") as server, aio_rtsp_server(street.parent) as rtsp:
        clips = {"before_s": 1, "after_s": 1}
        config = one_camera(folder, server.url, url=rtsp.url(street.name, loop=True), clips=clips, **EVERYWHERE)
        address = with_console(config)
        with running(config):
            wait_until_served(address)
            yield Site(address, server.url, config)


def on_the_stream(url: str) -> list[dict[str, str]]:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return [fields for _, fields in client.xrange("streamer:alerts")]


def test_an_operator_logs_in_sees_boxes_gets_an_alert_and_acknowledges_it_on_the_stream(
    site: Site, browser: Browser
) -> None:
    with visiting(browser, site.address) as visit:
        page = visit.log_in("otto")
        tile = page.get_by_role("list", name="Cameras").get_by_role("listitem").first
        expect(tile).to_contain_text("gate")
        expect(tile).to_contain_text(re.compile(r"\d+ (person|car)"), timeout=60_000)  # followed, so boxes are drawn
        assert int(tile.locator("canvas").get_attribute("data-pictures") or 0) >= 1

        alerts = page.get_by_role("list", name="Latest alerts")
        row = alerts.get_by_role("listitem").filter(has_text="Intrusion").first
        row.click(timeout=60_000)
        alert_id = page.url.rpartition("/")[2]
        detail = page.get_by_role("region", name="Alert")
        expect(detail.get_by_role("img", name=re.compile("Picture of the alert"))).to_be_visible()
        expect(detail).to_contain_text("person")
        detail.get_by_label("Comment").fill("It is the postman.")
        detail.get_by_role("button", name="Acknowledge").click()
        expect(detail).to_contain_text("Acknowledged by otto")
        expect(detail.get_by_role("list", name="What was done")).to_contain_text("It is the postman.")
        assert visit.wrong == []
    [entry] = [each for each in on_the_stream(site.redis) if each["type"] == "acknowledged"]
    assert entry["schema"] == "streamer.handling/1"
    told = json.loads(entry["data"])
    assert (told["alert"], told["by"], told["text"]) == (alert_id, "otto", "It is the postman.")


def test_the_clip_of_an_alert_plays(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address) as visit:
        page = visit.log_in("vera")
        page.goto(f"{site.address}/alerts?state=closed")
        page.get_by_role("list", name="Alerts").get_by_role("listitem").last.click(timeout=60_000)
        detail = page.get_by_role("region", name="Alert")
        detail.get_by_role("button", name="Clip").click(timeout=60_000)
        video = detail.get_by_label("Clip of the alert")
        page.wait_for_function("video => video.currentTime > 0.2", arg=video.element_handle())
        assert page.evaluate("video => [video.videoWidth > 0, video.error]", video.element_handle()) == [True, None]
        expect(detail).to_contain_text("needs the role operator")
        assert detail.get_by_role("button", name="Acknowledge").count() == 0


def test_a_zone_is_drawn_with_the_mouse_and_lands_in_the_file(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address) as visit:
        page = visit.log_in("ada")
        page.get_by_role("list", name="Cameras").get_by_role("listitem").first.click()
        page.get_by_role("link", name="Edit zones and lines").click()
        page.locator("canvas[data-shown]").wait_for()
        page.get_by_role("button", name="Draw a zone").click()
        board = page.get_by_role("application", name="Zones and lines")
        box = board.bounding_box()
        assert box is not None
        corners = [(0.2, 0.2), (0.6, 0.25), (0.5, 0.8)]
        for x, y in [*corners, corners[0]]:
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.get_by_label("Name of zone zone-1").fill("doorstep")
        page.get_by_label("Alert of zone doorstep").select_option("intrusion")
        page.get_by_label("Severity of zone doorstep").select_option("critical")
        point = page.get_by_role("button", name="Point 1 of doorstep")
        point.focus()
        page.keyboard.press("Shift+ArrowDown")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved, and in force")).to_be_visible()
        assert visit.wrong == []
    camera = yaml.safe_load(site.config.read_text())["cameras"]["gate"]
    assert set(camera["zones"]) == {"all", "doorstep"}
    meant = [(0.2, 0.25), (0.6, 0.25), (0.5, 0.8)]
    for (x, y), (wanted_x, wanted_y) in zip(camera["zones"]["doorstep"], meant, strict=True):
        assert (x, y) == (pytest.approx(wanted_x, abs=0.005), pytest.approx(wanted_y, abs=0.005))
    rule = {"name": "doorstep-intrusion", "kind": "intrusion", "zone": "doorstep", "severity": "critical"}
    assert camera["rules"][-1] == {**rule, "labels": ["person"]}
    check = [sys.executable, "-m", "streamer", "validate", "--no-model", str(site.config)]
    assert subprocess.run(check, capture_output=True).returncode == 0


def test_a_line_is_drawn_with_the_keyboard_alone_and_given_up_again(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address) as visit:
        page = visit.log_in("ada")
        page.goto(f"{site.address}/cameras/gate/places")
        draw = page.get_by_role("button", name="Draw a line")
        expect(draw).to_be_enabled()
        draw.press("Enter")
        for key in ("Space", "Shift+ArrowRight", "Shift+ArrowDown", "Space"):
            page.keyboard.press(key)
        assert page.get_by_label("Name of line line-1").input_value() == "line-1"
        page.get_by_role("button", name="Point 2 of line-1").focus()
        page.keyboard.press("Insert")
        expect(page.get_by_text("line, 3 points")).to_be_visible()
        page.get_by_role("button", name="Point 2 of line-1").focus()
        page.keyboard.press("Delete")
        expect(page.get_by_text("line, 2 points")).to_be_visible()
        page.get_by_role("button", name="Delete line line-1").press("Enter")
        expect(page.get_by_label("Name of line line-1")).to_have_count(0)
        page.get_by_role("button", name="Discard changes").press("Enter")
        expect(page.get_by_role("button", name="Save")).to_be_disabled()
        assert visit.wrong == []


def test_the_theme_that_one_chose_stays(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address, scheme="light") as visit:
        page = visit.log_in("vera")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        page.get_by_role("button", name="Dark theme").click()
        page.reload()
        page.get_by_role("button", name="Light theme").wait_for()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_on_a_phone_nothing_is_wider_than_the_screen(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address, size=(390, 800), scheme="dark") as visit:
        page = visit.log_in("ada")
        for path in ("/", "/alerts", "/cameras/gate", "/cameras/gate/places"):
            page.goto(f"{site.address}{path}")
            page.get_by_role("main").get_by_role("heading").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_a_zone_that_was_drawn_raises_the_alert_that_was_chosen_for_it(
    tmp_path: Path, browser: Browser, street: Path
) -> None:
    with RedisServer(tmp_path / "redis") as server, aio_rtsp_server(street.parent) as rtsp:
        config = one_camera(tmp_path, server.url, url=rtsp.url(street.name, loop=True))
        settings = yaml.safe_load(config.read_text())
        config.write_text(yaml.safe_dump({**settings, "capture": {"processes": 1}}))  # pictures of another process
        address = with_console(config)
        with running(config), visiting(browser, address) as visit:
            wait_until_served(address)
            page = visit.log_in("ada")
            page.goto(f"{address}/cameras/gate/places")
            page.locator("canvas[data-shown]").wait_for()
            page.get_by_role("button", name="Draw a zone").click()
            box = page.get_by_role("application", name="Zones and lines").bounding_box()
            assert box is not None
            for x, y in [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]:
                page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
            page.get_by_label("Alert of zone zone-1").select_option("intrusion")
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_text("Saved, and in force")).to_be_visible()
            page.goto(address)
            row = page.get_by_role("list", name="Latest alerts").get_by_role("listitem").filter(has_text="Intrusion")
            row.first.click(timeout=60_000)
            expect(page.get_by_role("region", name="Alert")).to_contain_text("zone-1-intrusion")
