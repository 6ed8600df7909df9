"""The recurrent net of both heads, one step at a time: features and state in, what it says and the next state out.

A GRU cell (Cho et al. 2014) remembers; attention over its last hidden vectors (Bahdanau et al. 2015, dot product form)
says which of the recent steps the answer rests on. What comes next is foreseen by a part of its own: it can be
trained on normal behaviour alone, and then never has seen what it shall be surprised by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

FAR = 8.0
"""Normalised features are cut here: one strange value must not fill a memory."""


class StepNet(nn.Module):
    """One step of a head.

    features float32 (batch, features), state float32 (batch, state_width): zeros are a fresh state.
    heads: name → number of classes, in the order of the outputs. predicted: of how many leading features the next
    values are foreseen; foresight: hidden width of what foresees them, 0: the same is expected always. mean, scale
    (features,): what training features looked like; normalisation happens inside.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        features: int,
        predicted: int,
        heads: Mapping[str, int],
        hidden: int = 48,
        memory: int = 16,
        mean: NDArray | None = None,
        scale: NDArray | None = None,
        foresight: int = 24,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.features, self.predicted, self.hidden, self.memory = features, predicted, hidden, memory
        self.foresight = foresight
        self.head_names = tuple(heads)
        self.register_buffer("mean", torch.zeros(features) if mean is None else torch.tensor(mean, dtype=torch.float32))
        self.register_buffer(
            "scale", torch.ones(features) if scale is None else torch.tensor(scale, dtype=torch.float32)
        )
        self.encoder = nn.Linear(features, hidden)
        self.cell = nn.GRUCell(hidden, hidden)
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.age = nn.Parameter(torch.zeros(memory))
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({name: nn.Linear(3 * hidden, classes) for name, classes in heads.items()})
        self.foreseer = Foreseer(features, predicted, foresight)

    @property
    def state_width(self) -> int:
        """Hidden vector, the foreseer's, the last `memory` hidden vectors, and which of those exist."""
        return self.hidden + self.foresight + self.memory * (self.hidden + 1)

    @property
    def output_names(self) -> tuple[str, ...]:
        """As the graph names them, in order."""
        return (*self.head_names, "prediction", "spread", "attention", "next_state")

    def fresh(self, batch: int) -> Tensor:
        """States that remember nothing."""
        return torch.zeros(batch, self.state_width, device=self.mean.device)

    def step(self, features: Tensor, state: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """One step of every row → (logits by head's name, and prediction, spread, attention; next state)."""
        x = ((features - self.mean) / self.scale).clamp(-FAR, FAR)
        widths = [self.hidden, self.foresight, self.memory * self.hidden, self.memory]
        hidden, foreseen, ring, present = state.split(widths, dim=1)
        encoded = self.dropout(F.silu(self.encoder(x)))
        hidden = self.cell(encoded, hidden)
        ring = torch.cat([ring[:, self.hidden :], hidden], dim=1)
        present = torch.cat([present[:, 1:], torch.ones_like(present[:, :1])], dim=1)
        past = ring.unflatten(1, (self.memory, self.hidden))
        likeness = (self.key(past) * self.query(hidden)[:, None]).sum(-1) / math.sqrt(self.hidden)
        attention = (likeness + self.age - (1 - present) * 1e9).softmax(1)
        recalled = (attention[..., None] * past).sum(1)
        summary = self.dropout(torch.cat([hidden, recalled, encoded], dim=1))
        outputs = {name: head(summary) for name, head in self.heads.items()}
        foreseen = self.foreseer.step(x, foreseen)
        outputs |= self.in_units(*self.foreseer.read(x, foreseen))
        outputs["attention"] = attention
        return outputs, torch.cat([hidden, foreseen, ring, present], dim=1)

    def in_units(self, mean: Tensor, width: Tensor) -> dict[str, Tensor]:
        """The foreseer's normalised answer in the features' own units."""
        scale, offset = self.scale[: self.predicted], self.mean[: self.predicted]
        return {"prediction": mean * scale + offset, "spread": width + scale.log()}

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        """What the exported graph computes, in the order of output_names: probabilities where step() gives logits."""
        outputs, state = self.step(features, state)
        probabilities = [outputs[name].softmax(1) for name in self.head_names]
        return (*probabilities, outputs["prediction"], outputs["spread"], outputs["attention"], state)


class Foreseer(nn.Module):
    """Normalised features → mean and log scale of the next step's leading ones, from a memory of its own.

    Without one (hidden 0) it expects of everybody, always, what is usual.
    """

    def __init__(self, features: int, predicted: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        if hidden:
            self.cell = nn.GRUCell(features, hidden)
        self.mean, self.width = nn.Linear(hidden or 1, predicted), nn.Linear(hidden or 1, predicted)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        """x (batch, features), state (batch, hidden) → next state."""
        return self.cell(x, state) if self.hidden else state

    def steps(self, x: Tensor) -> Tensor:
        """x (batch, steps, features) → the states of all steps from a fresh one, (batch, steps, hidden)."""
        return _carried(self.cell, x) if self.hidden else x[..., :0]

    def read(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Features (…, features), state (…, hidden) → mean, log scale (…, predicted), in units of their scale."""
        seen = state if self.hidden else torch.ones_like(x[..., :1])
        # Between 1/50 and 20 of a feature's usual scale: surer than that is overconfident.
        return self.mean(seen), self.width(seen).clamp(-4.0, 3.0)


def sequence(net: StepNet, features: Tensor) -> dict[str, Tensor]:
    """Whole sequences from fresh states, features (batch, steps, F) → step()'s outputs, (batch, steps, …).

    The same arithmetic as step() carried along, all steps at once where one does not need the other: for training.
    """
    steps = features.shape[1]
    x = ((features - net.mean) / net.scale).clamp(-FAR, FAR)
    encoded = net.dropout(F.silu(net.encoder(x)))
    hidden = _carried(net.cell, encoded)
    # (batch, steps, memory, hidden): what each step's ring holds, newest last.
    past = F.pad(hidden, (0, 0, net.memory - 1, 0)).unfold(1, net.memory, 1).transpose(2, 3)
    exists = torch.arange(steps)[:, None] + torch.arange(net.memory)[None] >= net.memory - 1
    keys = F.pad(net.key(hidden), (0, 0, net.memory - 1, 0)).unfold(1, net.memory, 1).transpose(2, 3)
    likeness = (keys * net.query(hidden)[:, :, None]).sum(-1) / math.sqrt(net.hidden)
    attention = (likeness + net.age).masked_fill(~exists, -1e9).softmax(2)
    recalled = (attention[..., None] * past).sum(2)
    summary = net.dropout(torch.cat([hidden, recalled, encoded], dim=2))
    outputs = {name: head(summary) for name, head in net.heads.items()}
    foreseen = net.foreseer.read(x, net.foreseer.steps(x))
    return {**outputs, **net.in_units(*foreseen), "attention": attention}


def _carried(cell: nn.GRUCell, x: Tensor) -> Tensor:
    """A cell's hidden vectors over sequences that begin fresh: (batch, steps, inputs) → (batch, steps, hidden)."""
    weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    hidden, _ = torch._VF.gru(
        x, x.new_zeros(1, len(x), cell.hidden_size), weights, True, 1, 0.0, cell.training, False, True
    )
    return hidden
