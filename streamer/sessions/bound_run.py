"""A run whose inputs and outputs lie in the device's memory and stay there: what a recorded run (CUDA graph) needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.sessions.device_tensor import DeviceTensor

Feed = NDArray[Any] | DeviceTensor


def address_of(value: Feed) -> int | None:
    """Where an input lies that a run reads in its place; None for an array, which is copied to where the run reads."""
    return value.address if isinstance(value, DeviceTensor) else None


class BoundRun:
    """Runs of one session on inputs of one shape, at addresses that never change.

    Copies up and down, and nothing else, are left to do per run. Errors are ONNX Runtime's own. With device "cpu" the
    same binding works without a GPU, which is how it is tested.
    """

    def __init__(
        self,
        ort: ModuleType,
        session: Any,
        outputs: Sequence[str],
        feed: Mapping[str, Feed],
        *,
        device: str,
        number: int,
        recording: int,
    ) -> None:
        """Bind inputs of the feed's shapes, and outputs by a run that is not recorded: only that tells their shapes."""
        self._session, self._device, self._number = session, device, number
        self._in_place = {name: value for name, value in feed.items() if isinstance(value, DeviceTensor)}
        self._inputs = {
            name: ort.OrtValue.ortvalue_from_numpy(value.copy(), device, number)
            for name, value in feed.items()
            if not isinstance(value, DeviceTensor)
        }
        probe = self._binding()
        for name in outputs:
            probe.bind_output(name, device, number)
        session.run_with_iobinding(probe, _run_options(ort, -1))
        self._outputs = dict(zip(outputs, probe.get_outputs(), strict=True))
        self._bound = self._binding()
        for name, value in self._outputs.items():
            self._bound.bind_ortvalue_output(name, value)
        self._options = _run_options(ort, recording)

    def run(self, feed: Mapping[str, Feed]) -> list[NDArray[Any]]:
        """The outputs, in this machine's memory; each call gives arrays of its own."""
        for name, value in self._inputs.items():
            value.update_inplace(feed[name])
        self._session.run_with_iobinding(self._bound, self._options)
        # Not copy_outputs_to_cpu(): what it gives for outputs on the CPU is the bound memory itself.
        return [
            value.numpy().copy() if value.device_name() == "cpu" else value.numpy() for value in self._outputs.values()
        ]

    def _binding(self) -> Any:
        binding = self._session.io_binding()
        for name, value in self._inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, tensor in self._in_place.items():
            dtype = np.dtype(tensor.dtype).type
            binding.bind_input(name, self._device, self._number, dtype, tensor.shape, tensor.address)
        return binding


def _run_options(ort: ModuleType, recording: int) -> Any:
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(recording))
    return options
