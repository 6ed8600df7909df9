"""Signed models: with `model.trusted_keys` nothing else is opened, in whatever way a model is opened."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from streamer.artifacts import load_artifact
from streamer.assembly.behaviour import open_behaviour, open_learners
from streamer.assembly.model import open_detector, open_model
from streamer.assembly.regions import Looking, looking
from streamer.assembly.source_policy import refused_over_api
from streamer.config import Config, parse_config
from streamer.config.model import ModelConfig
from streamer.errors import ArtifactError, ConfigError
from streamer.model_folder import GRAPH_FILE
from streamer.model_kinds import MANIFEST_FILE
from streamer.model_signature import SIGNATURE_FILE, sign_manifest
from tests.behaviour_heads import write_tiny_head
from tests.conftest import ROOT
from tests.model_server import pull, serving
from tests.models_command import run
from tests.onnx_models import streamer_graph, write_tiny
from tests.unit.test_second_look import write_colours


class Hand:
    """A key pair in files, as ssh-keygen writes them."""

    def __init__(self, folder: Path, name: str) -> None:
        private = Ed25519PrivateKey.generate()
        self.key, self.public = folder / name, folder / f"{name}.pub"
        kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        self.key.write_bytes(private.private_bytes(*kinds))
        line = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        self.line = f"{line.decode()} {name}@house"
        self.public.write_text(f"{self.line}\n")

    def signs(self, folder: Path) -> None:
        sign_manifest(folder, (folder / MANIFEST_FILE).read_bytes(), self.key)


@pytest.fixture
def ours(tmp_path: Path) -> Hand:
    return Hand(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Hand:
    return Hand(tmp_path, "theirs")


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """One of each kind, unsigned."""
    return {
        "detector": write_tiny(tmp_path / "tiny").folder,
        "track": write_tiny_head(tmp_path / "walk").folder,
        "classifier": write_colours(tmp_path / "colours"),
    }


def config_of(models: dict[str, Path], keys: list[str]) -> Config:
    rule = {"name": "fall", "kind": "behaviour.fallen", "zone": "yard"}
    again = {"model": str(models["classifier"]), "labels": ["person"]}
    zones = {"yard": [[0, 0], [1, 0], [1, 1]]}
    camera = {"url": "x.mp4", "zones": zones, "rules": [rule], "detect": {"second_look": again}}
    body = {
        "model": {"path": str(models["detector"]), "threads": 1, "lanes": 1, "trusted_keys": keys},
        "behaviour": {"track": str(models["track"]), "scene": None},
        "cameras": {"gate": camera},
    }
    return parse_config(json.dumps(body), "cameras.yaml", {})


WAYS: dict[str, tuple[str, Callable[[Config], object]]] = {
    "detector of commands": ("detector", lambda config: open_detector(config.model)),
    "detector of the service": ("detector", lambda config: open_model(config.model, 2)),
    "track head": ("track", lambda config: open_behaviour(config, open_plainly(config))),
    "track head that learns": ("track", lambda config: open_learners(config, open_plainly(config), none, none)),
    "second look": ("classifier", lambda config: looking(config, open_plainly(config))),
    "second look while running": (
        "classifier",
        lambda config: Looking(open_plainly(config), config.model.keys).looks(config.cameras["gate"].detect),
    ),
}


def open_plainly(config: Config):
    return open_detector(config.model.model_copy(update={"trusted_keys": []}))


def none(*_: object) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("way", WAYS)
def test_only_what_a_trusted_hand_signed_is_opened(way: str, models, ours: Hand, theirs: Hand) -> None:
    of, opened = WAYS[way]
    folder, config = models[of], config_of(models, [ours.line])
    opened(config_of(models, []))  # without trusted keys everything is as ever
    with pytest.raises(ArtifactError, match="is not signed"):
        opened(config)
    theirs.signs(folder)
    with pytest.raises(ArtifactError, match="which is not trusted"):
        opened(config)
    opened(config_of(models, []))
    ours.signs(folder)
    opened(config)
    opened(config_of(models, [theirs.line, ours.line]))
    manifest = folder / MANIFEST_FILE
    before = manifest.read_bytes()
    manifest.write_bytes(before.replace(b'"licence": "', b'"licence": "not '))
    with pytest.raises(ArtifactError, match="was changed or comes from another model"):
        opened(config)
    manifest.write_bytes(before)
    opened(config)
    (folder / GRAPH_FILE).write_bytes((folder / GRAPH_FILE).read_bytes() + b"\x00")
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        opened(config)


def test_a_graph_and_manifest_replaced_together_keep_no_signature(tmp_path: Path, models, ours: Hand) -> None:
    ours.signs(models["detector"])
    other = write_tiny(tmp_path / "other", streamer_graph(scores=np.zeros((5, 2), np.float32))).folder
    for name in (GRAPH_FILE, MANIFEST_FILE):
        shutil.copy(other / name, models["detector"] / name)
    assert load_artifact(models["detector"])  # the hash alone is content
    with pytest.raises(ArtifactError, match="is not what SHA256"):
        open_detector(config_of(models, [ours.line]).model)


def test_bundled_models_are_no_exception(ours: Hand) -> None:
    with pytest.raises(ArtifactError, match="is not signed"):
        open_detector(ModelConfig(trusted_keys=[ours.line]))


def test_every_way_to_a_model_in_the_service_hands_on_who_is_trusted() -> None:
    """What loads a model takes `trusted` and needs it nowhere: nobody may forget it."""
    loads = {"load_artifact", "load_detector", "load_head", "load_classifier", "open_classifier", "Looking"}
    seen = set()
    for path in sorted((ROOT / "streamer").rglob("*.py")):
        room = path.relative_to(ROOT / "streamer").parts[0]
        if room in ("commands", "bench"):  # a person names the folder; `verify --trust` is tried below
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in loads:
                handed = [ast.unparse(each) for each in (*node.args[1:], *(word.value for word in node.keywords))]
                assert any("trusted" in each or "keys" in each for each in handed), f"{path}:{node.lineno}"
                seen.add(node.func.id)
    assert seen == loads


def test_weights_in_a_file_that_nothing_vouches_for_are_refused(tmp_path: Path, ours: Hand) -> None:
    """Neither the hash nor the signature would cover them."""
    weights = numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    for name, place in (("top", "graph"), ("inside", "branch")):
        inner = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "inner", [],
                                  [helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])],
                                  [weights] if place == "branch" else [])  # fmt: skip
        node = helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)
        graph = helper.make_graph(
            [node], "g", [helper.make_tensor_value_info("yes", TensorProto.BOOL, [])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])], [weights] if place == "graph" else [],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        whole, parted = tmp_path / f"{name}.onnx", tmp_path / f"{name}-parted.onnx"
        onnx.save_model(model, whole)
        onnx.external_data_helper.convert_model_to_external_data(model, location=f"{name}.bin", size_threshold=0)
        for tensor in onnx.external_data_helper._get_all_tensors(model):
            onnx.external_data_helper.set_external_data(tensor, f"{name}.bin")
        parted.write_bytes(model.SerializeToString())
        assert folder_with(whole, tmp_path).read_graph()
        with pytest.raises(ArtifactError, match="lie in another file"):
            folder_with(parted, tmp_path).read_graph()


def folder_with(graph: Path, place: Path):
    folder = place / f"{graph.name}-folder"
    manifest = write_tiny(folder).manifest.model_copy(update={"sha256": hashlib.sha256(graph.read_bytes()).hexdigest()})
    (folder / GRAPH_FILE).write_bytes(graph.read_bytes())
    (folder / MANIFEST_FILE).write_text(manifest.to_json())
    return load_artifact(folder)


# --- commands, configuration, API -------------------------------------------------------------------------------------


def test_models_are_signed_and_verified_by_command(tmp_path: Path, capsys, models, ours: Hand, theirs: Hand) -> None:
    code, out, err = run(capsys, "verify", models["detector"], "--trust", ours.public)
    assert (code, "is not signed" in err) == (3, True)
    code, out, err = run(capsys, "sign", *models.values(), "--key", ours.key)
    assert (code, out.count("signed by SHA256:")) == (0, 3), err
    for folder in models.values():
        code, out, err = run(capsys, "verify", folder, "--trust", theirs.public, "--trust", ours.line)
        assert code == 0, err
        assert out.startswith("signature  by SHA256:")
        code, out, err = run(capsys, "verify", folder, "--trust", theirs.public)
        assert (code, "which is not trusted" in err) == (3, True)
        assert run(capsys, "verify", folder)[0] == 0


def test_nobody_signs_what_could_not_be_run(capsys, models, ours: Hand) -> None:
    (models["detector"] / GRAPH_FILE).write_bytes(b"something else")
    code, _, err = run(capsys, "sign", models["detector"], "--key", ours.key)
    assert (code, "sha256 mismatch" in err) == (3, True)
    assert not (models["detector"] / SIGNATURE_FILE).exists()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\nx", b"-----BEGIN PRIVATE KEY-----\nx"])
def test_what_is_no_private_key_is_refused_with_a_way_out(tmp_path: Path, capsys, models, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    code, _, err = run(capsys, "sign", models["detector"], "--key", tmp_path / "key")
    assert (code, "ssh-keygen -Y sign" in err) == (2, True)
    code, _, err = run(capsys, "verify", models["detector"], "--trust", tmp_path / "nowhere.pub")
    assert (code, "cannot be read" in err) == (2, True)


def test_a_signature_outlives_a_pull_and_fits_what_is_pulled_again(tmp_path: Path, ours: Hand) -> None:
    with serving() as server:
        folder = pull(tmp_path / "models", server.url).folder
        ours.signs(folder)
        signature = (folder / SIGNATURE_FILE).read_bytes()
        shutil.rmtree(folder)
        folder = pull(tmp_path / "models", server.url).folder
    (folder / SIGNATURE_FILE).write_bytes(signature)
    assert load_artifact(folder, ModelConfig(trusted_keys=[ours.line]).keys)


def test_a_key_that_is_none_is_a_problem_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"model\.trusted_keys.*OpenSSH public key file"):
        parse_config("model: {trusted_keys: [release.pub]}\ncameras: {gate: {url: x.mp4}}", "cameras.yaml", {})


def test_who_is_trusted_is_changed_at_the_machine_only(models, ours: Hand) -> None:
    before, wanted = config_of(models, [ours.line]), config_of(models, [])
    [problem] = refused_over_api(before, wanted, ("files",))
    assert problem.startswith("model.trusted_keys: is not changed through the API")
    assert refused_over_api(before, before, ("files",)) == []
