"""What NVIDIA's own libraries say and do, asked by their C interface: which GPU, which TensorRT, page-locked memory.

No Python package of a dependency is needed for that: the libraries are there where ONNX Runtime's CUDA provider works.
Never run on a GPU so far (docs/gpu.md); without the libraries every answer is None or False.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

from numpy.typing import NDArray

_NAME_BYTES = 256
_OK = 0
_SLEEP_WHILE_WAITING = 4  # CU_CTX_SCHED_BLOCKING_SYNC
_CUDA_RUNTIMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so")


def gpu_name(device: int) -> str | None:
    """The model of a GPU, 'NVIDIA L4'; None without a driver or without that GPU (cuDeviceGetName)."""
    driver = _library("libcuda.so.1")
    name, handle = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_int()
    if driver is None or driver.cuInit(0) != _OK or driver.cuDeviceGet(ctypes.byref(handle), device) != _OK:
        return None
    if driver.cuDeviceGetName(name, _NAME_BYTES, handle) != _OK:
        return None
    return name.value.decode(errors="replace")


def gpu_count() -> int:
    """How many GPUs there are; 0 without a driver (cuDeviceGetCount)."""
    driver, count = _library("libcuda.so.1"), ctypes.c_int()
    if driver is None or driver.cuInit(0) != _OK or driver.cuDeviceGetCount(ctypes.byref(count)) != _OK:
        return 0
    return count.value


def share_context(device: int) -> bool:
    """Have waiting threads sleep, as FFmpeg asks of a card's context before it shares it; False without a driver.

    cuDevicePrimaryCtxSetFlags with CU_CTX_SCHED_BLOCKING_SYNC, before anything else uses the card: FFmpeg refuses a
    context that spins ("already active with incompatible flags"), and pictures decoded in another context are not ours.
    """
    driver, handle = _library("libcuda.so.1"), ctypes.c_int()
    if driver is None or driver.cuInit(0) != _OK or driver.cuDeviceGet(ctypes.byref(handle), device) != _OK:
        return False
    set_flags = getattr(driver, "cuDevicePrimaryCtxSetFlags_v2", driver.cuDevicePrimaryCtxSetFlags)
    return int(set_flags(handle, _SLEEP_WHILE_WAITING)) == _OK


def tensorrt_version() -> str | None:
    """'101300' for TensorRT 10.13.0; None where it is not installed (getInferLibVersion)."""
    library = _library("libnvinfer.so.11", "libnvinfer.so.10")
    return None if library is None else str(library.getInferLibVersion())


def lock_pages(array: NDArray[Any]) -> bool:
    """Have the GPU read this memory without a detour, until the array is freed; False where that cannot be had.

    cudaHostRegister with flags 0, and cudaHostUnregister as the last thing before the memory goes.
    """
    runtime = _library(*_CUDA_RUNTIMES)
    if runtime is None or not array.flags.c_contiguous or not array.nbytes:
        return False
    address = ctypes.c_void_p(array.ctypes.data)
    if runtime.cudaHostRegister(address, ctypes.c_size_t(array.nbytes), 0) != _OK:
        return False
    weakref.finalize(array, runtime.cudaHostUnregister, address)
    return True


def wait_for_default_stream() -> None:
    """Return once what others gave the GPU on its default stream is done (cudaStreamSynchronize(0))."""
    if runtime := _library(*_CUDA_RUNTIMES):
        runtime.cudaStreamSynchronize(ctypes.c_void_p(0))


def _library(*names: str) -> Any:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
