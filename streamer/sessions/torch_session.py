"""A Session on torch: the same ONNX file, for a GPU without a matching ONNX Runtime. The only door to torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import ConfigError, InferenceError
from streamer.sessions.batch_sizes import BatchSizes
from streamer.sessions.nvidia import share_context
from streamer.sessions.on_torch.graph_file import read_graph
from streamer.sessions.providers import Precision
from streamer.sessions.session import Device

if TYPE_CHECKING:
    from streamer.sessions.on_torch.recorded import RecordedRun

_log = logging.getLogger("streamer.sessions")


class TorchSession:
    """One ONNX graph, run by torch on one device; one run at a time (implements sessions.Session)."""

    def __init__(
        self,
        graph: bytes,
        named: str,
        threads: int,
        device: Device = None,
        precision: Precision = "as_exported",
        gpu_sizes: tuple[int, ...] = (),
    ) -> None:
        """Open a graph from its bytes; `named` is the file for messages; device None: GPU 0, never the CPU unasked.

        gpu_sizes: batches that a GPU's runs are recorded for. Raises ConfigError where torch is not installed,
        InferenceError where the device is not there, ArtifactError where the graph cannot be run by torch.
        """
        self._torch, self._named = _torch(), named
        self.device = self._torch.device(device_name(device))
        self._on_gpu = self.device.type == "cuda"
        if self._on_gpu and (self.device.index or 0) >= self._torch.cuda.device_count():
            raise InferenceError(_not_ready(str(self.device), self._torch))
        if self._on_gpu:
            share_context(self.device.index or 0)
        else:
            self._torch.set_num_threads(threads)
        from streamer.sessions.on_torch.net import TorchNet

        read = read_graph(graph, named)
        self.inputs, self.outputs = read.inputs, read.outputs
        self.memory = f"torch:{self.device.type}:{self.device.index or 0}"
        self.batch_sizes = BatchSizes(gpu_sizes if self._on_gpu else ())
        self._dtypes = {each.name: getattr(self._torch, each.dtype) for each in read.outputs}
        self.net = TorchNet(read, named, self.device, halves=precision == "fp16")
        self._recorded: dict[tuple[object, ...], RecordedRun] = {}

    def run(self, outputs: Sequence[str], feed: Mapping[str, Any]) -> list[NDArray[Any]]:
        """The named outputs, in this machine's memory; feed: arrays, or torch tensors. Raises InferenceError."""
        try:
            tensors = {name: self._torch.as_tensor(value) for name, value in feed.items()}
            made = self._recorded_run(outputs, tensors) if self._on_gpu else self.net.run(outputs, tensors)
            typed = [tensor.to(self._dtypes[name]) for name, tensor in zip(outputs, made, strict=True)]
            return [tensor.cpu().numpy() for tensor in typed]
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            shapes = ", ".join(f"{name} {value.dtype} {tuple(value.shape)}" for name, value in feed.items())
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
            raise InferenceError(f"{self._named}: torch failed on {shapes}: {said}") from error

    def buffer(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Memory for a feed: page-locked where a GPU reads it."""
        if not self._on_gpu:
            return np.empty(shape, dtype)
        locked: NDArray[Any] = self._torch.empty(shape, dtype=getattr(self._torch, dtype), pin_memory=True).numpy()
        return locked

    def _recorded_run(self, outputs: Sequence[str], tensors: Mapping[str, Any]) -> list[Any]:
        from streamer.sessions.on_torch.recorded import RecordedRun

        key = (tuple(outputs), *((name, tuple(value.shape)) for name, value in tensors.items()))
        if key not in self._recorded:
            self._recorded[key] = RecordedRun(self.net, outputs, tensors)
        return self._recorded[key].run(tensors)


def device_name(device: Device) -> str:
    """cpu, cuda, cuda:1; a number is a GPU's, None is GPU 0. Raises ConfigError."""
    if device is None:
        return "cuda:0"
    if isinstance(device, int):
        return f"cuda:{device}"
    kind, _, number = device.partition(":")
    if device in ("cpu", "cuda") or (kind == "cuda" and number.isdecimal()):
        return device
    raise ConfigError(
        [f"model.device: the provider 'torch' takes cpu, cuda, cuda:1 or a GPU's number; found {device!r}"]
    )


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise ConfigError([f"torch is not installed ({error}): pip install 'streamer[torch]'"]) from error
    module: ModuleType = torch
    return module


def _not_ready(device: str, torch: ModuleType) -> str:
    count = torch.cuda.device_count()
    found = f"finds {count} GPU{'s' if count > 1 else ''}" if count else "finds no GPU"
    return (
        f"not ready: the provider 'torch' was configured on '{device}', but this torch ({torch.__version__}) {found}. "
        "Nothing runs on another device in its place: install a torch built for the machine's driver, or configure "
        "'device: cpu'."
    )
