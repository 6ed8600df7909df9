"""What was found, as a picture: how late and how many lost over the number of cameras, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from streamer.bench.capacity import Capacity, by_cameras
from streamer.bench.chart import (
    COLOURS,
    Axes,
    Picture,
    blank,
    draw_axes,
    draw_bars,
    draw_limit,
    draw_line,
    legend,
    rounded_up,
    write,
)
from streamer.bench.on_the_way import STAGES, WHOLE
from streamer.bench.stages import ANALYSED, StageCost
from streamer.bench.trial import Plan
from streamer.errors import ConfigError

_WIDTH, _PANEL = 860, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 64, 56
_LATE, _LOST, _LIMIT = COLOURS[0], COLOURS[4], COLOURS[1]


def capacity_picture(found: Capacity, plan: Plan) -> Picture:
    """uint8 RGB: p99 and dropped frames against cameras; below it the mean of each stage, stacked."""
    shown = [each.trial for each in by_cameras(found.trials)]
    names = [str(trial.cameras) for trial in shown]
    picture = blank(_WIDTH, 2 * _PANEL)
    p99_ms = [trial.stages[WHOLE].p99_ms if WHOLE in trial.stages else float("nan") for trial in shown]
    limit_ms = plan.p99_limit_s * 1e3
    late = _axes(0, len(shown), rounded_up(max([limit_ms * 1.1, *(ms for ms in p99_ms if ms == ms)])))
    lost_share = [100.0 * trial.dropped / max(1, trial.dropped + trial.counts.analysed) for trial in shown]
    draw_axes(picture, late, f"p99 from capture to {plan.ends_at}, ms", names, "cameras")
    # Both on one chart: dropped frames as a share of the height, told in numbers.
    heights = [share / 100.0 * late.highest for share in lost_share]
    draw_bars(picture, late, [[height] for height in heights], [_LOST])
    for column, (trial, height) in enumerate(zip(shown, heights, strict=True)):
        if trial.dropped:
            write(picture, f"{lost_share[column]:.0f} %", (late.x(column), late.y(height) - 5), "middle", _LOST)
    draw_limit(picture, late, limit_ms, "asked", _LIMIT)
    draw_line(picture, late, p99_ms, _LATE)
    legend(picture, [("p99", _LATE), ("dropped", _LOST), (f"{found.cameras} cameras held", _LIMIT)], (_LEFT, 22))
    stacks = [[trial.stages[name].mean_ms if name in trial.stages else 0.0 for name in STAGES] for trial in shown]
    where = _axes(_PANEL, len(shown), rounded_up(1.05 * max([1e-3, *map(sum, stacks)])))
    draw_axes(picture, where, "where the time of a frame goes, mean ms", names, "cameras")
    draw_bars(picture, where, stacks, COLOURS)
    legend(picture, list(zip(STAGES, COLOURS, strict=False)), (_LEFT, _PANEL + 22))
    return picture


def stages_picture(stages: Sequence[StageCost], plan: Plan) -> Picture:
    """uint8 RGB: milliseconds of CPU for each analysed frame, stage by stage, at batch 1."""
    per_frame = plan.footage.fps / plan.analyse_fps
    shown = [each for each in stages if each.batch in (None, 1) and each.stage not in ("demux", "detect")]
    costs_ms = [each.cpu_ms * (1.0 if each.of == ANALYSED else per_frame) for each in shown]
    picture = blank(_WIDTH, _PANEL + 20)
    axes = _axes(0, len(shown), rounded_up(1.15 * max(costs_ms)))
    title = (
        f"CPU ms for each analysed frame ({plan.footage.fps:g} frames a second come, {plan.analyse_fps:g} are analysed)"
    )
    draw_axes(picture, axes, title, [each.stage for each in shown], "each stage alone, one frame in a model call")
    draw_bars(picture, axes, [[cost] for cost in costs_ms], COLOURS[:1])
    for column, cost in enumerate(costs_ms):
        write(picture, f"{cost:.2f}", (axes.x(column), axes.y(cost) - 6), "middle")
    return picture


def saved(picture: Picture, file: Path) -> None:
    """Write a picture, in the format that the name asks for. Raises ConfigError where that cannot be."""
    try:
        done = file.parent.is_dir() and cv2.imwrite(str(file), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except cv2.error:
        done = False
    if not done:
        raise ConfigError([f"--picture: {file} cannot be written; name a .png in a folder that is there"])


def _axes(top: int, columns: int, highest: float) -> Axes:
    return Axes(_LEFT, top + _TOP, _WIDTH - _RIGHT, top + _PANEL - _BOTTOM, columns, highest)
