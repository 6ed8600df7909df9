"""Several small step nets that learnt the same from different beginnings, as one: their probabilities are averaged.

A fight, two falls and four runners, or clips of 26 places, are few: what one net happens to learn of them differs more
from seed to seed than from plan to plan, and an average of a few is steadier than any (Lakshminarayanan et al. 2017).
Only the first member foresees.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.behaviour.step_net import StepNet


class Committee(nn.Module):
    """The interface of StepNet that export_step needs; members share features, heads, memory, mean and scale."""

    scale: Tensor

    def __init__(self, members: Sequence[StepNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        first = members[0]
        self.features, self.predicted, self.memory = first.features, first.predicted, first.memory
        self.head_names, self.output_names = first.head_names, first.output_names
        self.register_buffer("scale", first.scale.clone())

    @property
    def state_width(self) -> int:
        """The members' states, one after the other."""
        return sum(each.state_width for each in self.members)

    def fresh(self, batch: int) -> Tensor:
        """States that remember nothing."""
        return torch.zeros(batch, self.state_width)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        """As StepNet.forward: the heads' probabilities, prediction, spread, attention, next state."""
        states = state.split([each.state_width for each in self.members], dim=1)
        told = [each(features, own) for each, own in zip(self.members, states, strict=True)]
        *heads, attention = [
            torch.stack([each[n] for each in told]).mean(0) for n in (*range(len(self.head_names)), -2)
        ]
        return (*heads, *told[0][-4:-2], attention, torch.cat([each[-1] for each in told], dim=1))
