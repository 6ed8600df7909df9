"""The opset is read from the bytes as the onnx package reads it."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from streamer.errors import ArtifactError
from streamer.onnx_opset import default_opset
from tests.onnx_models import streamer_graph


@pytest.mark.parametrize("opset", [13, 17, 21])
def test_the_default_opset_is_found(opset):
    assert default_opset(streamer_graph(opset=opset), "net") == opset


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_other_operator_sets_do_not_confuse_it(domain):
    model = onnx.load_model_from_string(streamer_graph())
    del model.opset_import[:]
    model.opset_import.extend([helper.make_opsetid("com.microsoft", 1), helper.make_opsetid(domain, 18)])
    assert default_opset(model.SerializeToString(), "net") == 18


def test_a_model_with_every_kind_of_field_is_walked():
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])  # fmt: skip
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 15)], producer_name="p", doc_string="d" * 300
    )
    model.model_version = 2**40
    assert default_opset(model.SerializeToString(), "net") == 15


@pytest.mark.parametrize("graph", [b"", b"\x00", b"not an onnx file at all", b"\xff" * 64, b"PK\x03\x04zip"])
def test_what_is_no_model_is_refused_by_name(graph):
    with pytest.raises(ArtifactError, match=r"^net: not "):
        default_opset(graph, "net")


def test_a_model_cut_anywhere_never_does_worse_than_being_refused():
    graph = streamer_graph()
    said = set()
    for end in range(len(graph)):
        try:
            said.add(str(default_opset(graph[:end], "net")))
        except ArtifactError as error:
            said.add(str(error)[:8])
    assert said == {"net: not"}  # the opset comes last in the file
