"""Falls and fights on pixels, through `streamer replay` with the bundled models: which alerts, how soon, which wrongly.

`python -m tests.benchmarks.behaviour_events [--data ../shared/data]`. CAVIAR's Rest_FallOnFloor must raise
behaviour.fallen and Fight_RunAway1 behaviour.fighting within 2 s of the labelled onset, two fight clips (the first two
sources of val) behaviour.fighting within 2 s of their start, Walk3 nothing. All other validation clips are replayed too
and counted, so that nobody needs to take five clips' word for it.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import report

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FPS = 25.0
FALLEN, FIGHTING = "behaviour.fallen", "behaviour.fighting"
CONFIG = """
cameras:
  watched:
    url: replayed.mp4
    trouble: {frozen_after_s: null, dark_after_s: null, blurred_after_s: null, moved_after_s: null}
    rules:
      - {name: fall, kind: behaviour.fallen}
      - {name: run, kind: behaviour.running}
      - {name: fight, kind: behaviour.fighting}
"""
# The frames at which CAVIAR's labels begin: the fall ("active" turns into lying "inactive" 54 frames later), the fight.
EVENTS = (
    ("Rest_FallOnFloor_f000655-000935.mp4", FALLEN, 709 - 655),
    ("Fight_RunAway1_f000319-000379.mp4", FIGHTING, 0),
)
QUIET = ("Walk3_f000212-000772.mp4", "Walk3_f001096-001378.mp4")


@dataclass(frozen=True)
class Raised:
    """One alert: its kind, and at which second of the clip it was opened."""

    kind: str
    at_s: float


def main() -> int:
    """Replay, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    caviar, fights = args.data / "caviar" / "clips", args.data / "surv_fight"
    with tempfile.TemporaryDirectory(prefix="streamer-events-") as scratch:
        config, lines = Path(scratch) / "rules.yaml", Path(scratch) / "lines.jsonl"
        config.write_text(CONFIG, encoding="utf-8")
        events = {}
        for name, kind, onset in EVENTS:
            raised = _replayed(caviar / name, config, lines)
            events[name] = {"wanted": kind, "onset_s": onset / FPS} | _told(raised, kind, onset / FPS)
        quiet = {name: sorted(each.kind for each in _replayed(caviar / name, config, lines)) for name in QUIET}
        clips = [(file, label, _replayed(fights / file, config, lines)) for file, label, _ in _val(fights)]
    first = _first_of_two_sources(_val(fights))
    for file, _, raised in clips:
        if file in first:
            events[file] = {"wanted": FIGHTING, "onset_s": 0.0} | _told(raised, FIGHTING, 0.0)
    alerted = {label: [each for _, of, each in clips if of == label] for label in ("fight", "noFight")}
    told_of = {
        label: f"{sum(any(one.kind == FIGHTING for one in raised) for raised in each)} of {len(each)}"
        for label, each in alerted.items()
    }
    for name, told in events.items():
        print(f"{name}: {told}")
    report(
        "behaviour_events",
        {
            "events": events,
            "events_in_time": sum(bool(told["in_time"]) for told in events.values()),
            "of_events": len(events),
            "alerts_on_walk3": quiet,
            "fight_clips_alerted": told_of["fight"],
            "peaceful_clips_alerted": told_of["noFight"],
        },
        keep=args.keep,
    )
    return 0


def _told(raised: list[Raised], kind: str, onset_s: float) -> dict[str, object]:
    """Whether the right alert came within 2 s of the onset, and what else came."""
    right = [each.at_s for each in raised if each.kind == kind]
    soon = [at_s for at_s in right if at_s - onset_s <= 2.0]
    others = sorted({each.kind for each in raised if each.kind != kind})
    return {"in_time": bool(soon), "opened_at_s": [round(at_s, 2) for at_s in right], "other_alerts": others}


def _val(fights: Path) -> list[tuple[str, str, str]]:
    """(file, label, source) of the validation clips."""
    with (fights / "clips.csv").open(encoding="utf-8", newline="") as file:
        return [(row["file"], row["label"], row["source"]) for row in csv.DictReader(file) if row["split"] == "val"]


def _first_of_two_sources(clips: list[tuple[str, str, str]]) -> set[str]:
    first: dict[str, str] = {}
    for file, label, source in sorted(clips):
        if label == "fight":
            first.setdefault(source, file)
    return set(list(first.values())[:2])


def _replayed(clip: Path, config: Path, lines: Path) -> list[Raised]:
    command = [sys.executable, "-m", "streamer", "replay", clip, "--config", config, "--out", lines]
    subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL)
    return [
        Raised(line["kind"], line["media_s"])
        for line in _alerts(lines)
        if line["change"] == "opened" and line["kind"].startswith("behaviour.")
    ]


def _alerts(lines: Path) -> Iterator[dict[str, object]]:
    with lines.open(encoding="utf-8") as file:
        yield from (line for line in map(json.loads, file) if line["type"] == "alert")


if __name__ == "__main__":
    sys.exit(main())
