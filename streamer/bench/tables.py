"""What was found, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from streamer.bench.capacity import Capacity, by_cameras
from streamer.bench.on_the_way import STAGES, WHOLE
from streamer.bench.stages import StageCost
from streamer.bench.trial import Plan

_QUIET_CORES = 0.1


def trials_table(found: Capacity, plan: Plan) -> Table:
    """One row for each number of cameras that was tried."""
    shown = by_cameras(found.trials)
    gpu = any(each.trial.gpu for each in shown)
    table = Table(title=f"capture to {plan.ends_at}, at most {plan.p99_limit_s * 1e3:.0f} ms", title_justify="left")
    for column in ("cameras", "fps", "p50 ms", "p90 ms", "p99 ms", "dropped", "cores", *(["GPU %"] if gpu else [])):
        table.add_column(column, justify="right")
    table.add_column("held")
    for each in shown:
        trial = each.trial
        whole = trial.stages.get(WHOLE)
        load = [_number((trial.gpu or {}).get("gpu_load_percent"), 0)] if gpu else []
        table.add_row(
            str(trial.cameras),
            f"{trial.counts.analysed / trial.measured_s:.1f}",
            *([f"{ms:.0f}" for ms in (whole.p50_ms, whole.p90_ms, whole.p99_ms)] if whole else ["–"] * 3),
            str(trial.dropped),
            f"{trial.cpu_cores:.2f}",
            *load,
            "[green]yes" if each.held else "[red]no",
        )
    return table


def remarks(found: Capacity) -> list[str]:
    """What else is worth knowing about the trials, one sentence each."""
    lines = []
    if (best := found.best) is not None and best.memory_mb is not None:
        slope = best.memory_slope_mb_per_min or 0.0
        lines.append(f"memory with {best.cameras} cameras: {best.memory_mb:.0f} MB, {slope:+.1f} MB a minute")
    others = max((each.trial.others_cpu_cores or 0.0 for each in found.trials), default=0.0)
    if others > _QUIET_CORES:
        lines.append(f"other programs took up to {others:.1f} cores meanwhile: a quiet machine may hold more")
    return lines


def latency_table(found: Capacity) -> Table | None:
    """Where the time of a frame goes at the number that was found; None where none held."""
    if found.best is None:
        return None
    table = Table(title=f"a frame's way with {found.cameras} cameras", title_justify="left")
    table.add_column("stage")
    for column in ("mean ms", "p50 ms", "p90 ms", "p99 ms", "most ms"):
        table.add_column(column, justify="right")
    for name in (*STAGES, WHOLE):
        if (spread := found.best.stages.get(name)) is not None:
            values = (spread.mean_ms, spread.p50_ms, spread.p90_ms, spread.p99_ms, spread.most_ms)
            table.add_row(name, *(f"{value:.1f}" for value in values))
    return table


def stages_table(stages: Sequence[StageCost]) -> Table:
    """Each stage alone, and how many frames a second that would be."""
    table = Table(title="each stage alone", title_justify="left")
    table.add_column("stage")
    table.add_column("batch", justify="right")
    table.add_column("per")
    for column in ("CPU ms", "wall ms", "frames/s"):
        table.add_column(column, justify="right")
    for each in stages:
        batch = "" if each.batch is None else str(each.batch)
        rate = f"{1e3 / each.wall_ms:,.0f}" if each.wall_ms > 0 else "–"
        table.add_row(each.stage, batch, each.of, f"{each.cpu_ms:.3f}", f"{each.wall_ms:.3f}", rate)
    return table


def ceilings(stages: Sequence[StageCost], plan: Plan) -> list[str]:
    """What follows from bare decode and bare session.run, one sentence each."""
    alone = {each.stage: each for each in stages if each.batch is None}
    runs = [each for each in stages if each.stage == "session.run"]
    best = min(runs, key=lambda each: each.wall_ms)
    decode_s = alone["decode"].cpu_ms / 1e3 * plan.footage.fps
    run_s = best.cpu_ms / 1e3 * plan.analyse_fps
    threads = f"{plan.one_lane_threads} thread{'s' if plan.one_lane_threads > 1 else ''}"
    return [
        f"bare session.run: {1e3 / best.wall_ms:.1f} frames a second on {threads} (batch {best.batch})",
        f"bare decode: {1e3 / alone['decode'].wall_ms:.0f} frames a second on one core",
        f"decode and session.run alone allow {1 / (decode_s + run_s):.1f} such cameras on each core",
    ]


def overhead_ms(stages: Sequence[StageCost], plan: Plan) -> float:
    """Milliseconds of CPU per analysed frame outside decode, convert and session.run, as the stages alone add up."""
    per_frame = plan.footage.fps / plan.analyse_fps
    alone = {each.stage: each for each in stages if each.batch in (None, 1)}
    inside = sum(alone[name].cpu_ms for name in ("prepare", "outputs", "track", "rules", "publish") if name in alone)
    return alone["capture"].cpu_ms * per_frame + inside


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
