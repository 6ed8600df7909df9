"""A configuration file that is watched: brought in when it has changed, and never half of it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.assembly.configuration_desk import ConfigurationDesk
from streamer.assembly.configuration_watch import ConfigurationWatch
from streamer.config import load_config
from streamer.config.history import History
from tests.changing import MemoryChanging
from tests.fakes import FakeClock

TEXT = "cameras:\n  gate: {url: rtsp://gate/}\n"
MORE = TEXT + "  yard: {url: rtsp://yard/}   # new\n"


class Site:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "cameras.yaml"
        self.path.write_text(TEXT)
        self.changing = MemoryChanging(load_config(self.path))
        self.desk = ConfigurationDesk(self.path, self.changing, History(folder / "history"), FakeClock())

    @property
    def cameras(self) -> set[str]:
        return set(self.changing.in_force().cameras)

    @contextmanager
    def watched(self, *, polling: bool = True) -> Iterator[ConfigurationWatch]:
        watch = ConfigurationWatch(self.desk, polling=polling, look_every_s=0.02)
        watch.start()
        try:
            yield watch
        finally:
            watch.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def eventually(is_so: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline_s, tick = time.monotonic() + within_s, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline_s
        tick.wait(0.01)


def test_what_is_saved_is_brought_in_whatever_way_the_editor_saves(site: Site) -> None:
    with site.watched():
        site.path.write_text(MORE)
        eventually(lambda: site.cameras == {"gate", "yard"})
        beside = site.path.with_suffix(".swp")
        beside.write_text(TEXT)
        beside.replace(site.path)
        eventually(lambda: site.cameras == {"gate"})
    assert [entry.who for entry in site.desk.history.entries()][:2] == ["the file", "the file"]
    assert site.path.read_text() == TEXT


def test_a_broken_file_is_told_once_with_its_lines_and_what_ran_runs_on(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with site.watched():
        site.path.write_text(MORE.replace("{url: rtsp://yard/}", "{ulr: rtsp://u:s3cret@yard/}"))
        eventually(lambda: bool(caplog.records))
        said = caplog.records[0].getMessage()
        assert "what ran before runs on" in said
        assert "cameras.yaml:3: cameras.yard.ulr: unknown key; did you mean 'url'?" in said
        assert "s3cret" not in said
        os.utime(site.path)
        site.path.write_text(MORE)
        eventually(lambda: site.cameras == {"gate", "yard"})
    assert len(caplog.records) == 1


def test_a_file_that_is_gone_for_a_moment_is_no_reason_to_stop_watching(site: Site) -> None:
    with site.watched():
        site.path.unlink()
        site.path.write_text(MORE)
        eventually(lambda: site.cameras == {"gate", "yard"})


def test_what_changed_before_the_watching_began_is_seen(site: Site) -> None:
    site.path.write_text(MORE)
    with site.watched():
        eventually(lambda: site.cameras == {"gate", "yard"})


def test_without_polling_it_looks_when_it_is_asked_also_by_a_signal(site: Site) -> None:
    with site.watched(polling=False) as watch:
        before = signal.signal(signal.SIGHUP, lambda *_: watch.look())
        try:
            site.path.write_text(MORE)
            os.kill(os.getpid(), signal.SIGHUP)
            eventually(lambda: site.cameras == {"gate", "yard"})
        finally:
            signal.signal(signal.SIGHUP, before)


def test_where_a_camera_cannot_be_changed_the_file_stays_as_the_person_wrote_it(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    site.changing.refuses = {"yard": "camera 'yard': no room"}
    with site.watched():
        site.path.write_text(MORE)
        eventually(lambda: "what ran before runs on" in caplog.text)
    assert "camera 'yard' could not be added: camera 'yard': no room" in caplog.text
    assert (site.path.read_text(), site.cameras) == (MORE, {"gate"})
