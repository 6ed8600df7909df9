"""What every way to run a net promises: what it takes and gives, and one run of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from streamer.artifacts import Axis
from streamer.sessions.batch_sizes import BatchSizes

Provider = Literal["cpu", "cuda", "tensorrt", "torch"]
Device = int | str | None
"""A GPU's number; for the torch backend also 'cpu', 'cuda' or 'cuda:1'; None: the provider's own, GPU 0 or the CPU."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One input or output of an opened graph; shape None where the graph does not tell."""

    name: str
    dtype: str
    shape: tuple[Axis, ...] | None


class Session(Protocol):
    """One opened graph on one device. run() may be called from any thread, by one at a time on a GPU."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What the graph takes."""
        ...

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What the graph gives."""
        ...

    @property
    def memory(self) -> str:
        """Whose memory its runs read inputs from, besides this machine's: 'onnx:cuda:0'; see types.OnDevice."""
        ...

    @property
    def batch_sizes(self) -> BatchSizes:
        """The numbers of pictures that a run is prepared for: others are slow once, or cannot be had."""
        ...

    def run(self, outputs: Sequence[str], feed: Mapping[str, Any]) -> list[NDArray[Any]]:
        """The named outputs, here; feed: arrays, or what lies in `memory` already. Raises InferenceError."""
        ...

    def buffer(self, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Memory for a feed from which run() reads without a detour: page-locked where the device is a GPU."""
        ...


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
