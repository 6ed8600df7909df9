"""Dashboards and alert rules ask for what the service really shows, and every alert has its test and its runbook."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml

from deploy.grafana.dashboard import DASHBOARDS, FOLDER, written
from deploy.grafana.panels import PAGE_COLUMNS, Dashboard, Panel, Query, Row
from streamer.telemetry.metrics import TABLE
from tests.conftest import ROOT
from tests.promql import Selector, grouping_labels, selectors

PROMETHEUS = ROOT / "deploy" / "prometheus"
OF_THE_SCRAPE = {"job", "instance"}
# What others show: label sets as their own documentation has them.
FOREIGN = {
    "up": set(),
    "process_cpu_seconds_total": set(),
    "process_resident_memory_bytes": set(),
}


@cache
def rules() -> tuple[dict[str, Any], ...]:
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    return tuple(
        rule for path in files for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    )


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
PANELS = [pytest.param(panel, id=f"{page.uid}: {panel.title}") for page in DASHBOARDS for panel in page.panels()]
EXPRESSIONS = [
    *(
        pytest.param(q.expression, id=f"{page.uid}: {p.title}")
        for page in DASHBOARDS
        for p in page.panels()
        for q in p.queries
    ),
    *(pytest.param(rule["expr"], id=name) for name, rule in ALERTS.items()),
    *(pytest.param(expression, id=name) for name, expression in RECORDED.items()),
]


def labels_of(metric: str) -> set[str] | None:
    """Every label that a series of this name can have; None where nobody shows such a metric."""
    if metric in FOREIGN:
        return FOREIGN[metric] | OF_THE_SCRAPE
    if metric in RECORDED:
        return grouping_labels(RECORDED[metric]) - {"le"}
    for suffix, more in (("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
        base = metric.removesuffix(suffix)
        if base != metric and base in TABLE and TABLE[base][0] == "histogram":
            return {*TABLE[base][1], *more} | OF_THE_SCRAPE
    if metric in TABLE and TABLE[metric][0] != "histogram":
        return set(TABLE[metric][1]) | OF_THE_SCRAPE
    return None


def test_the_tests_own_reader_of_promql_finds_metrics_and_labels():
    expression = (
        'sum by (a, le) (rate(x_total{k="v", r=~"p|q"}[5m])) > on (a) group_left () lv:y:op and z unless z offset 5m'
    )
    x, z = Selector("x_total", {"k": ("=", "v"), "r": ("=~", "p|q")}), Selector("z", {})
    assert selectors(expression) == [x, Selector("lv:y:op", {}), z, z]
    assert grouping_labels(expression) == {"a", "le"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_only_for_metrics_and_labels_that_there_are(expression):
    known: set[str] = set()
    for selector in selectors(expression):
        labels = labels_of(selector.metric)
        assert labels is not None, f"nobody shows {selector.metric}"
        assert set(selector.labels) <= labels, f"{selector.metric} has only {sorted(labels)}"
        known |= labels
    assert grouping_labels(expression) <= known


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_counter_is_never_shown_as_it_stands(expression):
    for selector in selectors(expression):
        if selector.metric.endswith(("_total", "_bucket", "_sum", "_count")):
            place = re.escape(selector.metric)
            assert re.search(rf"(rate|increase)\({place}", expression), (
                f"{selector.metric} outside rate() and increase()"
            )


def test_every_metric_of_the_service_is_on_a_dashboard_or_in_a_rule():
    shown = {s.metric for param in EXPRESSIONS for s in selectors(param.values[0])}
    shown |= {re.sub("_(bucket|sum|count)$", "", metric) for metric in shown}
    assert set(TABLE) <= shown


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_the_json_in_the_repository_is_what_the_script_writes(page):
    kept = (FOLDER / f"{page.uid}.json").read_text()
    assert kept == written(page), "run `python -m deploy.grafana.dashboard`"


def test_no_page_lies_in_the_folder_that_nobody_writes():
    assert {path.stem for path in FOLDER.iterdir()} == {page.uid for page in DASHBOARDS}


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_panels_have_numbers_of_their_own_and_do_not_cover_each_other(page):
    panels = json.loads(written(page))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= PAGE_COLUMNS
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in taken, f"{panel['title']} covers {taken[x, y]}"
                taken[x, y] = panel["title"]


def test_a_line_that_is_full_is_followed_by_the_next():
    wide = Panel("w", "Wide.", (Query("up"),), columns=16, height=5)
    page = Dashboard("u", "t", "a", (), (Row("one", (wide, wide)), Row("two", (wide,))))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in page.as_json()["panels"]]
    assert places == [(0, 0), (0, 1), (0, 6), (0, 11), (0, 12)]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_tells_and_uses_only_variables_of_its_page(panel):
    assert panel.about.endswith(".")
    [page] = [page for page in DASHBOARDS if panel in page.panels()]
    chosen = {variable.name for variable in page.variables} | {"__rate_interval"}
    for query in panel.queries:
        assert set(re.findall(r"\$(\w+)", query.expression)) <= chosen


def runbook_headings() -> set[str]:
    text = (ROOT / "docs" / "operations.md").read_text()
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    }


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_has_a_runbook_of_its_own(name):
    rule = ALERTS[name]
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    assert name.lower() in runbook_headings()
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description"} <= set(rule["annotations"])


def test_what_panels_and_files_point_to_in_the_runbooks_is_there():
    texts = [panel.values[0].about for panel in PANELS]
    targets = {t for text in texts for t in re.findall(r"docs/operations\.md#([a-z]+)", text)}
    assert targets
    assert targets <= runbook_headings()


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_tested_when_it_fires_and_when_it_does_not(name):
    tests = yaml.safe_load((PROMETHEUS / "tests" / "rules.yml").read_text())["tests"]
    expected = [bool(c["exp_alerts"]) for t in tests for c in t["alert_rule_test"] if c["alertname"] == name]
    assert True in expected
    assert False in expected


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules/alerts.yml", "rules/recording.yml"),
        ("test", "rules", "tests/rules.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(arguments):
    done = subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
