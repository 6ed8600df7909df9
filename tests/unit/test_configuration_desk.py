"""The desk of the configuration: all or nothing, in the service and in the file, and always a way back."""

from __future__ import annotations

import json
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamer.assembly.configuration_desk import ConfigurationDesk, Stale
from streamer.config import load_config
from streamer.config.history import History, digest
from streamer.errors import ConfigError
from tests.changing import MemoryChanging
from tests.fakes import FakeClock

TEXT = """\
# ours, all of them
cameras:
  gate:
    url: rtsp://user:${GATE_PASSWORD}@gate/main   # the old one
  yard: {url: rtsp://yard/main}
"""
MORE = TEXT + "  door: {url: rtsp://door/main}   # new\n"


@dataclass
class Site:
    path: Path
    changing: MemoryChanging
    desk: ConfigurationDesk

    @property
    def text(self) -> str:
        return self.path.read_text()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("GATE_PASSWORD", "s3cret")
    path = tmp_path / "cameras.yaml"
    path.write_text(TEXT)
    path.chmod(0o640)
    changing = MemoryChanging(load_config(path))
    history = History(tmp_path / "data" / "configurations", keep=5)
    return Site(path, changing, ConfigurationDesk(path, changing, history, FakeClock()))


def test_what_is_applied_is_in_force_in_the_file_as_it_was_given_and_in_the_history(site: Site) -> None:
    done = site.desk.apply(MORE, "ada", "a door")
    assert done.done
    assert [(each.camera, each.what, each.problem) for each in done.outcomes] == [("door", "added", None)]
    assert site.text == MORE
    assert site.path.stat().st_mode & 0o777 == 0o640
    assert set(site.desk.in_force().cameras) == {"gate", "yard", "door"}
    newest, first = site.desk.history.entries()
    assert (newest.number, newest.who, newest.why, newest.sha256) == (2, "ada", "a door", digest(MORE))
    assert (first.number, site.desk.history.text(1)) == (1, TEXT)
    assert "s3cret" not in "".join(each.read_text() for each in site.path.parent.rglob("*") if each.is_file())
    assert sorted(each.name for each in site.path.parent.iterdir()) == ["cameras.yaml", "data"]


def test_a_rollback_is_an_apply_of_an_old_text(site: Site) -> None:
    site.desk.apply(MORE, "ada", "a door")
    site.desk.rollback(1, "ben")
    assert site.text == TEXT
    assert set(site.desk.in_force().cameras) == {"gate", "yard"}
    newest = site.desk.history.entries()[0]
    assert (newest.number, newest.who, newest.why) == (3, "ben", "back to configuration 1")
    with pytest.raises(LookupError, match="no configuration 77"):
        site.desk.rollback(77, "ben")


def test_where_one_camera_cannot_be_changed_all_is_put_back_and_nothing_is_written(site: Site) -> None:
    was = site.desk.in_force()
    site.changing.refuses = {"door": "camera 'door': there is no room for it"}
    both = MORE.replace("yard/main", "yard/sub")
    done = site.desk.apply(both, "ada", "a door")
    assert not done.done
    assert {each.camera: each.problem for each in done.outcomes} == {
        "yard": None,
        "door": "camera 'door': there is no room for it",
    }
    assert site.desk.in_force() == was
    assert site.text == TEXT
    assert len(site.desk.history.entries()) == 1
    assert sorted(each.name for each in site.path.parent.iterdir()) == ["cameras.yaml", "data"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            MORE.replace("door: {url", "door: {ulr"),
            "cameras.yaml:6: cameras.door.ulr: unknown key; did you mean 'url'?",
        ),
        ("cameras: {", "cameras.yaml:1: is not YAML here"),
        (TEXT.replace("GATE_PASSWORD", "NOBODY_SET_ME"), "the environment variable NOBODY_SET_ME is not set"),
        (TEXT + "web: {cert: gone.pem, key: gone.pem}\n", "web.cert: there is no file"),
        ("cameras: {}\n", "cameras"),
    ],
)
def test_what_validate_refuses_touches_nothing(site: Site, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        site.desk.apply(text, "ada", "")
    assert sentence in str(refused.value)
    assert (site.text, site.changing.wanted) == (TEXT, [])


def test_what_the_service_refuses_as_a_whole_touches_nothing(site: Site) -> None:
    site.changing.impossible = "cameras.door.rules.in.labels: the model has no 'unicorn'"
    with pytest.raises(ConfigError, match="unicorn"):
        site.desk.apply(MORE, "ada", "")
    assert site.text == TEXT
    assert sorted(each.name for each in site.path.parent.iterdir()) == ["cameras.yaml", "data"]


def test_two_editors_do_not_overwrite_each_other(site: Site) -> None:
    seen = digest(site.text)
    site.desk.apply(MORE, "ada", "", version=seen)
    with pytest.raises(Stale, match="changed by somebody else"):
        site.desk.apply(TEXT + "# mine\n", "ben", "", version=seen)
    assert site.text == MORE


def test_what_waits_for_a_restart_is_written_and_told(site: Site) -> None:
    done = site.desk.apply(TEXT + "inference: {max_batch: 4}\n", "ada", "")
    assert (done.done, done.restart, done.outcomes) == (True, ("inference.max_batch",), ())
    assert "max_batch: 4" in site.text
    again = site.desk.apply(site.text, "ada", "")
    assert (again.done, again.restart, again.entry) == (True, ("inference.max_batch",), None)


def test_a_file_that_a_person_edited_is_brought_in_as_it_stands(site: Site) -> None:
    site.path.write_text(MORE)
    assert [each.camera for each in site.desk.plan(MORE).changes] == ["door"]
    assert site.desk.apply(MORE, "the file", "it was edited").done
    assert site.desk.apply(MORE, "the file", "it was edited").entry is None
    assert site.desk.history.entries()[0].who == "the file"


def test_what_a_person_wrote_and_nobody_brought_in_is_not_lost_when_it_is_written_over(site: Site) -> None:
    site.path.write_text(TEXT + "# half done\n")
    site.desk.apply(MORE, "ada", "")
    assert site.desk.history.text(2) == TEXT + "# half done\n"
    assert site.desk.history.text(3) == MORE


@contextmanager
def files_of_at_most(most_bytes: int) -> Iterator[None]:
    """The system refuses to write more, as a full disk does."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)


def test_a_file_that_cannot_be_written_changes_nothing(site: Site) -> None:
    with pytest.raises(ConfigError, match="cannot be written: File too large"), files_of_at_most(10):
        site.desk.apply(MORE, "ada", "")
    assert (site.text, site.changing.wanted) == (TEXT, [])
    assert sorted(each.name for each in site.path.parent.iterdir()) == ["cameras.yaml", "data"]


def test_a_link_stays_a_link(tmp_path: Path, site: Site) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(site.path)
    desk = ConfigurationDesk(link, site.changing, site.desk.history, FakeClock())
    desk.apply(MORE, "ada", "")
    assert link.is_symlink()
    assert site.text == MORE


# --- the history -----------------------------------------------------------------------------------------------------


def test_the_history_keeps_the_newest_and_counts_on(tmp_path: Path) -> None:
    history = History(tmp_path / "h", keep=3)
    for n in range(6):
        history.put(f"text {n}", float(n), "ada", "")
    assert [each.number for each in history.entries()] == [6, 5, 4]
    assert history.put("text 5", 9.0, "ben", "").number == 6  # says just this already
    with pytest.raises(LookupError):
        history.text(3)
    assert {each.stat().st_mode & 0o777 for each in (tmp_path / "h").iterdir()} == {0o600}


def test_an_entry_that_was_changed_or_is_half_written_is_not_trusted(tmp_path: Path) -> None:
    history = History(tmp_path / "h")
    history.put("one", 1.0, "ada", "")
    history.put("two", 2.0, "ada", "")
    (tmp_path / "h" / "000001.yaml").write_text("uno")
    (tmp_path / "h" / "000003.yaml").write_text("three")
    (tmp_path / "h" / "000004.json").write_text(json.dumps({"number": 4}))
    with pytest.raises(LookupError, match="not to be trusted"):
        history.text(1)
    assert [each.number for each in history.entries()] == [2, 1]
    assert history.put("five", 5.0, "ada", "").number == 5


def test_a_history_that_cannot_be_written_stops_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    blocked = site.path.parent / "blocked"
    blocked.write_text("no folder")
    desk = ConfigurationDesk(site.path, site.changing, History(blocked), FakeClock())
    assert desk.apply(MORE, "ada", "").done
    assert site.text == MORE
    assert "the history of configurations cannot be written" in caplog.text
