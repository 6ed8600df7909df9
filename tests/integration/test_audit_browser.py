"""The audit log as an admin meets it in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from streamer.web.access import Role
from tests.console import Visit, chromium, visiting
from tests.console_server import PASSWORD, served

pytestmark = [pytest.mark.needs("chromium")]


def logged_in(visit: Visit, user: str) -> Page:
    visit.page.goto(f"{visit.address}/alerts")  # not the wall: who watches it is written down as well
    visit.page.get_by_label("Name").fill(user)
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.page.get_by_role("button", name="Log in").click()
    visit.page.get_by_role("navigation", name="Console").wait_for()
    visit.wrong.clear()  # who one is was asked at the door, and answered 401
    return visit.page


def test_an_admin_reads_who_did_what_page_by_page_and_by_camera(tmp_path: Path) -> None:
    with served(tmp_path) as console, chromium() as browser:
        for n in range(130):
            console.post("/api/cameras/gate/wake" if n % 2 else "/api/cameras/yard%202/wake", {"for_s": n + 1})
        console.post("/api/cameras/gate/wake", {"for_s": 1}, role=Role.VIEWER)
        with visiting(browser, console.server.address) as visit:
            page = logged_in(visit, "admin-user")
            page.get_by_role("link", name="Audit log").click()
            expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
            rows = page.get_by_role("region", name="Entries").locator("tbody tr")
            expect(rows).to_have_count(100)
            expect(rows.first).to_contain_text("admin-user")
            refused = rows.filter(has_text="refused")
            expect(refused).to_have_count(1)
            expect(refused).to_contain_text("viewer")
            expect(refused).to_contain_text("woke gate")
            page.get_by_role("button", name="Older entries").click()
            expect(rows).to_have_count(132)  # and the log-in; reading is written down a moment later
            page.get_by_label("Camera").fill("yard 2")
            page.get_by_label("Camera").press("Enter")
            expect(rows).to_have_count(65)
            expect(page.get_by_role("button", name="Older entries")).to_be_hidden()
            page.get_by_label("Who").fill("nobody")
            page.get_by_label("Who").press("Enter")
            expect(page.get_by_text("Nothing was written down about this.")).to_be_visible()
            assert not visit.wrong
        with visiting(browser, console.server.address) as visit:
            page = logged_in(visit, "operator-user")
            expect(page.get_by_role("link", name="Audit log")).to_have_count(0)
