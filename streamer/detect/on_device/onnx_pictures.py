"""Pictures in the memory of an ONNX Runtime device: two small graphs do the work, bound to where things lie.

The graphs are built by `export/on_device.py` and come with the package, because the onnx package does not. With the
device "cpu" the same code runs on pictures in this machine's memory, which is how it is tested.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from streamer.artifacts import InputSpec
from streamer.detect.on_device.nv12 import Shrinking, shrinking
from streamer.fit import Fit
from streamer.sessions.device_tensor import DeviceTensor
from streamer.sessions.nvidia import wait_for_default_stream
from streamer.types import Colours, OnDevice

GRAPHS = Path(__file__).with_name("graphs")
SHRINK = "shrink_nv12.onnx"


def lay_file(spec: InputSpec) -> str:
    """The graph that lays pictures into an input of this kind."""
    return f"lay_{spec.layout}_{spec.dtype}.onnx".lower()


class OnnxShrinker:
    """Shrinks decoded pictures where they are (implements stages.PictureShrinker); any thread may ask."""

    def __init__(self, device: str = "cuda", number: int = 0) -> None:
        self._at = _Place(device, number)
        self._weights: dict[tuple[object, ...], dict[str, Any]] = {}

    def shrink(self, frame: VideoFrame, fit: Fit, colours: Colours) -> tuple[NDArray[np.uint8], OnDevice]:
        """uint8 (h, w, 3), RGB, fit.content_wh: here, and where the picture is. The frame is NV12 on this device."""
        y, uv = frame.planes
        pitch = (y.line_size, uv.line_size)
        key = (fit, colours, pitch)
        if key not in self._weights:
            found = shrinking((frame.width, frame.height), pitch, fit.content_wh, colours)
            self._weights[key] = {name: self._at.value(getattr(found, name)) for name in Shrinking.__slots__}
        session = self._at.session(SHRINK)
        binding = session.io_binding()
        self._at.bind(binding, "y", (frame.height, pitch[0]), y.buffer_ptr)
        self._at.bind(binding, "uv", (frame.height // 2, pitch[1] // 2, 2), uv.buffer_ptr)
        for name, value in self._weights[key].items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_output("content", self._at.device, self._at.number)
        if self._at.device == "cuda":
            wait_for_default_stream()  # the decoder's copy into the frame is done there; ONNX Runtime has its own
        session.run_with_iobinding(binding)
        [content] = binding.get_outputs()
        return content.numpy().copy(), OnnxPicture(content, self._at)


class OnnxPicture:
    """A small RGB picture, uint8 (h, w, 3), as an OrtValue (implements types.OnDevice)."""

    def __init__(self, content: Any, at: _Place) -> None:
        self.content, self.at = content, at

    @property
    def memory(self) -> str:
        """Whose memory it is in, as sessions call it."""
        return self.at.name

    def new_batch(self, spec: InputSpec) -> OnnxBatch:
        """An empty input for a net, in the same memory."""
        return OnnxBatch(spec, self.at)


class OnnxBatch:
    """A net's input on the device, filled slot by slot (implements on_device.DeviceBatch)."""

    def __init__(self, spec: InputSpec, at: _Place) -> None:
        self._spec, self._at = spec, at
        scale = np.array(spec.scale, np.float32)
        order = [0, 1, 2] if spec.channels == "RGB" else [2, 1, 0]
        self._fixed = {
            "order": np.array(order, np.int64),
            "pad_value": np.array(spec.pad_value, np.float32),
            "scale": scale,
            "offset": -np.array(spec.mean, np.float32) * scale,
        }
        self._bytes = int(np.prod(spec.picture_shape)) * np.dtype(spec.dtype).itemsize
        self._slots = 0
        self._value: Any = None
        self._put: dict[int, tuple[OnnxPicture, Fit]] = {}

    def put(self, slot: int, picture: OnnxPicture, fit: Fit) -> None:
        """Lay a picture where its fit has it, on padding, in the net's order and type."""
        if slot >= self._slots:
            self._grow(slot + 1)
        self._put[slot] = (picture, fit)
        self._lay(slot, picture, fit)

    def tensor(self, first: int, n: int) -> DeviceTensor:
        """n slots from the first on; those never put hold anything."""
        if first + n > self._slots:
            self._grow(first + n)
        address = self._value.data_ptr() + first * self._bytes
        return DeviceTensor(address, (n, *self._spec.picture_shape), self._spec.dtype, self._value)

    def picture(self, slot: int) -> DeviceTensor:
        """One slot without its batch axis."""
        one = self.tensor(slot, 1)
        return DeviceTensor(one.address, one.shape[1:], one.dtype, one.owner)

    def _lay(self, slot: int, picture: OnnxPicture, fit: Fit) -> None:
        (x, y), (w, h), (canvas_w, canvas_h) = fit.offset_xy, fit.content_wh, fit.canvas_wh
        session = self._at.session(lay_file(self._spec))
        binding = session.io_binding()
        binding.bind_ortvalue_input("content", picture.content)
        for name, value in self._fixed.items():
            binding.bind_cpu_input(name, value)
        binding.bind_cpu_input("pads", np.array([y, x, 0, canvas_h - h - y, canvas_w - w - x, 0], np.int64))
        slot_shape = (1, *self._spec.picture_shape)
        address = self._value.data_ptr() + slot * self._bytes
        binding.bind_output(
            "slot", self._at.device, self._at.number, np.dtype(self._spec.dtype).type, slot_shape, address
        )
        session.run_with_iobinding(binding)

    def _grow(self, slots: int) -> None:
        """Other memory: what was put is laid anew, as nothing here copies within a device."""
        self._slots = max(slots, 2 * self._slots)
        shape = (self._slots, *self._spec.picture_shape)
        self._value = self._at.zeros(shape, self._spec.dtype)
        for slot, (picture, fit) in self._put.items():
            self._lay(slot, picture, fit)


class _Place:
    """One device of ONNX Runtime, and the small graphs opened on it."""

    def __init__(self, device: str, number: int) -> None:
        self._ort = _onnxruntime()
        self.device, self.number = device, number
        self.name = f"onnx:{device}:{number}"
        self.session = cache(self._open)

    def value(self, array: NDArray[Any]) -> Any:
        """The array in the device's memory."""
        return self._ort.OrtValue.ortvalue_from_numpy(array, self.device, self.number)

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Memory of the device."""
        return self.value(np.zeros(shape, dtype))

    def bind(self, binding: Any, name: str, shape: tuple[int, ...], address: int) -> None:
        """An input of bytes that lie at an address of the device."""
        binding.bind_input(name, self.device, self.number, np.uint8, shape, address)

    def _open(self, file: str) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        cuda = ("CUDAExecutionProvider", {"device_id": str(self.number)})
        providers = ["CPUExecutionProvider"] if self.device == "cpu" else [cuda, "CPUExecutionProvider"]
        return self._ort.InferenceSession((GRAPHS / file).read_bytes(), options, providers=providers)


def _onnxruntime() -> ModuleType:
    import onnxruntime

    module: ModuleType = onnxruntime
    return module
