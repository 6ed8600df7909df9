"""Bad input at every door: so many inputs, none may hang, crash the process, or end in an error that was not promised.

    python -m tests.benchmarks.fuzz [--inputs 30000] [--seed 1] [--first 0] [--target NAME] [--seconds N] [--no-keep]

Input N of a seed is always the same: `--first` goes on where another run ended, and a failure is looked at again with
`python -m tests.fuzz.child TARGET SEED N 1 FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tests.benchmarks.report import KEPT_IN, report
from tests.fuzz.run import Found, try_inputs
from tests.fuzz.targets import TARGETS

SHARES: Mapping[str, float] = {
    "configuration": 5, "camera_edits": 1.5, "place_edits": 1.5, "manifests": 3, "models": 1, "wire": 4, "client": 1.5,
    "letters": 3, "bitstreams": 4, "rtsp": 0.4, "http": 3, "api": 0.5, "outbox": 1, "history": 1, "audit": 1,
}  # fmt: skip
"""Of so many inputs; one of rtsp is sixteen conversations at once, one of api ten requests to an operation."""
LEAK_KIB_PER_INPUT = 4.0
"""More than caches and an allocator's habits explain."""


def main(argv: list[str] | None = None) -> int:
    """Try them all; 0 where every one was answered as promised."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.fuzz")
    parser.add_argument("--inputs", type=int, default=30_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=0, help="of every target, where an earlier run ended")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="replaces its rows alone")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no target after so long")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True)
    asked = parser.parse_args(argv)
    names = asked.target or list(TARGETS)
    whole, began_s = sum(SHARES[name] for name in names), time.monotonic()
    found: list[Found] = []
    for name in names:
        if time.monotonic() - began_s > asked.seconds:
            break
        count = max(1, round(asked.inputs * SHARES[name] / whole))
        found.append(try_inputs(name, asked.seed, asked.first, count, lambda line: print(line, file=sys.stderr)))
        last = found[-1]
        print(f"{name}: {last.tried} tried, {last.taken} taken, {last.refused} refused, {last.bad} wrong", flush=True)
        for each in last.wrong:
            print(each)
    values = summed(found)
    report("fuzz", {"seed": asked.seed, **(merged(kept(), values) if asked.target else values)}, keep=asked.keep)
    return 0 if not values["hangs"] + values["crashes"] + values["untyped_errors"] + len(values["leaks"]) else 1


def summed(found: list[Found]) -> dict[str, Any]:
    """What is reported: totals, leaks by name, and a row for every target."""
    return {
        "inputs": sum(each.tried for each in found),
        "taken": sum(each.taken for each in found),
        "refused": sum(each.refused for each in found),
        "hangs": sum(each.hangs for each in found),
        "crashes": sum(each.crashes for each in found),
        "untyped_errors": sum(each.untyped for each in found),
        "leaks": [each.target for each in found if leaks(each)],
        "targets": {
            each.target: {k: v for k, v in asdict(each).items() if k not in ("target", "wrong")} for each in found
        },
    }


def kept() -> dict[str, Any]:
    """What the last run left in docs/benchmarks."""
    path = KEPT_IN / "fuzz.json"
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"targets": {}}
    return before


def merged(before: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The rows of some targets in the place of their old ones, and the totals of all."""
    rows = {**before["targets"], **values["targets"]}
    names = {"inputs": "tried", "taken": "taken", "refused": "refused", "hangs": "hangs", "crashes": "crashes",
             "untyped_errors": "untyped"}  # fmt: skip
    old_leaks = [name for name in before.get("leaks", ()) if name not in values["targets"]]
    totals = {total: sum(row[column] for row in rows.values()) for total, column in names.items()}
    return {**totals, "leaks": old_leaks + values["leaks"], "targets": rows}


def leaks(found: Found) -> bool:
    """Whether a process held clearly more after its last input than after the first two fifths of them."""
    return (
        found.grew_kib > max(16_384, LEAK_KIB_PER_INPUT * found.measured_over)
        or found.grew_files > 8
        or found.grew_threads > 8
    )


if __name__ == "__main__":
    sys.exit(main())
