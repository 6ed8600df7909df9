"""What the demo's three cameras watch: places on the ground, and an ordinary configuration made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from streamer.demo.perspective import Point, Viewpoint
from streamer.demo.script import FAR_PAVEMENT_Z, NEAR_PAVEMENT_Z, ROAD_Z, YARD_Z, Ground
from streamer.demo.street import place_in_picture
from streamer.demo.views import VIEWS

ANALYSE_FPS = 5
# Passers-by need up to six and a half seconds for the seven metres before the gate; who stays longer waits.
_DWELL_S = 9.0
_STILL_S = 4.0
_CROWD = 4
_ENTRANCE_X = (-3.5, 3.5)
_MARGIN_M = 0.3


@dataclass(frozen=True)
class Post:
    """One camera's zones and lines, normalised picture coordinates, and its rules as the configuration writes them."""

    view: Viewpoint
    zones: Mapping[str, list[Point]]
    lines: Mapping[str, list[Point]]
    rules: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Addresses:
    """Where everything of a running demo can be reached."""

    redis: str
    metrics: str
    cameras: Mapping[str, str]
    folder: Path
    console: str | None = None


def posts(ground: Ground) -> dict[str, Post]:
    """All cameras of the demo. Places are named once, in metres; each camera sees them in its own way."""
    yard = _slab(ground.yard_x, (YARD_Z[0] + _MARGIN_M, YARD_Z[1]))
    near_entrance = _slab(_ENTRANCE_X, NEAR_PAVEMENT_Z)
    far_entrance = _slab(_ENTRANCE_X, FAR_PAVEMENT_Z)
    road = _slab((-30.0, 30.0), ROAD_Z)
    middle_z = (ROAD_Z[0] + ROAD_Z[1]) / 2
    zebra = [(ground.crossing_x - 2.6, middle_z), (ground.crossing_x + 2.6, middle_z)]
    intrusion = {
        "name": "yard-intrusion",
        "kind": "intrusion",
        "zone": "yard",
        "labels": ["person"],
        "severity": "critical",
    }
    loitering = {"name": "loiterer", "kind": "loitering", "zone": "entrance", "dwell_s": _DWELL_S, "labels": ["person"]}
    crowd = {
        "name": "crowd",
        "kind": "occupancy",
        "zone": "entrance",
        "above": _CROWD,
        "labels": ["person"],
        "open_after_s": 1.0,
        "clear_after_s": 5.0,
    }
    stopped = {"name": "stopped-car", "kind": "stopped", "zone": "road", "still_s": _STILL_S, "labels": ["car"]}
    crossings = {
        "name": "zebra-count",
        "kind": "line_crossing",
        "line": "zebra",
        "labels": ["person"],
        "severity": "info",
    }
    lines = {"zebra": zebra}
    at_gate = {"yard": yard, "entrance": near_entrance, "road": road}
    at_yard = {"yard": yard, "entrance": far_entrance, "road": road}
    return {
        "gate": _post(VIEWS["gate"], at_gate, {}, intrusion, loitering, crowd, stopped),
        "avenue": _post(VIEWS["avenue"], {"road": road}, lines, crossings, stopped),
        "yard": _post(VIEWS["yard"], at_yard, lines, intrusion, loitering, crossings, stopped),
    }


def _slab(x: Point, z: Point) -> list[Point]:
    return [(x[0], z[0]), (x[1], z[0]), (x[1], z[1]), (x[0], z[1])]


def _post(
    view: Viewpoint, zones: Mapping[str, list[Point]], lines: Mapping[str, list[Point]], *rules: Mapping[str, Any]
) -> Post:
    w, h = view.picture_wh
    seen_lines = {name: [view.pixel(x, 0.0, z) for x, z in line] for name, line in lines.items()}
    return Post(
        view,
        {name: _rounded(place_in_picture(view, corners)) for name, corners in zones.items()},
        {name: _rounded([(x / w, y / h) for x, y in line]) for name, line in seen_lines.items()},
        rules,
    )


def _rounded(points: list[Point]) -> list[Point]:
    return [(round(x, 4), round(y, 4)) for x, y in points]


def write_configuration(
    path: Path,
    watched: Mapping[str, Post],
    addresses: Addresses,
    http_port: int,
    model: Path,
    data_dir: Path,
    frames_keep: int,
    web_port: int | None = None,
) -> None:
    """The YAML file that `streamer run` gets: nothing in it that a user could not write."""
    configuration = {
        "redis": {"url": addresses.redis, "frames_keep": frames_keep},
        "model": {"path": str(model)},
        "data_dir": str(data_dir),
        "http": {"host": "127.0.0.1", "port": http_port},
        "web": None if web_port is None else {"port": web_port},
        "cameras": {
            camera: {
                "url": addresses.cameras[camera],
                "analyse_fps": ANALYSE_FPS,
                "zones": {name: [list(point) for point in zone] for name, zone in post.zones.items()},
                "lines": {name: [list(point) for point in line] for name, line in post.lines.items()},
                "rules": [dict(rule) for rule in post.rules],
            }
            for camera, post in watched.items()
        },
    }
    path.write_text(yaml.safe_dump(configuration, sort_keys=False, default_flow_style=None), encoding="utf-8")
