"""Every fault of the matrix, several rounds of it, as the tests have them; writes the table in docs/reliability.md.

    python -m tests.benchmarks.reliability [--rounds 3] [--quick] [--no-keep]

Runs tests/integration/test_chaos_drills.py (`--quick`: what `make test` runs of it) and reads what its drills wrote
down. A fault counts as survived where all that must be seen was seen, everything worked again, and no alert was lost or
doubled, in every round; as in time where it was so within the promised time after the cause was gone, in every round.
With fewer than a hundred trials of a fault its p99 is the longest of them.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamer.chaos.drill.audit import Audit
from streamer.chaos.drill.programme import Stay
from streamer.chaos.drill.report import figures, table
from streamer.chaos.drill.trial import Outcome
from tests.benchmarks.installed import bytecode_as_installed
from tests.benchmarks.report import report
from tests.chaos import RECORD

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- matrix: written by python -m tests.benchmarks.reliability -->", "<!-- end of the matrix -->"


def read_record(lines: list[str]) -> list[Stay]:
    """What the drills wrote down."""
    return [_stay(json.loads(line)) for line in lines]


def _stay(told: dict[str, Any]) -> Stay:
    outcomes = tuple(
        Outcome(**{**each, "expected": tuple(each["expected"]), "problems": tuple(each["problems"])})
        for each in told["outcomes"]
    )
    audit = Audit(**{**told["audit"], "examples": tuple(told["audit"]["examples"])})
    return Stay(outcomes, audit, told["sent"], told["received"])


def with_table(page: str, new: str, when: str) -> str:
    """The page with another matrix. Raises ValueError where it has no place for one."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the matrix: {BEGIN}")
    return f"{head}{BEGIN}\n\n{when}\n\n{new}\n\n{END}{tail}"


def main() -> int:
    """Run, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reliability", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of every fault (3)")
    parser.add_argument("--quick", action="store_true", help="one round of what `make test` runs")
    parser.add_argument("--no-keep", action="store_true", help="change neither docs/benchmarks nor docs/reliability.md")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, bytecode_as_installed():
        record = Path(folder) / "record"
        command = [sys.executable, "-m", "pytest", "-q", "-s", "tests/integration/test_chaos_drills.py"]
        command += ["-m", "not chaos" if args.quick else "chaos"]
        environment = {**os.environ, RECORD: str(record), "STREAMER_CHAOS_ROUNDS": str(args.rounds)}
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        stays = read_record(record.read_text().splitlines())
    outcomes = [outcome for each in stays for outcome in each.outcomes]
    found = figures(outcomes, stays)
    rounds = 1 if args.quick else args.rounds
    if not args.no_keep:
        day = datetime.now(UTC).date().isoformat()
        when = (
            f"{found['faults']} faults, {rounds} round{'s' if rounds > 1 else ''} each, on {day}: {found['survived']} "
            f"survived, {found['in_time']} in time. {found['alerts']} alert changes: {found['lost']} lost, "
            f"{found['doubled']} doubled, {found['out_of_order']} out of order."
        )
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table(outcomes), when), encoding="utf-8")
    report("reliability", {**found, "rounds": rounds, "load_before": round(load, 1)}, keep=not args.no_keep)
    return code


if __name__ == "__main__":
    sys.exit(main())
