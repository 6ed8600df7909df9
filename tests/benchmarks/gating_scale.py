"""What one quiet camera costs beside few and beside many others: 10 to 1,000 on one machine.

    python -m tests.benchmarks.gating_scale [--most 1000] [--seconds 12] [--processes 2]

Spread over as many processes as there are cores, at every step alike: one interpreter gets through what one core can
do, which on this machine is some 500 cameras. The cost is the CPU of all of them.

Their packets (a still street at 720p25 under sensor noise, a key frame every two seconds) come from memory, each when
it is due, so that nothing but the capture is at work: no network, no demuxer, no disk. A thread per camera as in the
service; a key frame is looked at every ten seconds. They may fall asleep after one quiet second, not after three: a
thousand cameras that all are awake at first would need this machine for minutes. Asleep, that makes no difference.
They are started a few at a time, as fast as the machine gets them to sleep; where it does not any more, the measurement
ends, and `kept_up_to` says how many it had in time.

`flatness` is the dearest over the cheapest; `growth` what a camera costs beside the most others, over what it costs
beside the fewest: below 1, company makes it cheaper, because a core that is awake already wakes a thread for less.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from streamer.capture import CameraOptions
from streamer.cores import usable_cores
from tests.benchmarks.cameras_at_once import Camera, CamerasAtOnce, FromMemory, played_from_memory
from tests.benchmarks.quiet_footage import groups, one_after_the_other, quiet_clip
from tests.benchmarks.report import report

PICTURE = Path(__file__).resolve().parents[2] / "docs/images/gating_scale.png"
STEPS = (10, 30, 100, 300, 1000)
DRAWN_S, GROUP_S = 20, 2
LOOK_EVERY_S, SLEEP_AFTER_S = 10.0, 1.0
STARTED_AT_ONCE, STARTED_OVER_S = 10, 1.0
FALL_ASLEEP_WITHIN_S = 15.0
LATE_MS = 200.0  # a sleeping camera reads in handfuls: 84 ms late is meant
"""Packets that are fetched so late: the next one has come already."""
SETTLE_S = 3.0


def main() -> int:
    """Draw, add cameras step by step, measure at each, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=STEPS[-1], help="cameras")
    parser.add_argument("--seconds", type=float, default=12.0, help="measured, at each step")
    parser.add_argument("--processes", type=int, default=usable_cores())
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    steps = [step for step in STEPS if step < args.most] + [args.most]
    with tempfile.TemporaryDirectory(prefix="streamer-scale-") as scratch:
        costs, late_ms, wakes = _measure(Path(scratch), steps, args.seconds, args.processes)
    steps = steps[: len(costs)]
    values: dict[str, object] = {
        "cameras": steps,
        "kept_up_to": max((step for step, late in zip(steps, late_ms, strict=True) if late < LATE_MS), default=0),
        "cpu_ms_per_camera_s": [round(cost, 3) for cost in costs],
        "late_p99_ms": [round(late, 1) for late in late_ms],
        "wakes_while_measured": wakes,
        "flatness": round(max(costs) / min(costs), 3),
        "growth": round(costs[-1] / costs[0], 3),
        "look_every_s": LOOK_EVERY_S,
        "processes": args.processes,
    }
    if args.keep:
        draw(steps, costs, PICTURE)
    report("gating_scale", values, keep=args.keep)
    return 0


@dataclass(frozen=True)
class Measured:
    """One process's share of a step: CPU seconds over seconds, how late its packets came, how often a camera woke."""

    cpu_s: float
    lasted_s: float
    late_s: list[float]
    wakes: int


def _measure(scratch: Path, steps: list[int], seconds: float, processes: int) -> tuple[list[float], ...]:
    """At each step: CPU milliseconds per camera and second, how late packets are fetched, how many cameras woke."""
    clip = quiet_clip(scratch / "quiet.mp4", DRAWN_S)
    lasts_s = steps[-1] / STARTED_AT_ONCE * 2 * GROUP_S + len(steps) * (seconds + SETTLE_S + FALL_ASLEEP_WITHIN_S)
    costs, late_ms, wakes = [], [], []
    with contextlib.ExitStack() as stack:
        shares = [stack.enter_context(_share(str(clip), lasts_s)) for _ in range(processes)]
        for step in steps:
            for i, share in enumerate(shares):  # one after the other: each grows a few at a time
                share.send(("grow", step // processes + (i < step % processes)))
                if not share.recv():
                    print(f"{step} cameras are more than this machine gets to sleep", flush=True)
                    return costs, late_ms, wakes
            time.sleep(SETTLE_S)
            for share in shares:
                share.send(("measure", seconds))
            measured: list[Measured] = [share.recv() for share in shares]
            costs.append(sum(each.cpu_s / each.lasted_s for each in measured) * 1e3 / step)
            late_ms.append(float(np.quantile([late for each in measured for late in each.late_s], 0.99)) * 1e3)
            wakes.append(sum(each.wakes for each in measured))
            print(f"{step} cameras: {costs[-1]:.2f} ms of CPU a second each, packets up to {late_ms[-1]:.0f} ms late")
            sys.stdout.flush()
    return costs, late_ms, wakes


@contextlib.contextmanager
def _share(clip: str, lasts_s: float) -> Iterator[Connection]:
    """A process with cameras of its own, told by letters: ("grow", cameras) → all sleep; ("measure", s) → Measured."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_live, args=(theirs, clip, lasts_s), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send(None)
        process.join(60)
        process.kill()


def _live(letters: Connection, clip: str, lasts_s: float) -> None:
    packets = list(one_after_the_other(groups(Path(clip)) * round(lasts_s / DRAWN_S + 1)))
    with played_from_memory(lambda _: packets) as connections, CamerasAtOnce() as together:
        while (letter := letters.recv()) is not None:
            what, number = letter
            letters.send(
                _grown(together, clip, number) if what == "grow" else _cost(connections, together, float(number))
            )


def _grown(together: CamerasAtOnce, url: str, cameras: int) -> bool:
    """Whether so many came to sleep."""
    options = [
        CameraOptions(
            camera=f"c{n}",
            url=url,
            pace="live",
            decode="motion",
            look_every_s=LOOK_EVERY_S,
            sleep_after_s=SLEEP_AFTER_S,
        )
        for n in range(len(together.all), cameras)
    ]
    for first in range(0, len(options), STARTED_AT_ONCE):
        together.add([Camera(each) for each in options[first : first + STARTED_AT_ONCE]], within_s=STARTED_OVER_S)
        if not together.asleep_within(FALL_ASLEEP_WITHIN_S, but=STARTED_AT_ONCE):
            return False
    return together.asleep_within(FALL_ASLEEP_WITHIN_S)


def _cost(connections: Mapping[str, FromMemory], together: CamerasAtOnce, seconds: float) -> Measured:
    """Lateness is looked at once a second."""
    late_s: list[float] = []
    woken, began_s, began_cpu_s = together.wakes, time.monotonic(), time.process_time()
    for _ in range(round(seconds)):
        time.sleep(1.0)
        late_s += [max(0.0, connection.late_s) for connection in connections.values()]
    spent_s, lasted_s = time.process_time() - began_cpu_s, time.monotonic() - began_s
    return Measured(spent_s, lasted_s, late_s, together.wakes - woken)


def draw(cameras: list[int], costs_ms: list[float], file: Path) -> None:
    """Cost of one camera over how many there are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.add_subplot(xlabel="quiet cameras on two cores", ylabel="CPU ms per camera and second")
    axes.plot(cameras, costs_ms, marker="o", color="#1f6f8b")
    axes.set_xscale("log")
    axes.set_xticks(cameras, [f"{n:,}" for n in cameras])
    axes.minorticks_off()
    axes.set_ylim(0, 1.3 * max(costs_ms))
    axes.grid(alpha=0.3)
    for n, cost in zip(cameras, costs_ms, strict=True):
        axes.annotate(f"{cost:.2f}", (n, cost), textcoords="offset points", xytext=(0, 8), ha="center")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
