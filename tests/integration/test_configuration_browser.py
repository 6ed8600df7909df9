"""Configuration as a person meets it: Chromium in front of a real service, cameras that come and go while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, expect

from tests.console import chromium, visiting, wait_until_served, with_console
from tests.living import one_camera, running
from tests.rtsp import aio_rtsp_server

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Site:
    address: str
    config: Path
    camera: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running_browser:
        yield running_browser


@pytest.fixture
def site(tmp_path: Path, street: Path) -> Iterator[Site]:
    with aio_rtsp_server(street.parent) as rtsp:
        url = rtsp.url(street.name, loop=True)
        config = one_camera(tmp_path, "redis://127.0.0.1:1", url=url)
        address = with_console(config, allow_sources=["loopback"])
        config.write_text("# ours\n" + config.read_text())
        with running(config):
            wait_until_served(address)
            yield Site(address, config, url)


def cameras_of(config: Path) -> dict[str, dict[str, object]]:
    return yaml.safe_load(config.read_text())["cameras"]


def test_a_camera_is_tried_added_seen_on_every_wall_changed_and_removed(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address) as watching, visiting(browser, site.address) as visit:
        wall = watching.log_in("vera").get_by_role("list", name="Cameras")
        expect(wall.get_by_role("listitem")).to_have_count(1)
        page = visit.log_in("ada")
        page.get_by_role("link", name="Add a camera").click()
        page.get_by_label("Name").fill("door")
        page.get_by_label("Address").fill(site.camera)
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_role("img", name="Picture of the camera that was tried")).to_be_visible(timeout=60_000)
        expect(page.get_by_text(re.compile(r"It works: \d+ × \d+"))).to_be_visible()
        page.get_by_label("Pictures analysed a second").fill("4")
        page.get_by_role("button", name="Add camera").click()

        tile = page.get_by_role("list", name="Cameras").get_by_role("listitem").filter(has_text="door")
        expect(tile.locator("canvas[data-pictures]")).to_be_visible(timeout=60_000)
        expect(wall.get_by_role("listitem").filter(has_text="door")).to_be_visible()  # without loading anything anew
        assert cameras_of(site.config)["door"] == {"url": site.camera, "analyse_fps": 4}
        assert site.config.read_text().startswith("# ours\n")

        tile.click()
        page.get_by_role("link", name="Settings").click()
        expect(page.get_by_label("Pictures analysed a second")).to_have_value("4")
        page.get_by_label("Priority").select_option("high")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="Settings").click()
        expect(page.get_by_label("Priority")).to_have_value("high")
        assert cameras_of(site.config)["door"] == {"url": site.camera, "analyse_fps": 4, "priority": "high"}

        page.get_by_role("button", name="Remove camera").click()
        page.get_by_role("alertdialog", name="Remove camera").get_by_role("button", name="Remove it").click()
        expect(page.get_by_role("list", name="Cameras").get_by_role("listitem")).to_have_count(1)
        expect(wall.get_by_role("listitem")).to_have_count(1)
        assert set(cameras_of(site.config)) == {"gate"}
        assert (visit.wrong, watching.wrong) == ([], [])


def test_what_does_not_work_is_said_before_and_nothing_is_written(site: Site, browser: Browser) -> None:
    before = site.config.read_text()
    with visiting(browser, site.address) as visit:
        page = visit.log_in("ada")
        page.goto(f"{site.address}/configuration/add")
        page.get_by_label("Name").fill("door")
        page.get_by_label("Address").fill("rtsp://user:s3cret@127.0.0.1:1/main")
        page.get_by_role("button", name="Try it").click()
        told = page.get_by_role("status").filter(has_text="rtsp://")
        expect(told).to_contain_text("rtsp://***@127.0.0.1:1/main", timeout=60_000)
        page.get_by_label("Address").fill("/etc/passwd")
        page.get_by_role("button", name="Add camera").click()
        expect(page.get_by_role("alert")).to_contain_text("needs 'files' in web.allow_sources")
        page.get_by_label("Name").fill("gate")
        page.get_by_label("Address").fill(site.camera)
        page.get_by_role("button", name="Add camera").click()
        expect(page.get_by_role("alert")).to_contain_text("there is a camera 'gate' already")
    assert site.config.read_text() == before


def test_a_text_is_planned_applied_and_rolled_back(site: Site, browser: Browser) -> None:
    before = site.config.read_text()
    with visiting(browser, site.address) as visit:
        page = visit.log_in("ada")
        page.get_by_role("link", name="Configuration").click()
        text = page.get_by_role("textbox", name="Configuration")
        expect(text).to_have_value(re.compile("# ours"))
        assert "scrypt" not in text.input_value()
        apply = page.get_by_role("button", name="Apply")
        expect(apply).to_be_disabled()
        shown = text.input_value()

        text.fill(shown.replace("analyse_fps: 5", "anlyse_fps: 5"))
        page.get_by_role("button", name="See what would change").click()
        expect(page.get_by_role("alert")).to_contain_text("unknown key; did you mean 'analyse_fps'?")
        expect(apply).to_be_disabled()

        text.fill(shown.replace("analyse_fps: 5", "analyse_fps: 3").replace("max_age_s: 30", "max_age_s: 20"))
        page.get_by_role("button", name="See what would change").click()
        steps = page.get_by_role("list", name="What would change")
        expect(steps.get_by_role("listitem").filter(has_text="gate")).to_contain_text("changes: analyse_fps")
        expect(steps.get_by_role("listitem").filter(has_text="inference.max_age_s")).to_contain_text("needs a restart")
        assert site.config.read_text() == before
        apply.click()
        expect(page.get_by_role("list", name="Results")).to_contain_text("gate", timeout=60_000)
        expect(page.get_by_text("Applied. It is number 2 of the history.")).to_be_visible()
        assert site.config.read_text() == before.replace("analyse_fps: 5", "analyse_fps: 3").replace(
            "max_age_s: 30", "max_age_s: 20"
        )

        history = page.get_by_role("list", name="History")
        expect(history.get_by_role("listitem").first).to_contain_text("ada")
        page.get_by_role("button", name="Roll back to number 1").click()
        expect(history.get_by_role("list", name="What would change")).to_contain_text("changes: analyse_fps")
        page.get_by_role("button", name="Go back to number 1").click()
        expect(page.get_by_text("Applied. It is number 3 of the history.")).to_be_visible(timeout=60_000)
        # A refused plan is answered 422, which browsers call an error.
        assert [each for each in visit.wrong if "422" not in each] == []
    assert site.config.read_text() == before


def test_who_is_no_admin_is_not_even_offered_it(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address) as visit:
        page = visit.log_in("otto")
        expect(page.get_by_role("list", name="Cameras").get_by_role("listitem")).to_have_count(1)
        assert page.get_by_role("link", name="Configuration").count() == 0
        assert page.get_by_role("link", name="Add a camera").count() == 0
        page.goto(f"{site.address}/configuration")
        expect(page.get_by_role("alert")).to_contain_text("this needs the role admin")


def test_on_a_phone_and_by_keyboard_it_can_be_used(site: Site, browser: Browser) -> None:
    with visiting(browser, site.address, size=(390, 800), scheme="dark") as visit:
        page = visit.log_in("ada")
        for path in ("/configuration", "/configuration/add", "/cameras/gate/settings"):
            page.goto(f"{site.address}{path}")
            page.get_by_role("main").get_by_role("heading").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.get_by_role("button", name="Remove camera").press("Enter")
        expect(page.get_by_role("button", name="Remove it")).to_be_focused()
        page.get_by_role("button", name="Keep it").press("Enter")
        expect(page.get_by_role("alertdialog")).to_have_count(0)
