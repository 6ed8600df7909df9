"""A model folder is taken only when all of it is what it says."""

from __future__ import annotations

import json

import pytest

from streamer.artifacts import load_artifact, read_manifest
from streamer.errors import ArtifactError
from streamer.model_folder import GRAPH_FILE, sha256_of, write_model_folder
from streamer.model_kinds import MANIFEST_FILE
from tests.behaviour_heads import write_tiny_head
from tests.onnx_models import manifest_for, streamer_graph, write_tiny


@pytest.fixture
def folder(tmp_path):
    return write_tiny(tmp_path / "tiny").folder


def edit(folder, **changes):
    """Set keys of manifest.json; 'input.dtype' style names reach inside, a value of ... takes the key out."""
    path = folder / MANIFEST_FILE
    whole = json.loads(path.read_text())
    for name, value in changes.items():
        *way, last = name.split("__")
        at = whole
        for step in way:
            at = at[int(step) if step.isdigit() else step]
        if value is ...:
            del at[last]
        else:
            at[last] = value
    path.write_text(json.dumps(whole))


def test_what_was_written_is_read_back_unchanged(folder):
    artifact = load_artifact(folder)
    assert artifact.manifest == manifest_for(streamer_graph())
    assert sha256_of(artifact.graph_path) == artifact.manifest.sha256
    assert artifact.read_graph() == streamer_graph()


def test_nothing_there_is_said_with_the_way_out(tmp_path):
    with pytest.raises(ArtifactError, match=r"nowhere: expected a folder .* found nothing.*adopt"):
        load_artifact(tmp_path / "nowhere")
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="found a file"):
        load_artifact(tmp_path / "net.onnx")


def test_a_behaviour_head_is_called_that_and_its_keys_are_not_complained_of(tmp_path):
    head = write_tiny_head(tmp_path / "stroll").folder
    with pytest.raises(
        ArtifactError, match=r"^stroll is a track head, not a detector: name it under behaviour\.track$"
    ):
        load_artifact(head)


@pytest.mark.parametrize("gone", [GRAPH_FILE, MANIFEST_FILE])
def test_a_missing_file_is_named(folder, gone):
    (folder / gone).unlink()
    with pytest.raises(ArtifactError, match=f"missing: {gone}"):
        load_artifact(folder)


def test_a_changed_graph_is_refused_with_both_hashes(folder):
    expected = sha256_of(folder / GRAPH_FILE)
    (folder / GRAPH_FILE).write_bytes(streamer_graph()[:-7])
    found = sha256_of(folder / GRAPH_FILE)
    with pytest.raises(ArtifactError) as caught:
        load_artifact(folder)
    assert expected in str(caught.value)
    assert found in str(caught.value)
    assert str(folder / GRAPH_FILE) in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_graph_exchanged_after_the_check_is_not_run(folder):
    artifact = load_artifact(folder)
    artifact.graph_path.write_bytes(streamer_graph(opset=16))
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        artifact.read_graph()


@pytest.mark.parametrize("text", ["", "{", "not json", "[1, 2]", "\x00\xff", "null"])
def test_garbage_for_a_manifest_is_refused_by_name(folder, text):
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json: not a manifest"):
        load_artifact(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"colour": "green"}, "colour: unknown key"),
        ({"input__gamma": 2.2}, "input.gamma: unknown key"),
        ({"labels": ...}, "labels: field required"),
        ({"labels": []}, "at least one class"),
        ({"labels": ["", ""]}, "at least one class"),
        ({"labels": ["car", "car"]}, "found twice: car"),
        ({"layout": "yolov3"}, "layout: .*'yolox'.*found 'yolov3'"),
        ({"task": "poetry"}, "task: .*found 'poetry'"),
        ({"sha256": "abc"}, "sha256: .*found 'abc'"),
        ({"name": "../../etc"}, r"name: .*found '../../etc'"),
        ({"input__dtype": "float64"}, "input.dtype: .*found 'float64'"),
        ({"input__size": [0, 32]}, r"input.size.0: .*found 0"),
        ({"input__size": [32]}, "input.size"),
        ({"input__batch": 4}, "input.batch: .*found 4"),
        ({"input__pad_value": 256}, "input.pad_value: .*found 256"),
        ({"input__scale": [0.5, 0.5, 0.5]}, "dtype uint8 takes pixels as they are"),
        ({"input__scale": [1, 0, 1], "input__dtype": "float32"}, "scale must not hold 0"),
        ({"outputs__0__name": "scores", "outputs__0__role": None}, "outputs must differ in name"),
        ({"outputs__0__role": "scores"}, "outputs must differ in role"),
        ({"outputs__0__shape": [0, 4]}, "outputs.0.shape"),
        ({"thresholds__min_score": 1.5}, "thresholds.min_score: .*found 1.5"),
        ({"thresholds__track_score": 0.01}, "track_score must be at least min_score 0.1; found 0.01"),
        ({"thresholds__track_score_by_label": {"car": 0.01}}, "track_score of 'car' must be at least"),
        ({"thresholds__track_score_by_label": {"cat": 0.5}}, "unknown labels: cat"),
        ({"thresholds__nms_iou": 0}, "thresholds.nms_iou"),
        ({"opset": "seventeen"}, "opset: .*found 'seventeen'"),
    ],
)
def test_every_wrong_key_is_refused_by_its_name(folder, changes, said):
    edit(folder, **changes)
    with pytest.raises(ArtifactError, match=said) as caught:
        load_artifact(folder)
    assert str(folder / MANIFEST_FILE) in str(caught.value)


def test_all_problems_of_a_manifest_come_at_once(folder):
    edit(folder, task="poetry", colour="green", input__pad_value=-1)
    with pytest.raises(ArtifactError) as caught:
        read_manifest(folder / MANIFEST_FILE)
    for named in ("task", "colour", "input.pad_value"):
        assert f"\n  {named}: " in str(caught.value)


def test_an_operating_point_may_differ_by_class(folder):
    edit(folder, thresholds__track_score_by_label={"car": 0.7})
    thresholds = load_artifact(folder).manifest.thresholds
    assert thresholds.track_score_of("car") == 0.7
    assert thresholds.track_score_of("person") == 0.5


def test_a_folder_that_exists_is_never_overwritten(folder):
    before = (folder / MANIFEST_FILE).read_text()
    other = streamer_graph(opset=16)
    with pytest.raises(ArtifactError, match="exists already"):
        write_model_folder(manifest_for(other, opset=16), other, folder)
    assert (folder / MANIFEST_FILE).read_text() == before


def test_a_folder_that_fails_its_proof_leaves_nothing_behind(tmp_path):
    graph = streamer_graph()

    def refuse(artifact):
        assert load_artifact(artifact.folder) == artifact  # complete when it is proved
        raise ArtifactError("no good")

    with pytest.raises(ArtifactError, match="no good"):
        write_model_folder(manifest_for(graph), graph, tmp_path / "zoo" / "tiny", prove=refuse)
    assert list((tmp_path / "zoo").iterdir()) == []


def test_a_manifest_for_another_graph_is_not_written(tmp_path):
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        write_model_folder(manifest_for(streamer_graph()), streamer_graph(opset=16), tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()


def test_an_unwritable_place_is_said_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    graph = streamer_graph()
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_model_folder(manifest_for(graph), graph, tmp_path / "file" / "tiny")
