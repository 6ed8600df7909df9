"""A float32 graph made ready for fewer bits: normalisations folded, constants computed, every shape known."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import ModelProto, version_converter
from onnxruntime.quantization.shape_inference import quant_pre_process

_LEAST_OPSET = 13
"""The first in which a scale per channel can be written."""


def prepared(graph: bytes) -> ModelProto:
    """The same graph after ONNX Runtime's basic optimisations (standard operators only) and shape inference."""
    model = onnx.load_from_string(graph)
    if next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx")) < _LEAST_OPSET:
        model = version_converter.convert_version(model, _LEAST_OPSET)
    with tempfile.TemporaryDirectory() as scratch, quiet():
        before, after = Path(scratch) / "before.onnx", Path(scratch) / "after.onnx"
        onnx.save(model, before)
        quant_pre_process(before, after, skip_symbolic_shape=True)
        ready = onnx.load(after)
    ready.ir_version = min(ready.ir_version, model.ir_version)
    return ready


@contextmanager
def quiet() -> Iterator[None]:
    """ONNX Runtime's tools advise on the root logger; what they say was decided by whoever calls them."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
