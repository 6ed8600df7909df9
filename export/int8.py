"""A float32 graph → the same graph in eight-bit integers, for ONNX Runtime's processor kernels.

Static quantisation (Jacob et al., CVPR 2018) as pairs of QuantizeLinear and DequantizeLinear, by ONNX Runtime's own
quantiser. What is decided here, and why (one thread of a 2-core AMD EPYC with AVX512-VNNI, ONNX Runtime 1.31, 2026-11):

- Activations uint8 with a zero point, weights int8, symmetric, per output channel. ReLU vanishes into the range of its
  convolution. Signed activations were 2.7 times slower than unsigned ones, slower than float32.
- Weights use seven bits. Processors with AVX2 but without VNNI add two products in 16 bits, which eight-bit weights
  overflow: right here, wrong there. On an emulated Haswell (qemu-user) the frame embedding of `lookout` was off by 63 %
  with eight bits, and equal to the last bit with seven.
- Only feature maps are quantised (see `anatomy`): the last layers and everything behind them stay in float32.
- Pixels are bytes already: where a graph takes them as uint8 and normalises by one scale and one offset, the first
  convolution reads them as they come. The stem is packed (see `packed_stem`), YOLOX's merged before that (`focus`).
- Maps that meet in a concatenation share one scale if their ranges are near each other: joining is then copying.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from export.anatomy import LAYER_TYPES, Anatomy, reads
from export.calibration import Canvas, Method, feeder, measure_ranges
from export.focus import merge_focus
from export.packed_stem import pack_stem
from export.prepare import prepared, quiet
from export.traces import without_traces
from streamer.artifacts import InputSpec

_MOVES = frozenset(
    {"Concat", "Flatten", "MaxPool", "Pad", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)
"""Nodes that hand values on as they are."""
_SAME_RANGE = _MOVES - {"Concat", "Pad"}
"""ONNX Runtime's quantiser gives the output of these the scale of their input."""
_QUANTISED = _MOVES | {
    "Add", "AveragePool", "Clip", "Conv", "ConvTranspose", "Gemm", "GlobalAveragePool", "LeakyRelu", "MatMul", "Mul",
    "Relu", "Sigmoid",
}  # fmt: skip
_NEAR = 2.0
"""Ranges whose widths differ by less share a scale: at most one of eight bits is lost in the narrower map."""


def to_int8(
    graph: bytes, pictures: Iterable[Canvas], spec: InputSpec | None = None, method: Method = Method.MINMAX
) -> bytes:
    """The graph in int8, calibrated on pictures.

    pictures: uint8 (H, W, 3) RGB, letterboxed as the service does it (`calibration.canvases`). spec: how the graph
    wants them; without it, it takes uint8 (batch, H, W, 3) RGB as they are. Inputs and outputs keep names, types,
    shapes.
    Raises ValueError for a graph without layers to quantise, or without pictures.
    """
    tensors = _tensors(pictures, spec)
    if not tensors:
        raise ValueError("int8 needs pictures to calibrate on; there are none")
    model = _ready(graph)
    anatomy = Anatomy(model)
    chosen = _chosen(model, anatomy)
    layers = [name for name in chosen if name in set(anatomy.layers)]
    if not layers:
        raise ValueError("the graph has no layers that could run in int8 (one at least must follow on another)")
    types = sorted({node.op_type for node in model.graph.node if node.name in set(chosen)})
    ranges = measure_ranges(model, types, tensors, method)
    pixels = _pixels(model)
    ranges |= {name: each.range for name, each in pixels.items() if name in ranges}
    if spec is not None and spec.dtype != "uint8":
        ranges[model.graph.input[0].name] = _range_of_input(spec)
    _share_scales([node for node in model.graph.node if node.name in set(chosen)], ranges)
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(
            CalibrationMethod.MinMax,
            {name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in ranges.items()},
        ),
        nodes_to_quantize=chosen,
        nodes_to_exclude=[],
        op_types_to_quantize=types,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True, "ForceQuantizeNoInputCheck": True},
    )
    with quiet():
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        quantised: ModelProto = quantizer.model.model
    _read_pixels_as_they_come(quantised, pixels)
    onnx.checker.check_model(without_traces(quantised))
    return bytes(quantised.SerializeToString())


def _tensors(pictures: Iterable[Canvas], spec: InputSpec | None) -> list[NDArray[Any]]:
    if spec is None:
        return [picture[None] for picture in pictures]
    feed = feeder(spec)
    return [feed([picture]) for picture in pictures]


def _ready(graph: bytes) -> ModelProto:
    model = prepared(graph)
    _give_each_layer_its_bias(model)
    merged = merge_focus(model)
    if pack_stem(model) or merged:
        model = onnx.shape_inference.infer_shapes(model)
    return model


def _give_each_layer_its_bias(model: ModelProto) -> None:
    """A bias is stored in steps of input scale × weight scale: heads that share one over levels each need their own."""
    constants = {each.name: each for each in model.graph.initializer}
    seen: set[str] = set()
    for node in model.graph.node:
        if node.op_type not in LAYER_TYPES or len(node.input) < 3 or node.input[2] not in constants:
            continue
        if node.input[2] in seen:
            own = numpy_helper.from_array(numpy_helper.to_array(constants[node.input[2]]), f"{node.name}/bias")
            model.graph.initializer.append(own)
            node.input[2] = own.name
        seen.add(node.input[2])


def _chosen(model: ModelProto, anatomy: Anatomy) -> list[str]:
    """Names of the nodes to quantise: layers but the last ones, and what moves or mixes feature maps between them."""
    known = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    types = {each.name: each.type.tensor_type for each in known}
    left_out = anatomy.tail | set(anatomy.last_layers)
    chosen = []
    for node in model.graph.node:
        of = types.get(node.output[0])
        is_map = of is not None and of.elem_type == TensorProto.FLOAT and len(of.shape.dim) == 4
        wanted = _MOVES if node.name in anatomy.normalising else _QUANTISED
        if node.op_type in wanted and node.name not in left_out and (is_map or node.name in anatomy.layers):
            chosen.append(node.name)
    return chosen


@dataclass(frozen=True)
class _Pixels:
    """A float tensor that holds (pixel − zero_point) × step, and the uint8 tensor of those pixels."""

    source: str
    step: float
    zero_point: int

    @property
    def range(self) -> tuple[float, float]:
        return -self.zero_point * self.step, (255 - self.zero_point) * self.step


def _pixels(model: ModelProto) -> dict[str, _Pixels]:
    """Tensors that are bytes but for one scale and a whole-numbered offset."""
    graph = model.graph
    bytes_in = {each.name for each in (*graph.input, *graph.value_info)
                if each.type.tensor_type.elem_type == TensorProto.UINT8}  # fmt: skip
    numbers = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    affine: dict[str, tuple[str, float, float]] = {}  # tensor → (source, step, offset)
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in bytes_in:
            affine[node.output[0]] = (node.input[0], 1.0, 0.0)
        elif node.op_type in ("Mul", "Div", "Add", "Sub"):
            given, constant = node.input
            if node.op_type in ("Mul", "Add") and given in numbers:
                given, constant = constant, given
            if given in affine and constant in numbers and numbers[constant].size == 1:
                source, step, offset = affine[given]
                c = float(numbers[constant].item())
                by = {"Mul": c, "Div": 1 / c if c else 0.0}.get(node.op_type, 1.0)
                plus = {"Add": c, "Sub": -c}.get(node.op_type, 0.0)
                affine[node.output[0]] = (source, step * by, offset * by + plus)
    found = {}
    for name, (source, step, offset) in affine.items():
        zero = -offset / step if step > 0 else -1.0
        if 0 <= round(zero) <= 255 and abs(zero - round(zero)) < 1e-3:
            found[name] = _Pixels(source, step, round(zero))
    return found


def _range_of_input(spec: InputSpec) -> tuple[float, float]:
    """What normalised pixels can be."""
    ends = [(end - mean) * scale for mean, scale in zip(spec.mean, spec.scale, strict=True) for end in (0, 255)]
    return min(ends), max(ends)


def _share_scales(nodes: Sequence[NodeProto], ranges: dict[str, tuple[float, float]]) -> None:
    """Widen ranges in place, so that what a concatenation takes in and gives out has one range where that is cheap."""
    origin: dict[str, str] = {}
    group: dict[str, set[str]] = {}
    for node in nodes:
        if node.op_type in _SAME_RANGE:
            origin |= dict.fromkeys(node.output, origin.get(node.input[0], node.input[0]))
        elif node.op_type == "Concat":
            out = node.output[0]
            group.setdefault(out, {out})
            for name in (origin.get(each, each) for each in node.input):
                both = group[out] | group.get(name, {name})
                if not both <= ranges.keys():
                    continue
                widths = [high - low for low, high in (_with_zero(ranges[each]) for each in both)]
                if max(widths) <= _NEAR * min(widths):
                    group |= dict.fromkeys(both, both)
    for members in group.values():
        ends = [_with_zero(ranges[each]) for each in members if each in ranges]
        common = (min(low for low, _ in ends), max(high for _, high in ends))
        ranges |= dict.fromkeys(members, common)


def _with_zero(ends: tuple[float, float]) -> tuple[float, float]:
    return min(ends[0], 0.0), max(ends[1], 0.0)


def _read_pixels_as_they_come(model: ModelProto, pixels: Mapping[str, _Pixels]) -> None:
    """Take out the way from bytes to floats and back to the same bytes."""
    graph = model.graph
    for node in [each for each in graph.node if each.op_type == "QuantizeLinear" and each.input[0] in pixels]:
        source = pixels[node.input[0]].source
        for reader in graph.node:
            for i, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[i] = source
        graph.node.remove(node)
    wanted = {each.name for each in graph.output}
    for node in reversed(list(graph.node)):
        if wanted.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            wanted.update(reads(node))
