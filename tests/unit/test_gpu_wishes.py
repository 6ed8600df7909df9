"""How a model is asked to run on a GPU follows from its manifest and the configuration alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamer.artifacts import read_manifest
from streamer.config.model import ModelConfig
from streamer.detect import load_detector
from streamer.detect.session import gpu_wishes
from streamer.errors import ConfigError
from streamer.sessions.batch_sizes import GPU_SIZES, BatchSizes
from streamer.zoo import bundled_model
from tests.onnx_models import manifest_for, streamer_graph, write_tiny

LOOKOUT = read_manifest(bundled_model() / "manifest.json")


def test_tensorrt_builds_for_every_batch_that_a_run_may_have(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wishes = gpu_wishes(LOOKOUT, "tensorrt", 1, "fp16", BatchSizes(GPU_SIZES))
    assert wishes.profile == ("images", (1, 288, 384, 3), (8, 288, 384, 3))
    assert wishes.device == 1
    assert wishes.engines is not None
    assert wishes.engines.is_relative_to(tmp_path / "streamer" / "engines" / LOOKOUT.sha256[:16])
    assert wishes.engines.name.endswith("-fp16")
    assert not wishes.engines.exists()


def test_a_graph_for_one_picture_needs_no_profile():
    one = manifest_for(streamer_graph(), input=LOOKOUT.input.model_copy(update={"batch": 1}))
    assert gpu_wishes(one, "tensorrt", 0, "as_exported", BatchSizes()).profile is None


def test_cuda_keeps_no_engines():
    assert gpu_wishes(LOOKOUT, "cuda", 0, "as_exported", BatchSizes(GPU_SIZES)).engines is None


def test_halves_and_gpus_are_refused_where_the_cpu_runs_the_net(tmp_path):
    folder = write_tiny(tmp_path / "tiny").folder
    with pytest.raises(ConfigError, match=r"model\.precision: the provider 'cpu'"):
        load_detector(folder, precision="fp16")
    with pytest.raises(ConfigError, match=r"model\.device: the provider 'cpu' runs on the CPU"):
        load_detector(folder, device=1)
    with pytest.raises(ConfigError, match=r"model\.device: the provider 'cuda' takes the number"):
        load_detector(folder, provider="cuda", device="cpu")


@pytest.mark.parametrize(
    ("said", "devices"),
    [({}, (None,)), ({"provider": "cuda", "device": 1}, (1,)), ({"provider": "cuda", "device": [0, 1]}, (0, 1)),
     ({"provider": "torch", "device": "cuda:1"}, ("cuda:1",)), ({"provider": "torch", "device": "cpu"}, ("cpu",))],
)  # fmt: skip
def test_a_configuration_names_one_device_per_session(said, devices):
    assert ModelConfig(**said).devices == devices


@pytest.mark.parametrize(
    ("said", "why"),
    [({"device": 0}, "needs 'provider: cuda'"), ({"provider": "cuda", "device": [0, 0]}, "names one twice"),
     ({"provider": "cuda", "device": []}, "at least 1"), ({"provider": "cuda", "device": "gpu"}, "device"),
     ({"provider": "cuda", "device": -1}, "greater than or equal to 0"), ({"provider": "rocm"}, "provider")],
)  # fmt: skip
def test_a_device_that_makes_no_sense_is_refused_in_the_file(said, why):
    with pytest.raises(ValidationError, match=why):
        ModelConfig(**said)
