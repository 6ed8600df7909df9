"""The doors to what runs nets: ONNX Runtime on the CPU and on GPUs, and torch."""

from streamer.sessions.batch_sizes import BatchSizes
from streamer.sessions.onnx_session import OnnxSession
from streamer.sessions.session import Device, Provider, Session, TensorInfo, compare, may_be, written

__all__ = [
    "BatchSizes",
    "Device",
    "OnnxSession",
    "Provider",
    "Session",
    "TensorInfo",
    "compare",
    "may_be",
    "written",
]
