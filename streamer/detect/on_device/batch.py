"""What a net's input in a device's memory promises, whoever runs the net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from streamer.artifacts import InputSpec
from streamer.fit import Fit
from streamer.types import Frame, OnDevice


class DeviceBatch(Protocol):
    """canvas.InputBatch for pictures on a device."""

    def put(self, slot: int, picture: Any, fit: Fit) -> None:
        """Lay a picture of the device into a slot."""
        ...

    def tensor(self, first: int, n: int) -> Any:
        """n slots, as the session on this device takes them."""
        ...

    def picture(self, slot: int) -> Any:
        """One slot without its batch axis."""
        ...


class DeviceBatches:
    """The one input of a detector in device memory, made when the first picture comes that lies there."""

    def __init__(self, spec: InputSpec, memory: str) -> None:
        self._spec, self._memory = spec, memory
        self._batch: DeviceBatch | None = None

    def filled(self, frames: Sequence[Frame], fits: Sequence[Fit]) -> DeviceBatch | None:
        """All frames on the device, slot by slot; None where one of them is not there: then all go the usual way."""
        pictures = [frame.on_device for frame in frames]
        there: list[OnDevice] = [each for each in pictures if each is not None and each.memory == self._memory]
        if not there or len(there) < len(frames):
            return None
        if self._batch is None:
            self._batch = there[0].new_batch(self._spec)
        for slot, (picture, fit) in enumerate(zip(there, fits, strict=True)):
            self._batch.put(slot, picture, fit)
        return self._batch
