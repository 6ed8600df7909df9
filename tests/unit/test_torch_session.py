"""The torch backend sees what ONNX Runtime sees, and says in a sentence what it cannot do."""

from __future__ import annotations

import sys

import av
import numpy as np
import pytest

from streamer.detect import load_detector
from streamer.detect.canvas import resize
from streamer.errors import ArtifactError, ConfigError, InferenceError
from streamer.sessions import OnnxSession
from streamer.sessions.torch_session import TorchSession, device_name
from streamer.types import Frame
from streamer.zoo import bundled_model
from tests.conftest import SHARED
from tests.fakes import StillPicture
from tests.onnx_models import brightness_graph, streamer_graph, write_tiny

needs_torch = pytest.mark.needs("torch")
STREET = SHARED / "data/videos/vtest_480x360.mp4"
YOLOX = SHARED / "data/models/yolox_nano/yolox_nano_dynbatch.onnx"


def street(detector, every: int, most: int) -> list[Frame]:
    """Pictures of real people, resized for this detector."""
    frames = []
    with av.open(str(STREET)) as container:
        for i, decoded in enumerate(container.decode(video=0)):
            if i % every == 0:
                fit = detector.input_fit.of((decoded.width, decoded.height))
                image = resize(decoded.to_ndarray(format="rgb24"), fit.content_wh)
                frames.append(Frame("street", "s", i, image, fit.source_wh, 0.0, 0.0, 0.0, StillPicture(image)))
            if len(frames) == most:
                break
    return frames


@needs_torch
@pytest.mark.needs("shared")
@pytest.mark.parametrize("batch", [1, 5])
def test_real_people_are_where_onnx_runtime_has_them(batch):
    reference, ours = load_detector(bundled_model()), load_detector(bundled_model(), provider="torch", device="cpu")
    ours.warm_up()
    frames, people = street(reference, 40, 10), 0
    for first in range(0, len(frames), batch):
        together = frames[first : first + batch]
        for expected, found in zip(reference.detect(together), ours.detect(together), strict=True):
            people += int((expected.scores > 0.5).sum())
            assert len(found) == len(expected)
            np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=2e-3)
            np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
            np.testing.assert_array_equal(found.class_ids, expected.class_ids)
            np.testing.assert_allclose(found.features.embedding, expected.features.embedding, atol=1e-4)
    assert people > 20


@needs_torch
@pytest.mark.needs("shared")
def test_a_detector_that_we_did_not_train_runs_too():
    graph = YOLOX.read_bytes()
    reference, ours = OnnxSession(graph, "yolox", "cpu", 1), TorchSession(graph, "yolox", 1, "cpu")
    [given], [gives] = reference.inputs, reference.outputs
    frames = np.random.default_rng(0).uniform(0, 255, (2, 3, 416, 416)).astype(np.float32)
    [expected], [found] = (session.run([gives.name], {given.name: frames}) for session in (reference, ours))
    np.testing.assert_allclose(found, expected, atol=5e-4)


@needs_torch
@pytest.mark.parametrize("model", ["lookout", "gait", "brawl"])
def test_the_graph_file_reads_as_onnx_runtime_reads_it(model):
    graph = (bundled_model().parent / model / "model.onnx").read_bytes()
    reference, ours = OnnxSession(graph, model, "cpu", 1), TorchSession(graph, model, 1, "cpu")
    assert ours.inputs == reference.inputs
    assert ours.outputs == reference.outputs
    feed = {each.name: np.random.default_rng(1).uniform(0, 1, (3, *each.shape[1:])).astype(each.dtype)
            for each in reference.inputs}  # fmt: skip
    names = [each.name for each in reference.outputs]
    for expected, found in zip(reference.run(names, feed), ours.run(names, feed), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-3)


@needs_torch
@pytest.mark.needs("shared")
def test_half_precision_moves_boxes_by_less_than_a_pixel():
    reference = load_detector(bundled_model())
    halves = load_detector(bundled_model(), provider="torch", device="cpu", precision="fp16")
    for frame in street(reference, 100, 4):
        [expected], [found] = reference.detect([frame]), halves.detect([frame])
        sure = expected.boxes_xyxy[expected.scores > 0.3]
        assert len(sure)
        distance = np.abs(sure[:, None] - found.boxes_xyxy[None]).max(axis=2).min(axis=1)
        assert distance.max() < 1.0


@needs_torch
def test_halves_come_out_as_the_manifest_says():
    session = TorchSession((bundled_model() / "model.onnx").read_bytes(), "lookout", 1, "cpu", "fp16")
    tensors = session.run(["boxes", "scores"], {"images": np.zeros((1, 288, 384, 3), np.uint8)})
    assert [tensor.dtype for tensor in tensors] == [np.float32, np.float32]


@needs_torch
def test_what_a_run_gave_is_not_written_over_by_the_next():
    session = TorchSession(brightness_graph(), "tiny", 1, "cpu")
    batch = session.buffer((1, 32, 32, 3), "uint8")
    batch[...] = 7
    [first] = session.run(["boxes"], {"images": batch})
    batch[...] = 200
    session.run(["boxes"], {"images": batch})
    assert (first == 7).all()


@needs_torch
def test_eight_bits_are_refused_with_what_to_do():
    with pytest.raises(ArtifactError, match=r"DequantizeLinear.*eight bits.*made from"):
        load_detector(bundled_model().parent / "lookout-int8", provider="torch", device="cpu")


@needs_torch
def test_a_graph_cut_short_is_refused_with_its_name():
    graph = streamer_graph()
    with pytest.raises(ArtifactError, match=r"tiny: not a whole ONNX model"):
        TorchSession(graph[: len(graph) // 2], "tiny", 1, "cpu")


@needs_torch
def test_a_run_that_fails_names_the_model_and_what_it_was_fed():
    session = TorchSession((bundled_model() / "model.onnx").read_bytes(), "lookout", 1, "cpu")
    with pytest.raises(InferenceError, match=r"lookout: torch failed on images uint8 \(1, 288, 384, 4\)"):
        session.run(["boxes"], {"images": np.zeros((1, 288, 384, 4), np.uint8)})


@needs_torch
def test_without_a_gpu_torch_is_not_ready_and_never_the_cpu_unasked(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch finds a GPU here")
    for device in (None, 0, "cuda:1"):
        with pytest.raises(InferenceError, match=r"not ready: the provider 'torch'.*finds no GPU"):
            load_detector(write_tiny(tmp_path / f"tiny{device}").folder, provider="torch", device=device)


def test_without_torch_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"torch is not installed .*pip install 'streamer\[torch\]'"):
        load_detector(write_tiny(tmp_path / "tiny").folder, provider="torch", device="cpu")


@pytest.mark.parametrize(
    ("said", "name"), [(None, "cuda:0"), (1, "cuda:1"), ("cpu", "cpu"), ("cuda", "cuda"), ("cuda:2", "cuda:2")]
)
def test_devices_have_torchs_own_names(said, name):
    assert device_name(said) == name


@pytest.mark.parametrize("said", ["gpu", "cuda:", "mps"])
def test_a_device_that_is_none_is_refused(said):
    with pytest.raises(ConfigError, match=r"model\.device: the provider 'torch' takes cpu, cuda, cuda:1"):
        device_name(said)
