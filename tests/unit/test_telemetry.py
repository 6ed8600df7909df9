"""What machines and people on call can read: metrics, health, logs."""

from __future__ import annotations

import io
import json
import logging
import urllib.error
import urllib.request

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamer.board import WatchedCamera
from streamer.coverage import Coverage
from streamer.errors import ConfigError, redact
from streamer.ledger import CameraStatus, Drop, FrameLedger, Skip
from streamer.sleep_book import SleepBook
from streamer.telemetry import logs
from streamer.telemetry.http import Health, TelemetryServer
from streamer.telemetry.metrics import TABLE, Metrics
from tests.footage import alert


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_page_for_prometheus_shows_where_every_frame_went():
    metrics = Metrics(lambda: 20.0)
    ledger, status, coverage = FrameLedger("gate"), CameraStatus("gate", 0.0), Coverage(0.0, 1.0)
    metrics.watch(WatchedCamera(ledger, status, coverage, SleepBook("gate")))
    metrics.read_from(lambda: [("streamer_outbox_pending", ("redis",), 3.0)])
    ledger.received(10)
    ledger.analysed(4)
    ledger.skipped(Skip.RATE, 5)
    ledger.dropped(Drop.STALE)
    status.online(1.0, (640, 360), "h264")
    status.frame(18.5)
    for second in range(10):
        coverage.analysed(float(second))
    metrics.stage("infer", 0.004)
    server = TelemetryServer("127.0.0.1", 0, metrics.registry, live=lambda: Health(True), ready=lambda: Health(True))
    try:
        status_code, body = fetch(server.address + "/metrics")
    finally:
        server.close()
    assert status_code == 200
    rows = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }

    def row(name: str, **labels: str) -> float:
        return rows[name, tuple(sorted(labels.items()))]

    assert row("streamer_frames_total", camera="gate", outcome="received", reason="") == 10
    assert row("streamer_frames_total", camera="gate", outcome="skipped", reason="rate") == 5
    assert row("streamer_frames_total", camera="gate", outcome="dropped", reason="stale") == 1
    assert row("streamer_camera_up", camera="gate") == 1
    assert row("streamer_camera_frame_age_seconds", camera="gate") == pytest.approx(1.5)
    assert row("streamer_camera_coverage_ratio", camera="gate") == pytest.approx(0.5)
    assert row("streamer_outbox_pending", sink="redis") == 3
    assert row("streamer_stage_seconds_count", stage="infer") == 1
    shown = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name, _ in rows}
    assert {name for name in shown if not name.startswith("process_")} <= set(TABLE)


def test_rows_of_a_camera_that_is_gone_end_and_begin_anew_when_it_comes_back():
    metrics = Metrics(lambda: 20.0)

    def there() -> set[str]:
        families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
        return {
            sample.name for family in families for sample in family.samples if sample.labels.get("camera") == "gate"
        }

    def watch() -> FrameLedger:
        ledger = FrameLedger("gate")
        metrics.watch(WatchedCamera(ledger, CameraStatus("gate", 0.0), Coverage(0.0, 1.0), SleepBook("gate")))
        return ledger

    def tell() -> None:
        metrics.published("gate", 0.1)
        metrics.woke("gate", 0.1)
        metrics.raised([alert("a", 1.0)])

    tell()
    assert there() == set()
    watch().received(7)
    tell()
    known = there()
    assert {"streamer_frames_total", "streamer_alerts_total", "streamer_wake_seconds_count"} <= known
    metrics.forget("gate")
    tell()  # what was on its way
    assert there() == set()
    watch()
    tell()
    assert there() == known
    rows = {
        each.name: each.value
        for f in metrics.registry.collect()
        for each in f.samples
        if "gate" in each.labels.values()
    }
    assert rows["streamer_alerts_total"] == 1
    assert rows["streamer_capture_to_publish_seconds_count"] == 1


def test_an_unwell_service_answers_503_and_says_what_is_dead():
    metrics = Metrics(lambda: 0.0)
    sick = Health(False, {"dead_stages": ["infer"]})
    server = TelemetryServer("127.0.0.1", 0, metrics.registry, live=lambda: sick, ready=lambda: Health(True))
    try:
        code, body = fetch(server.address + "/livez")
        assert (code, json.loads(body)) == (503, {"ok": False, "dead_stages": ["infer"]})
        assert fetch(server.address + "/readyz")[0] == 200
        assert fetch(server.address + "/nothing")[0] == 404
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(ConfigError, match="cannot listen on"):
            TelemetryServer("127.0.0.1", port, metrics.registry, live=lambda: sick, ready=lambda: sick)
    finally:
        server.close()


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_log_line_never_holds_a_password(style):
    stream = io.StringIO()
    logs.set_up(style, stream=stream)
    try:
        logging.getLogger("streamer.capture").warning(
            "cannot open %s", "rtsp://bob:s3cr@t/x@10.0.0.1/main", extra={"url": "redis://:hunter2@host/0"}
        )
    finally:
        logging.getLogger("streamer").handlers.clear()
        logging.getLogger("streamer").propagate = True
    line = stream.getvalue()
    assert "cannot open" in line
    assert not any(secret in line for secret in ("s3cr", "t/x", "hunter2", "bob"))
    if style == "json":
        assert json.loads(line)["level"] == "warning"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://u:p@host/x", "rtsp://***@host/x"),
        ("rtsp://u:p%40@host:554/x?y=1", "rtsp://***@host:554/x?y=1"),
        ("http://h/x?user=a&password=b&n=1", "http://h/x?user=a&password=***&n=1"),
        ("no address here, a@b.c", "no address here, a@b.c"),
    ],
)
def test_redaction_takes_out_what_is_secret_and_nothing_else(text, shown):
    assert redact(text) == shown


def test_coverage_forgets_what_is_older_than_an_hour_and_counts_gaps_as_unwatched():
    coverage = Coverage(0.0, reach_s=1.0)
    for second in range(600):
        coverage.analysed(float(second))
    assert coverage.ratio(600.0) == pytest.approx(1.0)
    assert coverage.ratio(1200.0) == pytest.approx(0.5, abs=0.01)
    assert coverage.ratio(3 * 3600.0) == 0.0
    coverage.analysed(3 * 3600.0)  # one look after a long gap stands for its reach only
    assert coverage.ratio(3 * 3600.0 + 1) == pytest.approx(1 / 3600, rel=0.1)
