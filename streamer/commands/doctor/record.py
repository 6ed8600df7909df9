"""The capacity file, by which cameras are admitted: does it speak of this machine, this model, and of today?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from streamer.assembly.machine_costs import processor_costs
from streamer.bench.record import machine
from streamer.commands.doctor.finding import Finding, checked
from streamer.config import Config

_OLD_DAYS = 180.0


def examined_capacity(config: Config) -> Iterator[Finding]:
    """Nothing where the configuration names none: then the model's own measurement is what counts."""
    path = config.inference.capacity
    if path is None:
        return

    def look() -> Finding:
        processor_costs(path)  # raises ConfigError for what is none
        return judged_capacity(json.loads(path.read_text(encoding="utf-8")), machine(), datetime.now(UTC))

    yield checked("capacity file", look)


def judged_capacity(record: Mapping[str, Any], here: Mapping[str, Any], now: datetime) -> Finding:
    """Pure: how old the record is, and whether it was made on a machine like this one."""
    try:
        days: float | None = (now - datetime.fromisoformat(record["at"])).total_seconds() / 86400
    except (KeyError, TypeError, ValueError):
        days = None
    then = record.get("machine") or {}
    measured = {"age_days": None if days is None else round(days, 1)}
    said = "of unknown age" if days is None else f"{days:.0f} days old"
    other = [key for key in ("cpu", "cores") if key in then and then[key] != here.get(key)]
    if other:
        differs = ", ".join(f"{key} {then[key]} then, {here.get(key)} now" for key in other)
        said += f", made on another machine ({differs}); make a new one: streamer bench --find-max-streams --json FILE"
        return Finding("capacity file", False, said, measured)
    if days is not None and days > _OLD_DAYS:
        return Finding(
            "capacity file", None, f"{said}; drivers and versions change: make a new one now and then", measured
        )
    return Finding("capacity file", True, f"{said}, made on this kind of machine", measured)
