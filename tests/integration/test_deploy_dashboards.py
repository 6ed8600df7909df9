"""Every panel's and every rule's expression, asked of a real Prometheus that scrapes a real service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.grafana.dashboard import DASHBOARDS
from deploy.grafana.panels import Panel, Query
from streamer.telemetry.metrics import TABLE
from streamer.zoo import bundled_model
from tests.conftest import ROOT
from tests.crew import eventually
from tests.living import follow, running, write_config
from tests.prometheus_server import Prometheus, prometheus
from tests.redis_server import RedisServer, free_port

pytestmark = pytest.mark.needs("prometheus")

RULES = ROOT / "deploy" / "prometheus" / "rules"
PANELS = [pytest.param(panel, id=f"{page.uid}: {panel.title}") for page in DASHBOARDS for panel in page.panels()]
EVERYWHERE = {
    "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    "rules": [
        {"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.4},
        {"name": "odd", "kind": "behaviour.anomaly"},
    ],
}


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory, street: Path) -> Iterator[Prometheus]:
    """A Prometheus that has seen a service, with a camera in a capture process, raise and deliver alerts."""
    folder, port = tmp_path_factory.mktemp("operated"), free_port()
    with RedisServer(folder / "redis") as redis:
        config = write_config(
            folder / "c.yaml",
            model={"path": str(bundled_model())},
            redis={"url": redis.url},
            data_dir=str(folder / "data"),
            http={"host": "127.0.0.1", "port": port},
            capture={"processes": 1},
            inference={"max_age_s": 30, "depth": 200},
            cameras={"gate": {"url": str(street), "pace": "realtime", "loop": True, "analyse_fps": 5, **EVERYWHERE}},
        )
        with (
            running(config) as service,
            prometheus(folder / "prometheus", f"127.0.0.1:{port}", RULES / "*.yml", "streamer") as server,
        ):
            follow(redis.url, lambda changes: sum(c["change"] == "opened" for c in changes) >= 2, within_s=90)
            # two alerts more than at some earlier scrape: rates and quantiles have something to be made of
            seen = 'increase(streamer_capture_to_publish_seconds_count{job="streamer"}[1m]) > 5'
            recorded = "camera:streamer_capture_to_publish_seconds:p99_5m > 0"
            opened = 'increase(streamer_alerts_total{type="opened"}[1m])'  # scraped twice since
            eventually(lambda: all(server.ask(each) for each in (seen, recorded, opened)), within_s=60)
            assert service.poll() is None
            yield server


def as_grafana_sends(query: Query) -> str:
    """Everything chosen at the top of the page, and the interval that a small step gives."""
    asked = query.expression
    for name, value in {"$instance": ".+", "$camera": ".+", "$__rate_interval": "30s"}.items():
        asked = asked.replace(name, value)
    return asked


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_shows_something_of_a_running_service(scraped: Prometheus, panel: Panel) -> None:
    for query in panel.queries:
        shown = scraped.ask(as_grafana_sends(query))
        assert shown or query.quiet, f"nothing for {as_grafana_sends(query)}"


def test_the_service_shows_every_label_that_the_table_promises(scraped: Prometheus) -> None:
    checked = 0
    for name, (kind, labels, _) in TABLE.items():
        metric = f"{name}_bucket" if kind == "histogram" else name
        for series in scraped.ask(f'{{__name__="{metric}"}}'):
            more = {"le"} if kind == "histogram" else set()
            # Prometheus leaves out labels whose value is empty
            assert set(series["metric"]) - {"__name__", "job", "instance"} - more <= set(labels), name
            checked += 1
    assert checked > 50


def test_no_alert_of_the_service_fires_while_all_is_well(scraped: Prometheus) -> None:
    assert scraped.ask('ALERTS{alertstate="firing"}') == []


def test_losses_of_footage_are_shown_before_there_are_any(scraped: Prometheus) -> None:
    shown = {
        each["metric"]["reason"]: float(each["value"][1]) for each in scraped.ask("streamer_footage_failures_total")
    }
    assert {"disk", "behind", "internal", "crashed"} <= shown.keys()
    assert set(shown.values()) == {0.0}


def test_the_disk_of_the_data_folder_is_shown_as_the_system_has_it(scraped: Prometheus, tmp_path: Path) -> None:
    [size] = scraped.ask('streamer_disk_bytes{kind="size"}')
    [free] = scraped.ask('streamer_disk_bytes{kind="free"}')
    assert float(size["value"][1]) == shutil.disk_usage(tmp_path).total
    assert 0 < float(free["value"][1]) < float(size["value"][1])


def test_the_rules_work_out_what_they_say(scraped: Prometheus) -> None:
    [promised] = scraped.ask("instance:streamer_promised_latency_seconds:max")
    [p99] = scraped.ask("instance:streamer_capture_to_publish_seconds:p99_5m")
    assert float(promised["value"][1]) == 30  # inference.max_age_s of its configuration
    assert 0 < float(p99["value"][1]) < 60


@pytest.mark.parametrize("file", sorted(RULES.glob("*.yml")), ids=lambda path: path.stem)
def test_prometheus_can_work_out_every_rule(scraped: Prometheus, file: Path) -> None:
    for group in yaml.safe_load(file.read_text())["groups"]:
        for rule in group["rules"]:
            scraped.ask(rule["expr"])
