"""Cameras that move in full view: two nodes, live cameras that number their pictures, and who analysed which."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.cluster.state import Picture
from tests.fleet import Fleet, broken, cluster_config, is_settled, lives, wait_for, watched
from tests.living import follow, published
from tests.numbered import NUMBERED, Account, FeedReader, numbered_cameras
from tests.redis_server import RedisServer

CAMERAS = ["cam0", "cam1"]
WITHIN_S = 90.0
SAME_TIME_S = 0.04
pytestmark = [pytest.mark.needs("debian"), pytest.mark.timeout(400)]


class Site:
    """Two nodes and their cameras, all of whose pictures are analysed."""

    def __init__(self, fleet: Fleet, url: str, folder: Path) -> None:
        self.fleet, self.state, self.url, self.folder = fleet, fleet.state, url, folder
        self.feed = FeedReader(url, CAMERAS)

    def all_watched(self, *among: str) -> dict[str, str]:
        return watched(wait_for(self.state, lambda s: is_settled(s, len(CAMERAS), among), f"{among} watch all"))

    def drain(self, node: str) -> None:
        self.state.drain(node)
        wait_for(self.state, lambda s: not s.beats[node].cameras and is_settled(s, len(CAMERAS)), f"{node} is empty")

    def go_on(self, more: int = 15) -> None:
        """So many more pictures of every camera are analysed."""
        newest = {camera: self.feed.newest(camera) for camera in CAMERAS}
        until_s = time.monotonic() + WITHIN_S
        while any(self.feed.newest(camera) < newest[camera] + more for camera in CAMERAS):
            assert time.monotonic() < until_s, f"not analysed further: {newest}"
            time.sleep(0.05)

    def accounts(self) -> dict[str, Account]:
        return {camera: self.feed.account(camera) for camera in CAMERAS}

    def log(self, node: str) -> str:
        return (self.folder / f"{node}.log").read_text()


@pytest.fixture
def overlap() -> bool:
    return True


@pytest.fixture
def site(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlap: bool) -> Iterator[Site]:
    monkeypatch.setenv(NUMBERED, "1")
    with numbered_cameras(CAMERAS) as addresses:
        node: dict[str, Any] = {"overlap": overlap}
        config = cluster_config(tmp_path, server.url, addresses, analyse_fps="all", node=node)
        fleet = Fleet(server.url, tmp_path)
        running = Site(fleet, server.url, tmp_path)
        try:
            fleet.begin(config, "a", "b")
            running.all_watched("a", "b")
            running.go_on()
            follow(server.url, lambda changes: len(lives(changes)) == len(CAMERAS), WITHIN_S)
            yield running
        finally:
            fleet.close()
            running.feed.close()


def every_picture_once(site: Site) -> bool:
    """But where a machine that is too busy shows in the log why not: the two connections were told other times by the
    camera (it is a process here, and starves too), which costs one picture a move; or the next node did not get on."""
    log = "".join(site.log(node) for node in ("a", "b"))
    for camera, account in site.accounts().items():
        wrong = (*account.missing, *account.twice)
        if f"'{camera}' goes to" in log:
            assert account.twice == ()
        elif misdated(log, camera):
            assert len(wrong) <= account.sessions - 1
        else:
            assert wrong == ()
    return True


def misdated(log: str, camera: str) -> bool:
    """Whether two nodes had another idea of the camera's own time, or one had none."""
    for there, here in re.findall(
        rf"'{camera}' goes on behind [^(]*\(the camera's own time: (\S+).*? there, (\S+)", log
    ):
        if "unknown" in (there, here) or abs(float(there) - float(here)) > SAME_TIME_S:
            return True
    return False


def test_every_picture_is_analysed_once_while_cameras_go_to_and_fro(site: Site) -> None:
    for node in ("a", "b"):
        site.drain(node)
        site.go_on()
        site.state.drain(node, undo=True)
        site.all_watched("a", "b")
        site.go_on()
    assert every_picture_once(site)
    assert sum(each.sessions for each in site.accounts().values()) >= len(CAMERAS) + 3
    changes = published(site.url)
    assert broken(changes) == []
    assert len(lives(changes)) == len(CAMERAS)


def test_one_that_dies_while_it_listens_is_nobodys_loss(site: Site) -> None:
    mine = next(camera for camera, node in watched(site.state.read()).items() if node == "a")
    site.state.drain("a")
    wait_for(site.state, lambda s: "b" in s.beats and mine in s.beats["b"].warmth, "b listens")
    site.fleet.kill("b")
    wait_for(site.state, lambda s: "b" not in s.beats and set(s.beats["a"].cameras) == {mine}, "a has what it had")
    assert mine in wait_for(site.state, lambda s: mine in s.shares["a"].cameras, "a keeps it").verdict.held_back
    site.state.drain("a", undo=True)
    site.all_watched("a")
    site.go_on()
    account = site.feed.account(mine)
    assert (account.missing, account.twice, account.sessions) == ((), (), 1)
    assert broken(published(site.url)) == []
    assert len(lives(published(site.url))) == len(CAMERAS)


def test_one_that_dies_while_another_listens_is_gone_on_for(site: Site) -> None:
    mine = next(camera for camera, node in watched(site.state.read()).items() if node == "a")
    site.state.drain("a")
    wait_for(site.state, lambda s: mine in s.beats["b"].warmth, "b listens")
    site.fleet.kill("a")
    wait_for(site.state, lambda s: "a" not in s.beats and is_settled(s, len(CAMERAS)), "b has all")
    site.go_on()
    account = site.feed.account(mine)
    assert account.twice == ()  # nobody knows what the dead one saw, so nothing is looked at again
    assert broken(published(site.url)) == []
    assert len(lives(published(site.url))) == len(CAMERAS)


def test_placement_that_changes_its_mind_costs_no_picture(site: Site) -> None:
    site.state.drain("a")
    wait_for(site.state, lambda s: bool(s.shares["a"].going), "placement wants it")
    site.state.drain("a", undo=True)
    site.all_watched("a", "b")
    wait_for(site.state, lambda s: not any(beat.warmth for beat in s.beats.values()), "nobody listens")
    site.go_on()
    assert every_picture_once(site)
    assert broken(published(site.url)) == []


def test_where_both_are_drained_everything_stays_where_it_is(site: Site) -> None:
    for node in ("a", "b"):
        site.state.drain(node)
    wait_for(site.state, _all_held_back, "nobody else has room")
    site.go_on(30)
    assert every_picture_once(site)
    assert broken(published(site.url)) == []


def _all_held_back(seen: Picture) -> bool:
    return set(seen.verdict.held_back) == set(CAMERAS) and is_settled(seen, len(CAMERAS))


@pytest.mark.parametrize("overlap", [False])
def test_a_camera_that_allows_one_connection_is_let_go_first(site: Site) -> None:
    site.drain("a")
    site.go_on()
    assert "is about to come" not in site.log("b")
    accounts = site.accounts()
    assert [each.twice for each in accounts.values()] == [(), ()]
    moved = max(accounts.values(), key=lambda each: each.sessions)
    assert moved.missing  # seconds of connecting, and nobody looks
