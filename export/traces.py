"""What a published graph does not tell: how and where it was made."""

from __future__ import annotations

from onnx import ModelProto


def without_traces(model: ModelProto) -> ModelProto:
    """The same graph, changed in place, without the exporter's notes: they hold stack traces, and with them paths."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    used = {node.domain for node in model.graph.node}
    needless = [each for each in model.opset_import if each.domain not in used and each.domain not in ("", "ai.onnx")]
    for each in needless:
        model.opset_import.remove(each)
    return model
