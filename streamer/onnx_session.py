"""The door to ONNX Runtime: open a graph on one provider, say what it takes and gives, run it, translate its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from numpy.typing import NDArray

from streamer.artifacts import Axis
from streamer.errors import ArtifactError, ConfigError, InferenceError

Provider = Literal["cpu", "cuda", "tensorrt"]

_PROVIDERS: dict[Provider, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of an opened graph; shape None where the graph does not tell."""

    name: str
    dtype: str
    shape: tuple[Axis, ...] | None


class OnnxSession:
    """One opened graph. run() may be called from any thread and releases the interpreter while it computes."""

    def __init__(self, graph: bytes, named: str, provider: Provider, threads: int) -> None:
        """Open a graph from its bytes; `named` is the file for messages.

        Raises ConfigError where ONNX Runtime is not installed, InferenceError where the provider cannot be had,
        ArtifactError where the graph cannot be opened.
        """
        ort = _onnxruntime(provider)
        wanted = _PROVIDERS[provider]
        if wanted[0] not in ort.get_available_providers():
            offered = ", ".join(ort.get_available_providers())
            raise InferenceError(_not_ready(provider, f"this onnxruntime offers {offered} only"))
        if provider != "cpu" and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # finds CUDA and cuDNN that pip installed
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A pool that spins between runs burns cores that decoding needs: YOLOX-nano on 2 threads, a run every 20 ms,
        # took 44-48 ms of CPU per run with spinning and 15-19 without, and longer on a busy machine (2-core EPYC,
        # 2026-11). Binding inputs and outputs gained less than 0.1 ms of 13.7 on the CPU, so it waits for a GPU.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._named = named
        self._failures = _failures()
        try:
            self._session: Any = ort.InferenceSession(graph, options, providers=list(wanted))
        except self._failures as error:
            said = _first_line(error)
            raise ArtifactError(f"{named}: ONNX Runtime {ort.__version__} cannot open it: {said}") from error
        self._session.disable_fallback()
        if wanted[0] not in self._session.get_providers():
            in_use = ", ".join(self._session.get_providers())
            raise InferenceError(_not_ready(provider, f"the session runs on {in_use}"))
        self.inputs = tuple(_info(each) for each in self._session.get_inputs())
        self.outputs = tuple(_info(each) for each in self._session.get_outputs())

    def run(self, outputs: Sequence[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The named outputs. Raises InferenceError."""
        try:
            tensors: list[NDArray[Any]] = self._session.run(outputs, feed)
        except self._failures as error:
            shapes = ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in feed.items())
            raise InferenceError(f"{self._named}: failed on {shapes}: {_first_line(error)}") from error
        return tensors


def compare(kind: str, expected: TensorInfo, found: TensorInfo) -> list[str]:
    """How an opened graph's tensor differs from what its manifest expects, one sentence each, both sides named."""
    problems = []
    if expected.dtype != found.dtype:
        problems.append(
            f"{kind} '{found.name}': dtype: the manifest expects {expected.dtype}, the graph has {found.dtype}"
        )
    if expected.shape is not None and found.shape is not None and not may_be(found.shape, expected.shape):
        problems.append(
            f"{kind} '{found.name}': shape: the manifest expects {written(expected.shape)}, "
            f"the graph has {written(found.shape)}"
        )
    return problems


def may_be(loose: tuple[Axis, ...], tight: tuple[Axis, ...]) -> bool:
    """True where the second shape is one that the first allows: equal, but for axes that the first leaves free.

    A manifest may fix what its graph leaves free (a canvas size), never the other way round. Names of free axes are for
    people.
    """
    return len(loose) == len(tight) and all(isinstance(a, str) or a == b for a, b in zip(loose, tight, strict=True))


def written(shape: tuple[Axis, ...]) -> str:
    """(batch, 3, 416, 416)."""
    return "(" + ", ".join(str(axis) for axis in shape) + ")"


def _info(tensor: Any) -> TensorInfo:
    # ONNX Runtime gives an empty shape both for a scalar and for a tensor of which the graph says nothing.
    shape = tuple(a if isinstance(a, (int, str)) and a != "" else f"axis{i}" for i, a in enumerate(tensor.shape))
    return TensorInfo(tensor.name, _DTYPES.get(tensor.type, tensor.type), shape or None)


def _onnxruntime(provider: Provider) -> ModuleType:
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


def _failures() -> tuple[type[Exception], ...]:
    """ONNX Runtime's own exceptions, which share no base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception)]
    return (*own, RuntimeError, ValueError)


def _not_ready(provider: Provider, found: str) -> str:
    return (
        f"not ready: the provider '{provider}' ({_PROVIDERS[provider][0]}) was configured, but {found}. "
        "Nothing runs on another device in its place: install streamer[gpu] (without streamer[cpu] beside it) and the "
        "NVIDIA driver, or configure the provider 'cpu'."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
