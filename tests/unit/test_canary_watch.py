"""When the canary is missed, and when it is back; and whom its probes do not reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from streamer.assembly.canary import Canary, canary_of
from streamer.assembly.canary_watch import CanaryWatch
from streamer.client.protocol import Wanted
from streamer.clock import SystemClock
from streamer.config.load import parse_config
from streamer.config.model import CanaryConfig
from streamer.detect.detector import load_detector
from streamer.errors import ConfigError
from streamer.sinks.courier import Courier
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.outbox import Outbox, StoredChange
from streamer.sinks.receivers import Memory
from streamer.sinks.without_canary import WithoutCanary
from streamer.wire import CANARY_KIND
from streamer.zoo import find_model
from tests.alert_lives import change
from tests.fakes import FakeClock
from tests.onnx_models import write_tiny


def test_it_is_well_until_a_probe_is_late_and_again_when_one_comes_back_in_time() -> None:
    watch = CanaryWatch(within_s=10)
    assert watch.reading(0).ok
    watch.sent("a", 0)
    assert watch.reading(9).ok
    late = watch.reading(11)
    assert (late.ok, "has not come back" in (late.trouble or "")) == (False, True)
    watch.sent("b", 60)
    assert not watch.reading(61).ok
    watch.came_back("b", 62)
    assert (watch.reading(63).ok, watch.reading(63).seconds) == (True, 2)


def test_one_that_comes_back_too_late_does_not_make_it_well() -> None:
    watch = CanaryWatch(within_s=10)
    watch.sent("a", 0)
    assert not watch.reading(11).ok
    watch.came_back("a", 30)
    assert not watch.reading(31).ok
    watch.came_back("nobody's", 32)
    assert not watch.reading(33).ok


def test_subscribers_see_the_canary_only_where_they_ask_for_it_by_its_kind() -> None:
    probe, alert = change("p", kind=CANARY_KIND), change("a")
    assert (probe in Wanted(), alert in Wanted()) == (False, True)
    assert probe not in Wanted(kinds={"intrusion"})
    assert probe in Wanted(kinds={CANARY_KIND})


class Paper:
    """A receiver that keeps what it is given, and refuses nothing."""

    name, longest_wait_s = "paper", 0.0

    def __init__(self) -> None:
        self.told: list[str] = []

    def remembers(self, line: str) -> Memory | None:
        return None

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        self.told += [row.name for row in rows]
        return len(rows)

    def close(self) -> None:
        pass


def test_receivers_for_people_get_everything_but_probes_in_order_and_each_once(tmp_path: Path) -> None:
    kinds = [CANARY_KIND, "a", CANARY_KIND, CANARY_KIND, "b", "c", CANARY_KIND, "d", CANARY_KIND]
    outbox, paper = Outbox(tmp_path / "o.db", FakeClock()), Paper()
    courier = Courier(WithoutCanary(paper), outbox, FakeClock(), on_failure=lambda: None, batch=4)
    outbox.append([change(f"x{n}", kind=kind) for n, kind in enumerate(kinds)])
    while courier._deliver_some():
        pass
    assert paper.told == ["x1:1", "x4:1", "x5:1", "x7:1"]
    assert outbox.depth("paper") == 0
    outbox.close()


def test_a_file_that_was_spared_probes_is_not_taken_for_one_that_forgot(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o.db", FakeClock())
    file = JsonLines(tmp_path / "alerts.jsonl", max_bytes=10**6)
    courier = Courier(WithoutCanary(file), outbox, FakeClock(), on_failure=lambda: None)
    for n in range(6):
        outbox.append([change(f"x{n}", kind="intrusion" if n in (0, 3) else CANARY_KIND)])
        while courier._deliver_some():
            pass
        courier._agreed = False  # as the probe of an idle courier does
    while courier._deliver_some():
        pass
    assert courier.stats().told_again == 0
    assert (tmp_path / "alerts.jsonl").read_text(encoding="utf-8").count("\n") == 2
    outbox.close()
    file.close()


def test_the_bundled_model_finds_what_the_canary_shows_and_another_one_is_refused(tmp_path: Path) -> None:
    asked = CanaryConfig()
    assert Canary(asked, "redis://127.0.0.1:1", load_detector(find_model(Path("lookout"))), SystemClock()).reading().ok
    with pytest.raises(ConfigError, match="finds no person in the canary's picture"):
        Canary(
            asked,
            "redis://127.0.0.1:1",
            load_detector(write_tiny(tmp_path / "t", labels=("car", "cat")).folder),
            SystemClock(),
        )


def test_a_canary_needs_a_redis_to_come_back_from(tmp_path: Path) -> None:
    config = parse_config("{cameras: {gate: {url: rtsp://a/b}}, canary: {every_s: 60}}", "c.yaml", {})
    with pytest.raises(ConfigError, match="needs 'redis:'"):
        canary_of(config, load_detector(write_tiny(tmp_path / "t").folder), SystemClock())
    without = parse_config("{cameras: {gate: {url: rtsp://a/b}}}", "c.yaml", {})
    assert canary_of(without, load_detector(tmp_path / "t"), SystemClock()) is None
