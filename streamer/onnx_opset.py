"""What an ONNX file says about itself without being run: the opset, and whether all of it is there.

ONNX Runtime does not tell which opset a graph uses and the onnx package stays out of the runtime, so the few fields are
walked here: ModelProto.opset_import (field 8) of OperatorSetIdProto {domain = 1, version = 2}, see onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamer.errors import ArtifactError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_OPSET_IMPORT, _DOMAIN, _VERSION = 8, 1, 2
_HOLDS = {
    ("model", 7): "graph", ("model", 25): "function", ("function", 7): "node", ("function", 11): "attribute",
    ("graph", 1): "node", ("graph", 5): "tensor", ("graph", 15): "sparse", ("sparse", 1): "tensor",
    ("sparse", 2): "tensor", ("node", 5): "attribute", ("attribute", 5): "tensor", ("attribute", 6): "graph",
    ("attribute", 10): "tensor", ("attribute", 11): "graph", ("attribute", 22): "sparse", ("attribute", 23): "sparse",
}  # fmt: skip
"""(message, field) → what lies in it, of all that may hold tensors."""


def default_opset(graph: bytes, named: str) -> int:
    """Version of the default operator set. Raises ArtifactError where the bytes are no whole ONNX model."""
    try:
        for field, value in fields(graph):
            if field == _OPSET_IMPORT and isinstance(value, memoryview):
                opset = dict(fields(value))
                domain, version = opset.get(_DOMAIN, b""), opset.get(_VERSION)
                if bytes(domain) in (b"", b"ai.onnx") and isinstance(version, int):
                    return version
    except (IndexError, ValueError, TypeError) as error:
        raise ArtifactError(f"{named}: not a whole ONNX model ({error}): the file is damaged or cut short") from error
    raise ArtifactError(f"{named}: not an ONNX model: it names no operator set")


def refuse_other_opset(graph: bytes, expected: int, named: str) -> None:
    """Raises ArtifactError, with both, where the graph uses another opset than its manifest says."""
    found = default_opset(graph, named)
    if found != expected:
        raise ArtifactError(f"{named}: opset mismatch: the manifest expects {expected}, the graph uses {found}")


def refuse_weights_elsewhere(graph: bytes, named: str) -> None:
    """Raises ArtifactError where weights lie in another file: nobody has hashed or signed that one.

    Every tensor of onnx.proto3 that names a file has external_data (13) or data_location (14) EXTERNAL.
    """
    waiting: list[tuple[str, memoryview]] = [("model", memoryview(graph))]
    try:
        while waiting:
            kind, message = waiting.pop()
            for field, value in fields(message):
                if kind == "tensor" and (field == 13 or (field, value) == (14, 1)):
                    raise ArtifactError(
                        f"{named}: some of its weights lie in another file, which nothing vouches for: write the graph "
                        "with all of them inside (onnx.save_model without save_as_external_data)"
                    )
                if isinstance(value, memoryview) and (inner := _HOLDS.get((kind, field))):
                    waiting.append((inner, value))
    except (IndexError, ValueError, TypeError) as error:
        raise ArtifactError(f"{named}: not a whole ONNX model ({error}): the file is damaged or cut short") from error


def fields(message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) of one protobuf message, top level only."""
    view, at = memoryview(message), 0
    while at < len(view):
        tag, at = varint(view, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = varint(view, at)
            yield tag >> 3, value
        elif kind in (_BYTES, _FIXED32, _FIXED64):
            size, at = varint(view, at) if kind == _BYTES else ((4 if kind == _FIXED32 else 8), at)
            if at + size > len(view):
                raise ValueError(f"a field of {size} bytes at byte {at} runs past the end at {len(view)}")
            yield tag >> 3, view[at : at + size]
            at += size
        else:
            raise ValueError(f"unknown field kind {kind} at byte {at}")


def varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise ValueError(f"ends within a number at byte {at}")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number of more than ten bytes at byte {at}")
