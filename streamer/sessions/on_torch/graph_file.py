"""An ONNX file as nodes, weights and names, read without the onnx package (which stays out of the runtime).

Field numbers are those of onnx.proto3: ModelProto.graph 7; GraphProto {node 1, initializer 5, input 11, output 12};
NodeProto {input 1, output 2, name 3, op_type 4, attribute 5, domain 7}; AttributeProto {name 1, f 2, i 3, s 4, t 5,
floats 7, ints 8, strings 9}; TensorProto {dims 1, data_type 2, float_data 4, int32_data 5, int64_data 7, name 8,
raw_data 9, external_data 13}; ValueInfoProto {name 1, type 2} and down to Dimension {dim_value 1, dim_param 2}.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Axis
from streamer.errors import ArtifactError
from streamer.onnx_opset import fields, varint
from streamer.sessions.session import TensorInfo

DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}

Value = int | float | str | bytes | list[int] | list[float] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: names of what it takes ("" for what is left out) and gives, and its attributes by name."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Value]
    name: str


@dataclass(frozen=True, slots=True)
class GraphFile:
    """All of one graph; nodes in an order in which they can be run."""

    nodes: tuple[Node, ...]
    weights: Mapping[str, NDArray[Any]]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def read_graph(model: bytes, named: str) -> GraphFile:
    """The graph of an ONNX model. Raises ArtifactError where the bytes are none, or weights lie beside the file."""
    try:
        [graph] = [value for field, value in fields(model) if field == 7 and isinstance(value, memoryview)]
        parts: dict[int, list[memoryview]] = {1: [], 5: [], 11: [], 12: []}
        for field, value in fields(graph):
            if field in parts and isinstance(value, memoryview):
                parts[field].append(value)
        weights = dict(_tensor(each, named) for each in parts[5])
        inputs = tuple(info for info in map(_info, parts[11]) if info.name not in weights)
        nodes = tuple(_node(each, named) for each in parts[1])
        return GraphFile(nodes, weights, inputs, tuple(map(_info, parts[12])))
    except (IndexError, ValueError, TypeError, KeyError, struct.error) as error:
        raise ArtifactError(f"{named}: not a whole ONNX model ({error}): the file is damaged or cut short") from error


def _node(message: memoryview, named: str) -> Node:
    found: dict[int, list[Any]] = {1: [], 2: [], 3: [], 4: [], 5: [], 7: []}
    for field, value in fields(message):
        if field in found:
            found[field].append(value)
    domain = _text(found[7])
    if domain not in ("", "ai.onnx"):
        raise ArtifactError(
            f"{named}: operator '{_text(found[4])}' is of the domain '{domain}', which torch cannot run"
        )
    attributes = dict(_attribute(each, named) for each in found[5])
    inputs, outputs = (tuple(bytes(each).decode() for each in found[side]) for side in (1, 2))
    return Node(_text(found[4]), inputs, outputs, attributes, _text(found[3]))


def _attribute(message: memoryview, named: str) -> tuple[str, Value]:
    name, value = "", None
    floats: list[float] = []
    ints: list[int] = []
    for field, found in fields(message):
        match field, found:
            case 1, memoryview():
                name = bytes(found).decode()
            case 2, memoryview():
                [value] = struct.unpack("<f", found)
            case 3, int():
                value = _signed(found)
            case 4, memoryview():
                value = bytes(found).decode(errors="replace")
            case 5, memoryview():
                _, value = _tensor(found, named)
            case 7, memoryview():
                floats += _floats(found)
            case 8, _:
                ints += _ints(found)
    return name, value if value is not None else floats or ints


def _tensor(message: memoryview, named: str) -> tuple[str, NDArray[Any]]:
    shape: list[int] = []
    numbers: list[float] | list[int] | None = None
    raw: memoryview | None = None
    name, dtype = "", "float32"
    for field, value in fields(message):
        match field, value:
            case 1, _:
                shape += _ints(value)
            case 2, int():
                if value not in DTYPES:
                    raise ArtifactError(f"{named}: a tensor has the ONNX type {value}, which torch is not given here")
                dtype = DTYPES[value]
            case 4, memoryview():
                numbers = [*(numbers or []), *_floats(value)]
            case (5, _) | (7, _):
                numbers = [*(numbers or []), *_ints(value)]
            case 8, memoryview():
                name = bytes(value).decode()
            case 9, memoryview():
                raw = value
            case 13, _:
                raise ArtifactError(f"{named}: weights in files beside the graph are not supported: they go unhashed")
    if raw is not None:
        flat = np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    elif dtype == "float16":  # as bit patterns in int32_data
        flat = np.array(numbers or [], np.uint16).view(np.float16)
    else:
        flat = np.array(numbers or [], dtype)
    return name, flat.reshape(shape)


def _info(message: memoryview) -> TensorInfo:
    name, dtype, axes = "", "", None
    for field, value in fields(message):
        if field == 1 and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif field == 2 and isinstance(value, memoryview):
            for _, tensor_type in fields(value):
                assert isinstance(tensor_type, memoryview)
                for part, inner in fields(tensor_type):
                    if part == 1 and isinstance(inner, int):
                        dtype = DTYPES.get(inner, str(inner))
                    elif part == 2 and isinstance(inner, memoryview):
                        axes = tuple(_axes(inner))
    return TensorInfo(name, dtype, axes or None)


def _axes(shape: memoryview) -> Iterator[Axis]:
    for i, (_, dimension) in enumerate(fields(shape)):
        assert isinstance(dimension, memoryview)
        said = dict(fields(dimension))
        if isinstance(said.get(1), int):
            yield said[1]  # type: ignore[misc]
        else:
            named = said.get(2, b"")
            assert not isinstance(named, int)
            yield bytes(named).decode() or f"axis{i}"


def _ints(value: int | memoryview) -> list[int]:
    """One number, or several packed into bytes."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        numbers.append(_signed(number))
    return numbers


def _floats(value: memoryview) -> list[float]:
    return list(struct.unpack(f"<{len(value) // 4}f", value))


def _signed(number: int) -> int:
    """int64 as protobuf sends it: negative numbers in two's complement."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _text(found: list[Any]) -> str:
    return bytes(found[0]).decode() if found else ""
