"""Everything that a training run of the drawn net depends on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Everything that a run depends on; two runs of one plan on one machine give the same net."""

    streets: int = 300
    pictures_per_street: int = 12
    batch: int = 16
    steps: int = 2500
    peak_rate: float = 2.5e-3
    warm_up: int = 60
    weight_decay: float = 0.03
    average: float = 0.995
    seed: int = 7
    first_street: int = 1_000
    """Streets from here on are for training; those below are never shown to the net."""
