"""What a Grafana dashboard is made of, typed: rows of panels in, the JSON that Grafana reads out.

Only what our dashboards use is here. Sizes are Grafana's: a page is 24 columns wide. The JSON is that of schema 39
(Grafana 11), which newer ones read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

PAGE_COLUMNS = 24
_SCHEMA = 39
_PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "state-timeline", "heatmap", "table"]
Unit = Literal["short", "s", "bytes", "percentunit", "ops", "bool_yes_no"]
Colour = Literal["green", "orange", "red", "blue"]


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, and how its series are called: `{{camera}}` stands for a label.

    quiet: gives nothing while all is well, or where what it asks for is not in use.
    """

    expression: str
    legend: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on the panel has this colour; None: from the beginning."""

    colour: Colour
    above: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. about: what it tells, and what to do about it, for whoever hovers over it."""

    title: str
    about: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    unit: Unit = "short"
    columns: int = 8
    height: int = 8
    steps: tuple[Step, ...] = (Step("green"),)
    stacked: bool = False
    least: float | None = 0.0
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page: the values of a label of a metric."""

    name: str
    label: str
    metric: str
    only_where: str = ""  # further selection inside the braces, of variables before it


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    about: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]

    def panels(self) -> tuple[Panel, ...]:
        """All of them, in the order of the page."""
        return tuple(panel for row in self.rows for panel in row.panels)

    def as_json(self) -> dict[str, Any]:
        """What Grafana reads."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["streamer"],
            "schemaVersion": _SCHEMA,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,  # one cross-hair over all panels
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "annotations": {"list": []},
            "links": [_link_to_the_others()],
            "templating": {"list": [_data_source_choice(), *(_choice(each) for each in self.variables)]},
            "panels": _laid_out(self.rows),
        }


def _laid_out(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows under each other; panels side by side, in the next line where the page's width is used up."""
    placed: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        placed.append(
            {
                "id": len(placed) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"x": 0, "y": y, "w": PAGE_COLUMNS, "h": 1},
            }
        )
        x, line_height = 0, 0
        y += 1
        for panel in row.panels:
            if x + panel.columns > PAGE_COLUMNS:
                x, y, line_height = 0, y + line_height, 0
            grid = {"x": x, "y": y, "w": panel.columns, "h": panel.height}
            placed.append({"id": len(placed) + 1, "gridPos": grid, **_panel(panel)})
            x, line_height = x + panel.columns, max(line_height, panel.height)
        y += line_height
    return placed


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _PROMETHEUS,
        "targets": [_target(panel, number, query) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(panel: Panel, number: int, query: Query) -> dict[str, Any]:
    now_only = panel.kind in ("stat", "table")
    return {
        "refId": chr(ord("A") + number),
        "datasource": _PROMETHEUS,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "range": not now_only,
        "instant": now_only,
        "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps = [{"color": step.colour, "value": step.above} for step in panel.steps]
    field: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.least is not None:
        field["min"] = panel.least
    if panel.most is not None:
        field["max"] = panel.most
    if panel.kind == "timeseries":
        field["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if len(panel.steps) > 1 else "off"},
        }
    if panel.kind in ("stat", "state-timeline", "table"):
        field["color"] = {"mode": "thresholds"}
    return field


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background" if len(panel.steps) > 1 else "value",
            "graphMode": "none",
            "textMode": "auto",
        }
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if panel.kind == "state-timeline":
        return {"showValue": "never", "mergeValues": True, "rowHeight": 0.8}
    if panel.kind == "heatmap":
        return {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"mode": "scheme", "scheme": "Oranges"}}
    return {"showHeader": True, "cellHeight": "sm"}


def _data_source_choice() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}


def _choice(variable: Variable) -> dict[str, Any]:
    selected = f"{variable.metric}{{{variable.only_where}}}" if variable.only_where else variable.metric
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": _PROMETHEUS,
        "query": {"query": f"label_values({selected}, {variable.name})", "refId": "values"},
        "refresh": 2,  # whenever the time range changes
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def _link_to_the_others() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "Streamer",
        "tags": ["streamer"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
