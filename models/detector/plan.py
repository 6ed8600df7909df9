"""What a training run is: every number that shapes it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """From a share of the run on: canvas size in pixels, and how wild canvases are (1: mosaics and all; 0: calm)."""

    begins: float
    canvas_wh: tuple[int, int]
    wild: float


@dataclass(frozen=True)
class Plan:
    """One run.

    taught_share: of the batches, how many the teacher looks at; average: how slowly the exported net moves;
    half_precision: bfloat16 where it is safe, which nearly halves the time on processors that have it.
    """

    seed: int = 20261122
    steps: int = 12_000
    batch: int = 32
    warm_up: int = 300
    peak_rate: float = 2.5e-3
    weight_decay: float = 0.03
    average: float = 0.9985
    taught_share: float = 1.0
    half_precision: bool = True
    stages: tuple[Stage, ...] = (
        Stage(0.0, (320, 224), 1.0),
        Stage(0.35, (384, 288), 1.0),
        Stage(0.85, (384, 288), 0.0),
    )


def stage_of(plan: Plan, step: int) -> Stage:
    """The stage that a step is in."""
    share = step / plan.steps
    return [stage for stage in plan.stages if stage.begins <= share][-1]


def learning_rate(plan: Plan, step: int) -> float:
    """Up in a line, down in half a cosine to a hundredth."""
    if step < plan.warm_up:
        return plan.peak_rate * (step + 1) / plan.warm_up
    share = (step - plan.warm_up) / max(1, plan.steps - plan.warm_up)
    return plan.peak_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
