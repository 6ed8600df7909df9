"""What only a machine with an NVIDIA GPU can show; skipped elsewhere, and so far run nowhere (docs/gpu.md)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.capture.convert import Converter, stays_on_device
from streamer.capture.hardware import open_on
from streamer.detect import load_detector
from streamer.sessions.nvidia import gpu_count, gpu_name, lock_pages
from streamer.types import Frame
from streamer.zoo import bundled_model
from tests.conftest import SHARED
from tests.fakes import StillPicture

pytestmark = [
    pytest.mark.skipif(gpu_count() == 0, reason="no NVIDIA GPU here (its driver finds none)"),
    pytest.mark.needs("shared"),
]
STREET = SHARED / "data/videos/vtest_480x360.mp4"
PROVIDERS = ("cuda", "tensorrt", "torch")


def missing(provider: str) -> str | None:
    """Why a provider cannot be had, in words for a skipped test."""
    if provider == "torch":
        return None if importlib.util.find_spec("torch") else "torch is not installed"
    import onnxruntime

    name = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}[provider]
    return None if name in onnxruntime.get_available_providers() else f"this onnxruntime has no {name}"


def on_gpu(provider: str, precision: str = "as_exported"):
    if why := missing(provider):
        pytest.skip(why)
    detector = load_detector(bundled_model(), provider=provider, device=0, precision=precision)
    detector.warm_up()
    return detector


def street(most: int) -> list[av.VideoFrame]:
    with av.open(str(STREET)) as container:
        return [frame for i, frame in enumerate(container.decode(video=0)) if i % 60 == 0][:most]


def as_frame(detector, decoded: av.VideoFrame, index: int) -> Frame:
    wh = (decoded.width, decoded.height)
    image = Converter(detector.input_fit, wh).image(decoded)
    return Frame("street", "s", index, image, wh, 0.0, 0.0, 0.0, StillPicture(image))


def assert_same_people(expected, found, atol_px: float) -> None:
    sure = expected.boxes_xyxy[expected.scores > 0.5]
    assert len(sure)
    apart = np.abs(sure[:, None] - found.boxes_xyxy[None]).max(axis=2).min(axis=1)
    assert apart.max() < atol_px


@pytest.mark.parametrize("batch", [1, 3, 8, 11])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_gpu_sees_what_the_cpu_sees_in_runs_of_any_size(provider, batch):
    """Twice: the second time launches are replayed as they were recorded, on other pictures."""
    detector, reference = on_gpu(provider), load_detector(bundled_model())
    frames = [as_frame(reference, decoded, i) for i, decoded in enumerate(street(2 * batch))]
    for together in (frames[:batch], frames[batch : 2 * batch] or frames[:batch]):
        for expected, found in zip(reference.detect(together), detector.detect(together), strict=True):
            assert_same_people(expected, found, 0.5)


@pytest.mark.parametrize("provider", ["tensorrt", "torch"])
def test_halves_move_boxes_by_less_than_two_pixels(provider):
    detector, reference = on_gpu(provider, "fp16"), load_detector(bundled_model())
    for i, decoded in enumerate(street(4)):
        [expected], [found] = (each.detect([as_frame(reference, decoded, i)]) for each in (reference, detector))
        assert_same_people(expected, found, 2.0)


@pytest.mark.parametrize("provider", ["cuda", "torch"])
def test_pictures_decoded_on_the_card_stay_there_and_are_the_same(provider):
    detector, reference = on_gpu(provider), load_detector(bundled_model())
    shrinker = _shrinker(provider)
    converter, usual = Converter(detector.input_fit, (480, 360), shrinker), Converter(detector.input_fit, (480, 360))
    for index, (on_card, in_memory) in enumerate(zip(decoded_on_card(STREET, 3), street_in_order(3), strict=True)):
        assert stays_on_device(on_card)
        image, on_device = converter.images(on_card)
        assert on_device is not None
        assert np.abs(image.astype(int) - usual.image(in_memory)).mean() < 4
        here = Frame("c", "s", index, image, (480, 360), 0.0, 0.0, 0.0, StillPicture(image))
        there = Frame("c", "s", index, image * 0, (480, 360), 0.0, 0.0, 0.0, StillPicture(image), on_device)
        [expected], [found] = reference.detect([here]), detector.detect([there])
        assert_same_people(expected, found, 0.5)


def test_the_card_has_a_name_and_memory_can_be_locked():
    assert gpu_name(0)
    if missing("cuda") is None:
        import onnxruntime

        onnxruntime.preload_dlls()
        assert lock_pages(np.zeros(1 << 20, np.uint8))


def decoded_on_card(clip: Path, most: int) -> list[av.VideoFrame]:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        decoder, frames = open_on("cuda", stream.codec_context, keeps=True), []
        for packet in container.demux(stream):
            frames += decoder.decode(packet if packet.size else None)
            if len(frames) >= most:
                break
        return frames[:most]


def street_in_order(most: int) -> list[av.VideoFrame]:
    with av.open(str(STREET)) as container:
        return [frame for _, frame in zip(range(most), container.decode(video=0), strict=False)]


def _shrinker(provider: str):
    if provider == "torch":
        from streamer.detect.on_device.torch_pictures import TorchShrinker

        return TorchShrinker("cuda:0")
    from streamer.detect.on_device.onnx_pictures import OnnxShrinker

    return OnnxShrinker("cuda", 0)
