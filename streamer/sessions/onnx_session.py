"""The door to ONNX Runtime: open a graph on one provider, say what it takes and gives, run it, translate its errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Axis
from streamer.errors import ArtifactError, ConfigError, InferenceError
from streamer.sessions.batch_sizes import BatchSizes
from streamer.sessions.bound_run import BoundRun, Feed, address_of
from streamer.sessions.device_tensor import DeviceTensor
from streamer.sessions.nvidia import lock_pages
from streamer.sessions.providers import NAMES, OnnxProvider, Options, Wanted, provider_options
from streamer.sessions.session import TensorInfo

_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}

_log = logging.getLogger("streamer.sessions")


class OnnxSession:
    """One opened graph. run() may be called from any thread and releases the interpreter while it computes.

    On a GPU the runs of one session share the memory that they are bound to: one at a time.
    """

    def __init__(
        self,
        graph: bytes,
        named: str,
        provider: OnnxProvider,
        threads: int,
        wanted: Wanted | None = None,
        batch_sizes: BatchSizes | None = None,
    ) -> None:
        """Open a graph from its bytes; `named` is the file for messages; wanted: how it is run on a GPU.

        Raises ConfigError where ONNX Runtime is not installed, InferenceError where the provider cannot be had,
        ArtifactError where the graph cannot be opened.
        """
        self._ort, self._named, self._provider = _onnxruntime(provider), named, provider
        first = NAMES[provider][0]
        if first not in self._ort.get_available_providers():
            offered = ", ".join(self._ort.get_available_providers())
            raise InferenceError(_not_ready(provider, f"this onnxruntime offers {offered} only"))
        if provider != "cpu" and hasattr(self._ort, "preload_dlls"):
            self._ort.preload_dlls()  # finds CUDA and cuDNN that pip installed
        if wanted and wanted.engines:
            _make(wanted.engines)
        self._failures = _failures()
        self._device, self._number = ("cpu" if provider == "cpu" else "cuda"), (wanted or Wanted()).device
        self._session: Any = self._open(graph, threads, provider_options(provider, wanted or Wanted()))
        if first not in self._session.get_providers():
            in_use = ", ".join(self._session.get_providers())
            raise InferenceError(_not_ready(provider, f"the session runs on {in_use}"))
        self.inputs = tuple(_info(each) for each in self._session.get_inputs())
        self.outputs = tuple(_info(each) for each in self._session.get_outputs())
        self.batch_sizes = batch_sizes or BatchSizes()
        self.memory = f"onnx:{self._device}:{self._number}"
        self._bound: dict[tuple[object, ...], BoundRun] = {}

    def _open(self, graph: bytes, threads: int, providers: Options) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A pool that spins between runs burns cores that decoding needs: YOLOX-nano on 2 threads, a run every 20 ms,
        # took 44-48 ms of CPU per run with spinning and 15-19 without, and longer on a busy machine (2-core EPYC,
        # 2026-11). Binding inputs and outputs gained less than 0.1 ms of 13.7 on the CPU, so only GPUs get it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            session = self._ort.InferenceSession(graph, options, providers=[(n, dict(o)) for n, o in providers])
        except self._failures as error:
            said = _first_line(error)
            raise ArtifactError(
                f"{self._named}: ONNX Runtime {self._ort.__version__} cannot open it: {said}"
            ) from error
        session.disable_fallback()
        return session

    def run(self, outputs: Sequence[str], feed: Mapping[str, Feed]) -> list[NDArray[Any]]:
        """The named outputs; feed: arrays, or what lies in the device's memory already. Raises InferenceError."""
        try:
            if self._provider != "cpu" or any(isinstance(value, DeviceTensor) for value in feed.values()):
                return self._bound_run(outputs, feed).run(feed)
            tensors: list[NDArray[Any]] = self._session.run(outputs, feed)
        except self._failures as error:
            shapes = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in feed.items())
            raise InferenceError(f"{self._named}: failed on {shapes}: {_first_line(error)}") from error
        return tensors

    def buffer(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Memory for a feed: page-locked where a GPU reads it and the driver allows."""
        memory = np.empty(shape, dtype)
        if self._provider != "cpu" and memory.nbytes and not lock_pages(memory):
            _log.debug("memory for %s could not be page-locked: every run copies it once more", self._named)
        return memory

    def _bound_run(self, outputs: Sequence[str], feed: Mapping[str, Feed]) -> BoundRun:
        """The run of these shapes, its memory and its recording made when they first come: while warming up."""
        key = (tuple(outputs), *((name, value.shape, address_of(value)) for name, value in feed.items()))
        if key not in self._bound:
            # 0 is ONNX Runtime's own, so recordings are numbered from 1.
            self._bound[key] = BoundRun(
                self._ort,
                self._session,
                outputs,
                feed,
                device=self._device,
                number=self._number,
                recording=len(self._bound) + 1,
            )
        return self._bound[key]


def _info(tensor: Any) -> TensorInfo:
    # ONNX Runtime gives an empty shape both for a scalar and for a tensor of which the graph says nothing.
    shape: tuple[Axis, ...] = tuple(
        a if isinstance(a, (int, str)) and a != "" else f"axis{i}" for i, a in enumerate(tensor.shape)
    )
    return TensorInfo(tensor.name, _DTYPES.get(tensor.type, tensor.type), shape or None)


def _onnxruntime(provider: OnnxProvider) -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        extra = "cpu" if provider == "cpu" else "gpu"
        raise ConfigError(
            [
                f"ONNX Runtime is not installed ({error}): pip install 'streamer[{extra}]'"
                + ("" if extra == "gpu" else ", or 'streamer[gpu]' on a machine with an NVIDIA GPU")
            ]
        ) from error
    module: ModuleType = onnxruntime
    return module


def _make(engines: Path) -> None:
    try:
        engines.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            [f"TensorRT's engines cannot be kept in {engines}: {error.strerror}; name another folder in XDG_CACHE_HOME"]
        ) from error


def _failures() -> tuple[type[Exception], ...]:
    """ONNX Runtime's own exceptions, which share no base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception)]
    return (*own, RuntimeError, ValueError)


def _not_ready(provider: OnnxProvider, found: str) -> str:
    return (
        f"not ready: the provider '{provider}' ({NAMES[provider][0]}) was configured, but {found}. "
        "Nothing runs on another device in its place: install streamer[gpu] (without streamer[cpu] beside it) and the "
        "NVIDIA driver, or configure the provider 'cpu'."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
