"""How soon the console is painted, and how fluently it moves, with fifty busy cameras and ten thousand alerts?

    python -m tests.benchmarks.console [--rounds 5] [--no-keep]

first_paint_ms   first contentful paint (W3C Paint Timing) of the wall and of the list of alerts, as Chromium has it
frame_gap_ms     between two pictures of the browser while all cameras move (wall) and alerts come in (alerts)

Chromium, the console and what feeds it share the machine. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.report import report
from tests.integration.test_web_many import FRAMES, first_paint_ms, many

PLACES = {"wall": "", "alerts": "/alerts"}


def main() -> None:
    """Run, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.console", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-keep", action="store_true")
    args = parser.parse_args()
    painted: dict[str, list[float]] = {name: [] for name in PLACES}
    gaps: dict[str, list[float]] = {name: [] for name in PLACES}
    with tempfile.TemporaryDirectory() as folder, many(Path(folder)) as (page, console):
        for _ in range(args.rounds):
            for name, path in PLACES.items():
                page.goto(f"{console.server.address}{path}")
                page.get_by_role("listitem").nth(40).wait_for()
                painted[name].append(first_paint_ms(page))
                gaps[name] += page.evaluate(FRAMES, 120)
    values = {
        "rounds": args.rounds,
        "first_paint_ms": {name: {"median": median(each), "longest": max(each)} for name, each in painted.items()},
        "frame_gap_ms": {
            name: {"median": round(median(each), 1), "p95": round(sorted(each)[int(0.95 * len(each))], 1)}
            for name, each in gaps.items()
        },
    }
    report("console", values, keep=not args.no_keep)


if __name__ == "__main__":
    main()
