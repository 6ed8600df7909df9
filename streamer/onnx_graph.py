"""An ONNX graph as nodes and tensors that can be exchanged, without the onnx package, which stays out of the runtime.

Only what is exchanged is understood; everything else goes from the old bytes into the new ones as it stands. Field
numbers are those of onnx.proto3: ModelProto.graph 7; GraphProto.node 1, initializer 5; NodeProto.input 1, output 2,
name 3, op_type 4, attribute 5, domain 7; AttributeProto.name 1, i 3, s 4, t 5, g 6, ints 8, graphs 11, type 20;
TensorProto.dims 1,
data_type 2, float_data 4, int64_data 7, name 8, raw_data 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.onnx_opset import fields, varint

_TYPES = {1: "float32", 7: "int64", 10: "float16"}
_INTS = 7  # of AttributeProto.AttributeType
_BYTES = 2


@dataclass(frozen=True, slots=True)
class Node:
    """One operation; attributes: each as its own bytes, see ints_of() and attribute()."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[bytes, ...] = ()
    name: str = ""
    domain: str = ""

    def ints_of(self, name: str, otherwise: tuple[int, ...]) -> tuple[int, ...]:
        """A number, or a row of them, by its name."""
        for parts in self._named(name):
            found = [n for field, value in parts if field in (3, 8) for n in _integers(value)]
            return tuple(found)
        return otherwise

    def text_of(self, name: str, otherwise: str) -> str:
        """A text by its name."""
        for parts in self._named(name):
            return next((_text(value) for field, value in parts if field == 4), otherwise)
        return otherwise

    @property
    def holds_graphs(self) -> bool:
        """Whether it has graphs of its own inside (If, Loop, Scan)."""
        return any(field in (6, 11) for each in self.attributes for field, _ in fields(each))

    def _named(self, name: str) -> Iterable[list[tuple[int, int | memoryview]]]:
        for each in self.attributes:
            parts = list(fields(each))
            if any(field == 1 and _text(value) == name for field, value in parts):
                yield parts


class Graph:
    """The nodes of a model in the order in which they run, and its constant tensors by name.

    Raises ValueError, IndexError or TypeError for bytes that are no whole ONNX model.
    """

    def __init__(self, model: bytes) -> None:
        self._around = [(field, value) for field, value in fields(model) if field != 7]
        [graph] = [value for field, value in fields(model) if field == 7]
        inside = list(fields(_bytes(graph)))
        self.nodes = [_node(_bytes(value)) for field, value in inside if field == 1]
        self._rest = [(field, value) for field, value in inside if field not in (1, 5)]
        self._tensors: dict[str, bytes | memoryview] = {}
        for field, value in inside:
            if field == 5:
                name = next(_text(v) for f, v in fields(_bytes(value)) if f == 8)
                self._tensors[name] = _bytes(value)
        self.results = frozenset(
            _text(v) for field, value in inside if field == 12 for f, v in fields(_bytes(value)) if f == 1
        )

    def constant(self, name: str) -> NDArray[Any] | None:
        """A constant tensor, float or int64; None where it is none of these, or no constant."""
        if name in self._tensors:
            return _array(self._tensors[name])
        maker = next((node for node in self.nodes if name in node.outputs), None)
        if maker is None or maker.op != "Constant" or len(maker.attributes) != 1:
            return None
        return next((_array(_bytes(value)) for field, value in fields(maker.attributes[0]) if field == 5), None)

    def keep(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant tensor; gives its name, which must be new."""
        number = next(n for n, dtype in _TYPES.items() if dtype == array.dtype.name)
        dims = b"".join(_number(1, side) for side in array.shape)
        raw = np.ascontiguousarray(array).tobytes()
        self._tensors[name] = dims + _number(2, number) + _sized(8, name.encode()) + _sized(9, raw)
        return name

    def readers(self, name: str) -> list[Node]:
        """Who takes this tensor."""
        return [node for node in self.nodes if name in node.inputs]

    def maker(self, name: str) -> Node | None:
        """Who gives this tensor; None for inputs and constants."""
        return next((node for node in self.nodes if name in node.outputs), None)

    def exchange(self, old: Node, new: Iterable[Node]) -> None:
        """Put nodes in the place of one."""
        at = self.nodes.index(old)
        self.nodes[at : at + 1] = list(new)

    def sweep(self) -> None:
        """Take out nodes and constants that nobody reads."""
        wanted = set(self.results)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if wanted.intersection(node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        self.nodes = kept[::-1]
        self._tensors = {name: tensor for name, tensor in self._tensors.items() if name in wanted}

    def model(self) -> bytes:
        """The whole model again."""
        graph = b"".join(
            [
                *(_sized(1, _written(node)) for node in self.nodes),
                *(_sized(5, tensor) for tensor in self._tensors.values()),
                *(_field(field, value) for field, value in self._rest),
            ]
        )
        return b"".join(_field(field, value) for field, value in self._around) + _sized(7, graph)


def attributes(values: Mapping[str, tuple[int, ...]]) -> tuple[bytes, ...]:
    """Rows of numbers as attributes."""
    return tuple(
        _sized(1, name.encode()) + b"".join(_number(8, n) for n in row) + _number(20, _INTS)
        for name, row in values.items()
    )


def _node(message: bytes | memoryview) -> Node:
    parts = list(fields(message))

    def texts(number: int) -> tuple[str, ...]:
        return tuple(_text(value) for field, value in parts if field == number)

    name, op, domain = ("".join(texts(number)[:1]) for number in (3, 4, 7))
    own = tuple(bytes(_bytes(value)) for field, value in parts if field == 5)
    return Node(op, texts(1), texts(2), own, name, domain)


def _written(node: Node) -> bytes:
    texts = [(1, each) for each in node.inputs] + [(2, each) for each in node.outputs]
    texts += [(number, text) for number, text in ((3, node.name), (4, node.op), (7, node.domain)) if text]
    return b"".join(_sized(n, t.encode()) for n, t in texts) + b"".join(_sized(5, each) for each in node.attributes)


def _array(message: bytes | memoryview) -> NDArray[Any] | None:
    parts = list(fields(message))
    shape = [n for field, value in parts if field == 1 for n in _integers(value)]
    dtype = _TYPES.get(next((value for field, value in parts if field == 2 and isinstance(value, int)), 0))
    if dtype is None or any(field in (13, 14) for field, _ in parts):  # kept in another file
        return None
    raw = next((_bytes(value) for field, value in parts if field == 9), None)
    if raw is not None:
        return np.frombuffer(raw, dtype).reshape(shape)
    if dtype == "int64":
        return np.array([n for field, value in parts if field == 7 for n in _integers(value)], dtype).reshape(shape)
    if dtype == "float32":
        floats = b"".join(bytes(_bytes(value)) for field, value in parts if field == 4)
        return np.frombuffer(floats, dtype).reshape(shape)
    return None


def _integers(value: int | memoryview) -> list[int]:
    """One number, or many in one field (packed); int64 in two's complement."""
    found, at = [], 0
    if isinstance(value, int):
        found.append(value)
    else:
        while at < len(value):
            number, at = varint(value, at)
            found.append(number)
    return [n - (1 << 64) if n >> 63 else n for n in found]


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError(f"a number, {value}, where bytes are expected")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode()


def _field(number: int, value: int | memoryview) -> bytes:
    return _number(number, value) if isinstance(value, int) else _sized(number, value)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value & (1 << 64) - 1)


def _sized(number: int, value: bytes | memoryview) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + bytes(value)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
