"""What ONNX Runtime is asked for, per provider: names and options as its own pages on execution providers have them.

onnxruntime.ai/docs/execution-providers: CUDA-ExecutionProvider and TensorRT-ExecutionProvider; the key of a recorded
graph (`gpu_graph_id`) is in onnxruntime_run_options_config_keys.h. Options are text on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamer.errors import ConfigError

OnnxProvider = Literal["cpu", "cuda", "tensorrt"]
Precision = Literal["as_exported", "fp16"]
Options = tuple[tuple[str, Mapping[str, str]], ...]

NAMES: dict[OnnxProvider, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a graph is to be run on a GPU.

    recorded: launches are recorded once per input shape and replayed (CUDA graphs). engines: the folder in which
    TensorRT keeps what it built. profile: the input's name with its smallest and largest shape, where it has a free
    axis: TensorRT builds for all between them, and would build anew, for minutes, at any other.
    """

    device: int = 0
    recorded: bool = True
    precision: Precision = "as_exported"
    engines: Path | None = None
    profile: tuple[str, tuple[int, ...], tuple[int, ...]] | None = None


def provider_options(provider: OnnxProvider, wanted: Wanted) -> Options:
    """(name, options) of the provider and of those that take what it leaves, in that order."""
    offered: dict[str, Mapping[str, str]] = {
        "CPUExecutionProvider": {},
        "CUDAExecutionProvider": _cuda(wanted, recorded=wanted.recorded and provider == "cuda"),
        "TensorrtExecutionProvider": _tensorrt(wanted),
    }
    return tuple((name, offered[name]) for name in NAMES[provider])


def device_number(provider: str, device: int | str | None) -> int:
    """Which GPU a configuration means: 1, 'cuda:1'. Raises ConfigError."""
    if device is None or device == "cuda":
        return 0
    if isinstance(device, int) and device >= 0:
        return device
    number = str(device).removeprefix("cuda:")
    if isinstance(device, str) and number.isdecimal():
        return int(number)
    raise ConfigError(
        [f"model.device: the provider '{provider}' takes the number of a GPU (0, 1, …); found {device!r}"]
    )


def refuse_halves(provider: OnnxProvider, precision: Precision, exported: str) -> None:
    """Raises ConfigError where half precision was asked for and the provider computes as the graph was exported."""
    if precision == "fp16" and exported != "fp16" and provider != "tensorrt":
        raise ConfigError(
            [
                f"model.precision: the provider '{provider}' computes as the graph was exported, which is {exported}: "
                "make a folder in half precision with `python -m export fp16`, or use tensorrt or torch"
            ]
        )


def _cuda(wanted: Wanted, *, recorded: bool) -> dict[str, str]:
    return {
        "device_id": str(wanted.device),
        # Nets of fixed shapes ask for the same memory in every run: growing by powers of two would only hold more.
        "arena_extend_strategy": "kSameAsRequested",
        # Searched once per shape, while warming up; the shapes are few and fixed.
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "cudnn_conv_use_max_workspace": "1",
        "do_copy_in_default_stream": "1",
        "enable_cuda_graph": _flag(recorded),
    }


def _tensorrt(wanted: Wanted) -> dict[str, str]:
    options = {
        "device_id": str(wanted.device),
        "trt_fp16_enable": _flag(wanted.precision == "fp16"),
        "trt_cuda_graph_enable": _flag(wanted.recorded),
    }
    if wanted.engines:
        folder = str(wanted.engines)
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    if wanted.profile:
        name, smallest, largest = wanted.profile
        options |= {
            "trt_profile_min_shapes": _profile(name, smallest),
            "trt_profile_opt_shapes": _profile(name, largest),
            "trt_profile_max_shapes": _profile(name, largest),
        }
    return options


def _profile(name: str, shape: tuple[int, ...]) -> str:
    return f"{name}:{'x'.join(map(str, shape))}"


def _flag(on: bool) -> str:
    return "1" if on else "0"
