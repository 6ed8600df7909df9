"""A model that is named where another kind is wanted: one sentence, with where it belongs."""

from __future__ import annotations

import pytest

from streamer.cli import main
from tests.behaviour_heads import write_tiny_head
from tests.onnx_models import write_tiny


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A detector `sharp` and a track head `stroll` among the pulled models."""
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "home"))
    write_tiny(tmp_path / "home" / "sharp")
    write_tiny_head(tmp_path / "home" / "stroll")
    return tmp_path


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("model: {path: stroll}", "stroll is a track head, not a detector: name it under behaviour.track"),
        (
            "model: {path: sharp}\nbehaviour: {track: sharp, scene: null}",
            "sharp is a detector, not a track head: name it under model.path",
        ),
        (
            "model: {path: sharp}\nbehaviour: {track: null, scene: stroll}",
            "stroll is a track head, not a scene head: name it under behaviour.track",
        ),
    ],
)
def test_a_configuration_that_names_another_kind_is_not_valid(home, capsys, keys, said):
    config = home / "cameras.yaml"
    config.write_text(f"cameras: {{gate: {{url: gate.mp4}}}}\n{keys}\n")
    assert main(["validate", str(config)]) == 3
    assert capsys.readouterr().err == f"streamer: {said}\n"


def test_each_place_offers_only_what_fits_there(home, capsys):
    config = home / "cameras.yaml"
    for keys, offered, other in (
        ("model: {path: nothing}", "sharp", "stroll"),
        ("model: {path: sharp}\nbehaviour: {track: nothing, scene: null}", "stroll", "sharp"),
    ):
        config.write_text(f"cameras: {{gate: {{url: gate.mp4}}}}\n{keys}\n")
        assert main(["validate", str(config)]) == 3
        said = capsys.readouterr().err
        assert offered in said
        assert other not in said


def test_replay_refuses_a_head_for_a_detector(home, capsys):
    (home / "gate.mp4").touch()
    assert main(["replay", str(home / "gate.mp4"), "--model", "stroll"]) == 3
    assert "stroll is a track head, not a detector: name it under behaviour.track" in capsys.readouterr().err


def test_the_demo_refuses_a_head_before_it_starts_anything(home, capsys):
    assert main(["demo", "--model", "stroll"]) == 3
    assert (
        capsys.readouterr().err == "streamer: stroll is a track head, not a detector: name it under behaviour.track\n"
    )
