"""What would a hundred, ten thousand and a million cameras take? Worked out from what was measured, and what was not.

    python -m tests.benchmarks.scale_plan [--analyse-fps 5] [--core-hour 0.04] … [--write]

Reads docs/benchmarks (gating_mixed, redis_rates, placement), takes the assumptions below, all of them options, and
prints a table; --write puts it into docs/scale.md. It is arithmetic, not a measurement: nothing here ran with a million
cameras, and the table says of every line where it comes from.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.report import KEPT_IN, report

SIZES = (100, 10_000, 1_000_000)
PAGE = KEPT_IN.parent / "scale.md"
BEGIN, END = "<!-- scale_plan: begin -->", "<!-- scale_plan: end -->"


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody measured here. Each is an option of the command."""

    analyse_fps: float = field(default=5.0, metadata={"says": "pictures a second while a camera is awake"})
    stream_mbit_s: float = field(default=4.0, metadata={"says": "of one camera's stream, full HD H.264"})
    alerts_per_day: float = field(default=40.0, metadata={"says": "alert changes of one camera a day"})
    peak: float = field(default=10.0, metadata={"says": "how much more than on average comes at the busiest time"})
    cores: float = field(default=16.0, metadata={"says": "of one node; that 2 measured cores scale to them is assumed"})
    camera_mb: float = field(
        default=25.0, metadata={"says": "of memory of one camera on a node, as placement plans it"}
    )
    used: float = field(default=0.7, metadata={"says": "of what a node can do: the rest is for neighbours that die"})
    redis_used: float = field(default=0.5, metadata={"says": "of the one core that a Redis server has"})
    replicas: float = field(default=1.0, metadata={"says": "of every Redis server"})
    renew_s: float = field(default=1.0, metadata={"says": "between two renewals of a lease (ttl 4 s)"})
    frames_keep: float = field(default=1000.0, metadata={"says": "frames kept per camera (redis.frames_keep)"})
    alerts_keep: float = field(
        default=1_000_000.0, metadata={"says": "alert changes kept per cell (redis.alerts_keep)"}
    )
    one_placement: float = field(
        default=50_000.0, metadata={"says": "cameras that one placement may hold; five times what was measured"}
    )
    core_hour: float = field(default=0.04, metadata={"says": "price of a core with 4 GB for an hour, in USD"})


@dataclass(frozen=True, slots=True)
class Measured:
    """Out of docs/benchmarks. Microseconds are of a Redis server's processor."""

    cameras_per_core: float
    awake_share: float
    frame_us: float
    frame_bytes_in: float
    frame_bytes_kept: float
    alert_us: float
    alert_bytes_kept: float
    renew_us: float
    shown_us: float
    placed_cameras: int
    placed_nodes: int
    decision_ms_p99: float

    @classmethod
    def read(cls, folder: Path = KEPT_IN) -> Measured:
        """The files as they are. Raises FileNotFoundError or KeyError where a benchmark has not been run."""
        gating, redis, placing = (
            json.loads((folder / f"{name}.json").read_text()) for name in ("gating_mixed", "redis_rates", "placement")
        )
        held = max((run for run in gating["motion"] if run["held"]), key=lambda run: run["cameras"])
        return cls(
            cameras_per_core=held["cameras"] / gating["machine"]["cores"],
            awake_share=round(1 - held["asleep_share"], 4),
            frame_us=redis["frame_leased"]["us"],
            frame_bytes_in=redis["frame_leased"]["bytes_in"],
            frame_bytes_kept=redis["frame_leased"]["bytes_kept"],
            alert_us=max(redis["alert_change"]["us"], redis["alert_change_leased"]["us"]),
            alert_bytes_kept=redis["alert_change_leased"]["bytes_kept"],
            renew_us=redis["lease_renewed"]["us"],
            shown_us=redis["camera_shown"]["us"],
            placed_cameras=placing["cameras"],
            placed_nodes=placing["nodes"],
            decision_ms_p99=placing["decision_ms_p99"],
        )


def plan(cameras: int, m: Measured, a: Assumed) -> dict[str, float]:
    """One column of the table. A cell is one set of keys with one stream of alerts, one placement, its own nodes."""
    frames_s = a.analyse_fps * m.awake_share
    changes_s = a.alerts_per_day / 86_400
    together_us = (
        m.renew_us / a.renew_s + m.shown_us + a.peak * changes_s * m.alert_us
    )  # of the alerts' server, a second
    cell_limit = min(a.redis_used * 1e6 / together_us, a.one_placement)
    cells = math.ceil(cameras / cell_limit)
    per_cell = math.ceil(cameras / cells)
    nodes = math.ceil(cameras / (m.cameras_per_core * a.cores * a.used))
    feed_us = a.peak * frames_s * m.frame_us
    feed_shards = math.ceil(per_cell * feed_us / (a.redis_used * 1e6))
    # What the alerts' server has left takes feeds too, as long as one server is enough for a cell.
    one_is_enough = per_cell * (together_us + feed_us) <= a.redis_used * 1e6
    shards = cells * (1 if one_is_enough else feed_shards + 1)
    kept = cameras * a.frames_keep * m.frame_bytes_kept + cells * a.alerts_keep * m.alert_bytes_kept
    servers = shards * (1 + a.replicas)
    hourly = a.core_hour * (nodes * a.cores + servers)
    return {
        "cells": cells,
        "nodes": nodes,
        "cameras_per_node": math.ceil(cameras / nodes),
        "node_in_mbit_s": math.ceil(cameras / nodes) * a.stream_mbit_s,
        "node_memory_gb": math.ceil(cameras / nodes) * a.camera_mb / 1000,
        "frames_per_s": cameras * frames_s,
        "redis_in_mbit_s": 8e-6 * cameras * frames_s * m.frame_bytes_in,
        "alert_changes_per_s": cameras * changes_s,
        "leases_renewed_per_s": cameras / a.renew_s,
        "alerts_server_busy": per_cell * together_us / 1e6,
        "redis_servers": servers,
        "redis_memory_gb": (1 + a.replicas) * kept / 1e9,
        "connections_per_node": 4 + (1 if one_is_enough else feed_shards + 1),
        "connections_per_server": (nodes / cells) * (5 if one_is_enough else 1)
        + (0 if one_is_enough else 4 * nodes / cells),
        "usd_per_hour": hourly,
        "usd_per_camera_month": hourly * 730 / cameras,
    }


_ROWS: tuple[tuple[str, str, str], ...] = (
    ("cells", "cells (one stream of alerts, one placement each)", "redis_rates, placement"),
    ("nodes", "nodes", "gating_mixed"),
    ("cameras_per_node", "cameras on a node", "gating_mixed"),
    ("node_in_mbit_s", "into a node from its cameras, Mbit/s", "assumed rate"),
    ("node_memory_gb", "memory of a node for cameras, GB", "assumed"),
    ("frames_per_s", "frames a second to Redis, on average", "gating_mixed"),
    ("redis_in_mbit_s", "into Redis, Mbit/s, on average", "redis_rates"),
    ("alert_changes_per_s", "alert changes a second, on average", "assumed rate"),
    ("leases_renewed_per_s", "leases renewed a second", "assumed interval"),
    ("alerts_server_busy", "the server of a cell's alerts and leases is busy, share of a core at peak", "redis_rates"),
    ("redis_servers", "Redis servers with replicas", "redis_rates"),
    ("redis_memory_gb", "Redis memory with replicas, GB", "redis_rates"),
    ("connections_per_node", "connections of a node to Redis", "counted in the code"),
    ("connections_per_server", "connections to the busiest Redis server", "counted in the code"),
    ("usd_per_hour", "USD an hour", "assumed price"),
    ("usd_per_camera_month", "USD a camera and month", "assumed price"),
)


def table(columns: Mapping[int, Mapping[str, float]], assumed: Assumed) -> str:
    """Markdown: what it takes, where each line comes from, and what was assumed."""
    lines = [
        "| | " + " | ".join(f"{size:,} cameras" for size in columns) + " | from |",
        "| --- |" + " ---: |" * len(columns) + " --- |",
    ]
    for key, says, source in _ROWS:
        lines.append(
            f"| {says} | " + " | ".join(_number(column[key]) for column in columns.values()) + f" | {source} |"
        )
    lines += ["", "| assumed | |", "| --- | ---: |"]
    told = type(assumed).__dataclass_fields__
    lines += [f"| {told[name].metadata['says']} | {_number(value)} |" for name, value in asdict(assumed).items()]
    return "\n".join(lines)


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def written(page: str, text: str) -> str:
    """The page with the table in its place. Raises ValueError where its marks are missing."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/scale.md lacks its marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{text}\n{END}{tail}"


def main() -> None:
    """Work it out, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scale_plan", description=(__doc__ or "").splitlines()[0]
    )
    for name, about in Assumed.__dataclass_fields__.items():
        says = f"{about.metadata['says']} (default {about.default:g})".replace("%", "%%")
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=about.default, help=says)
    parser.add_argument("--write", action="store_true", help="put the table into docs/scale.md")
    chosen: dict[str, Any] = vars(parser.parse_args())
    write = chosen.pop("write")
    assumed, measured = Assumed(**chosen), Measured.read()
    columns = {size: plan(size, measured, assumed) for size in SIZES}
    text = table(columns, assumed)
    print(text)
    if write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    rounded = {
        str(size): {key: float(f"{value:.4g}") for key, value in column.items()} for size, column in columns.items()
    }
    report(
        "scale_plan",
        {"measured": asdict(measured), "assumed": asdict(assumed), "plan": rounded},
        keep=assumed == Assumed(),
    )


if __name__ == "__main__":
    main()
