"""The machine as the service finds it: versions, cores and memory, GPUs, and whether its clock is set by somebody."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterator, Sequence

import av

from streamer import __version__
from streamer.cgroup import cpu_limit, memory_limit_bytes
from streamer.commands.doctor.finding import Finding, Measured
from streamer.config import Config
from streamer.cores import usable_cores
from streamer.sessions.nvidia import gpu_count, gpu_name, tensorrt_version

_PACKAGES = (
    "av", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "torch", "redis", "fastapi",
    "prometheus-client",
)  # fmt: skip
_RING_MB = 32.0
_TIME_ERROR = 5  # what adjtimex(2) returns where nobody keeps the clock right
_TIMEX_BYTES = 208


def examined_machine() -> Iterator[Finding]:
    """Versions, and how many cores there are for us."""
    said = f"{__version__} on Python {platform.python_version()}, {platform.platform()}"
    yield Finding("streamer", None, said, {"streamer": __version__, "python": platform.python_version()})
    versions = dict(_versions())
    yield Finding("packages", None, ", ".join(f"{name} {version}" for name, version in versions.items()), versions)
    libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    wanted: Measured = {name: libraries[name] for name in ("libavformat", "libavcodec") if name in libraries}
    yield Finding("ffmpeg", None, ", ".join(f"{name} {version}" for name, version in wanted.items()), wanted)
    limit = cpu_limit()
    said = f"{usable_cores()} for the model and its threads"
    if limit is not None:
        said += f"; a limit of {limit:g} CPUs is on this container or unit"
    yield Finding("cores", None, said, {"cores": usable_cores(), "cpu_limit": limit})


def examined_limits(config: Config, workers: int) -> Iterator[Finding]:
    """Whether what frames and packets may take fits into the container's or unit's limit of memory, if there is one."""
    limit = memory_limit_bytes()
    frames_mb, packets_mb = workers * config.capture.frames_mb, len(config.cameras) * _RING_MB
    said = f"frames may take up to {frames_mb:.0f} MB, packets of cameras {packets_mb:.0f} MB"
    measured = {
        "limit_mb": None if limit is None else round(limit / 1e6),
        "frames_mb": frames_mb,
        "packets_mb": packets_mb,
    }
    if limit is None:
        yield Finding("memory", None, f"no limit is set; {said}", measured)
    elif (frames_mb + packets_mb) * 1e6 > limit:
        said = f"the limit is {limit / 1e6:.0f} MB, and {said}; raise it, or lower capture.frames_mb"
        yield Finding("memory", False, said, measured)
    else:
        yield Finding("memory", True, f"the limit is {limit / 1e6:.0f} MB; {said}", measured)


def gpu(wanted: str | None) -> Finding:
    """What ONNX Runtime can run on here, and what lacks for a GPU; wanted: model.provider of the configuration."""
    try:
        import onnxruntime
    except ImportError:
        said = "onnxruntime is not installed; pip install 'streamer[cpu]' (or 'streamer[gpu]')"
        return Finding("providers", False, said)
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions() if d.metadata["Name"]}
    gpus = [gpu_name(number) or f"GPU {number}" for number in range(gpu_count())]
    return judged_gpu(
        wanted,
        onnxruntime.get_available_providers(),
        gpus,
        both_installed={"onnxruntime", "onnxruntime-gpu"} <= installed,
        torch_installed=importlib.util.find_spec("torch") is not None,
        tensorrt=tensorrt_version(),
    )


def judged_gpu(
    wanted: str | None,
    providers: Sequence[str],
    gpus: Sequence[str],
    *,
    both_installed: bool,
    torch_installed: bool,
    tensorrt: str | None,
) -> Finding:
    """Pure: what is there, as a sentence; wrong where the configuration wants what is not."""
    there = f"{', '.join(gpus) if gpus else 'no NVIDIA GPU or driver'}; onnxruntime has {', '.join(providers)}"
    measured = {"providers": ", ".join(providers), "gpus": ", ".join(gpus), "tensorrt": tensorrt}
    if both_installed:
        said = "onnxruntime and onnxruntime-gpu are both installed: the CPU one wins silently; remove both, install one"
        return Finding("providers", False, said, measured)
    lacks = None
    if wanted in ("cuda", "tensorrt", "torch") and not gpus:
        lacks = "a driver that finds the GPU (try nvidia-smi; in a container, --gpus all)"
    elif wanted == "torch" and not torch_installed:
        lacks = "torch: pip install 'streamer[cpu,torch]'"
    elif wanted in ("cuda", "tensorrt") and "CUDAExecutionProvider" not in providers:
        lacks = "onnxruntime with CUDA: pip uninstall onnxruntime, then pip install 'streamer[gpu]'"
    elif wanted == "tensorrt" and tensorrt is None:
        lacks = "TensorRT: pip install tensorrt-cu12 (docs/gpu.md)"
    if lacks:
        return Finding("providers", False, f"{there}; model.provider: {wanted} lacks {lacks}", measured)
    if wanted is None and gpus and "CUDAExecutionProvider" not in providers:
        there += "; to use the GPU: pip uninstall onnxruntime, then pip install 'streamer[gpu]'"
    return Finding("providers", None, there, measured)


def examined_clock() -> Finding:
    """Whether the system says that somebody (NTP, PTP) keeps its clock right; how far off it thinks it may be."""
    state = _kernel_clock()
    if state is None:
        return Finding("clock", None, "the system does not tell whether its clock is set by NTP")
    synchronised, error_s = state
    if synchronised:
        said = f"set by NTP, at most {error_s:.3f} s off by its own account"
        return Finding("clock", True, said, {"most_off_s": round(error_s, 6)})
    said = (
        "nobody keeps it right, says the kernel: run chrony or systemd-timesyncd, or know that this machine's host does"
    )
    return Finding("clock", None, said)


def _kernel_clock() -> tuple[bool, float] | None:
    """(synchronised, seconds that it may be off) by adjtimex(2), which changes nothing with modes 0; None: not told.

    struct timex begins with int modes, long offset, freq, maxerror, esterror, int status, each at its natural place.
    """
    if not sys.platform.startswith("linux") or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    buffer = (ctypes.c_long * (_TIMEX_BYTES // 8))()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None  # forbidden in here, as in a hardened unit
    return state != _TIME_ERROR, buffer[4] / 1e6


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
