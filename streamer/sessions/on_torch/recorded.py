"""A net's run on a GPU, recorded once and replayed (torch.cuda.CUDAGraph): one launch instead of one per operator.

Never run on a GPU so far (docs/gpu.md). After "Accelerating PyTorch with CUDA Graphs" (pytorch.org/docs, notes/cuda):
inputs and outputs lie at fixed addresses, a few runs on another stream come before the recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from streamer.sessions.on_torch.net import TorchNet

_RUNS_BEFORE = 3


class RecordedRun:
    """Runs of one net on inputs of one shape."""

    def __init__(self, net: TorchNet, outputs: Sequence[str], feed: Mapping[str, Tensor]) -> None:
        self._inputs = {name: torch.empty_like(value, device=net.device) for name, value in feed.items()}
        for name, value in feed.items():
            self._inputs[name].copy_(value)
        beside = torch.cuda.Stream(net.device)
        beside.wait_stream(torch.cuda.current_stream(net.device))
        with torch.cuda.stream(beside):
            for _ in range(_RUNS_BEFORE):
                net.run(outputs, self._inputs)
        torch.cuda.current_stream(net.device).wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = net.run(outputs, self._inputs)

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs, on the device, valid until the next run; feed: on the device, or page-locked on the CPU."""
        for name, value in feed.items():
            self._inputs[name].copy_(value, non_blocking=True)
        self._graph.replay()
        return self._outputs
