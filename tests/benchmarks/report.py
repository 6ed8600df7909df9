"""How every benchmark says what it found: one JSON line with the machine and the date, kept under docs/benchmarks."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from pathlib import Path

from streamer.cores import processor, usable_cores

KEPT_IN = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"


def report(name: str, values: dict[str, object], keep: bool = True) -> None:
    """Print `values` with benchmark, machine and date as one JSON line, the last line of a benchmark.

    With keep, the same object is stored in docs/benchmarks/NAME.json, where the documentation quotes it from.
    """
    if clash := {"benchmark", "machine", "date"} & values.keys():
        raise ValueError(f"benchmark '{name}' must not set {sorted(clash)}: report() fills these in")
    told = {"benchmark": name, **values, "machine": machine(), "date": datetime.now(UTC).date().isoformat()}
    if keep:
        KEPT_IN.mkdir(parents=True, exist_ok=True)
        (KEPT_IN / f"{name}.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(told, ensure_ascii=False), flush=True)


def machine() -> dict[str, object]:
    """What the numbers were measured on: processor, cores this process may use, Python, platform."""
    return {
        "cpu": processor(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }
