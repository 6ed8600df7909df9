"""What it brings to read cameras in worker processes: the same mixed day, with 0, 1, … of them, by turns.

    python -m tests.benchmarks.capture_processes [--cameras 120] [--processes 0 1] [--rounds 2] [--measure 40]

The trace and the cameras of gating_mixed. Every number of processes is run once a round, one after the other, so that
whatever else the machine does falls on all of them. Of the measured time:

    dropped_share      frames that were lost (stale, full, overload) among those that analysis asked for
    analysed_per_s     frames that went all the way to the rules
    age_p50_s, _p99_s  from the arrival of a frame to its judgement
    late_most_s        from the moment of a visit to the judgement of its first frame
    visits, missed     visits in that time; those in which nobody was seen
    house_cores        CPU of the service's own process; crew_cores: of the worker processes, all together
    memory_mb          of all processes, shared pages counted once (Pss)
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from streamer.assembly.house import House, open_house
from streamer.clock import SystemClock
from streamer.config import Config
from tests.benchmarks.children import children, crew_cpu_s
from tests.benchmarks.gating_mixed import VISITOR, Judged, _listen, _trace, _visits, _windows
from tests.benchmarks.report import report


def main() -> int:
    """Make the trace, run every number of processes by turns, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    parser.add_argument("--cameras", type=int, default=120)
    parser.add_argument("--processes", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--settle", type=float, default=45.0, help="seconds before the measured time")
    parser.add_argument("--measure", type=float, default=40.0, help="seconds")
    args = parser.parse_args()
    if not VISITOR.is_file():
        raise SystemExit(f"{VISITOR} is missing: this benchmark needs the project's footage beside the checkout")
    found: dict[int, list[dict[str, float]]] = {n: [] for n in args.processes}
    with tempfile.TemporaryDirectory(prefix="streamer-crew-") as scratch:
        windows = _windows(_trace(Path(scratch) / "trace.mp4"), Path(scratch))
        for turn in range(args.rounds):
            for n in args.processes:
                data = Path(scratch) / f"{turn}-{n}"
                found[n].append(served(args.cameras, n, windows, data, args.settle, args.measure))
                print(n, found[n][-1], flush=True)
    each = {
        str(n): {key: round(float(np.mean([run[key] for run in runs])), 4) for key in runs[0]}
        for n, runs in found.items()
    }
    first, *others = each.values()
    best = max(others, key=lambda run: run["analysed_per_s"], default=first)
    report(
        "capture_processes",
        {
            "cameras": args.cameras,
            "rounds": args.rounds,
            "analysed_ratio": round(best["analysed_per_s"] / max(first["analysed_per_s"], 1e-9), 2),
            "by_processes": each,
        },
        keep=args.keep,
    )
    return 0


def served(
    cameras: int, processes: int, windows: list[Path], data: Path, settle_s: float, measure_s: float
) -> dict[str, float]:
    """Run the service so, and watch what it does in the measured time."""
    config = Config.model_validate({
        "cameras": {
            f"c{i}": {
                "url": str(windows[i % len(windows)]), "pace": "realtime", "decode": "motion", "clips": None,
                "zones": {"room": [[0, 0], [1, 0], [1, 1], [0, 1]]},
                "rules": [{"name": "somebody", "kind": "intrusion", "zone": "room", "labels": ["person"]}],
            }
            for i in range(cameras)
        },
        "capture": {"processes": processes},
        "data_dir": str(data), "jsonl": {"path": str(data / "alerts.jsonl")}, "http": None,
    })  # fmt: skip
    judged: dict[str, list[Judged]] = defaultdict(list)
    with open_house(config, SystemClock(), "benchmark") as house:
        for unit in house.service.cameras:
            _listen(unit, judged)
        running = threading.Thread(target=house.service.run)
        running.start()
        time.sleep(settle_s)
        began_s, house_s, crew_s, before = time.monotonic(), time.process_time(), crew_cpu_s(), _counts(house)
        time.sleep(measure_s)
        ended_s = time.monotonic()
        lasted_s = ended_s - began_s
        house_s, crew_s, after = time.process_time() - house_s, crew_cpu_s() - crew_s, _counts(house)
        memory_mb = sum(_pss_mb(pid) for pid in (os.getpid(), *children()))
        house.service.stop()
        running.join()
    analysed, dropped = after[0] - before[0], after[1] - before[1]
    ages_s = [j.at_s - j.received_s for js in judged.values() for j in js if began_s <= j.at_s <= ended_s]
    late_s, missed = _visits(cameras, len(windows), judged, began_s, ended_s)
    p50, p99 = np.percentile(ages_s, [50, 99]) if ages_s else (0.0, 0.0)
    return {
        "dropped_share": dropped / max(1, dropped + analysed),
        "analysed_per_s": analysed / lasted_s,
        "age_p50_s": float(p50),
        "age_p99_s": float(p99),
        "late_most_s": max(late_s, default=0.0),
        "visits": len(late_s) + missed,
        "missed": missed,
        "house_cores": house_s / lasted_s,
        "crew_cores": crew_s / lasted_s,
        "memory_mb": memory_mb,
    }


def _counts(house: House) -> tuple[int, int]:
    counts = [unit.ledger.counts() for unit in house.service.cameras]
    return sum(c.analysed for c in counts), sum(sum(c.dropped.values()) for c in counts)


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


if __name__ == "__main__":
    sys.exit(main())
