"""Which cameras' pictures stay on the card that decodes them: those of cards on which the detector runs as well."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from streamer.config.model import CameraConfig, ModelConfig
from streamer.stages import PictureShrinker
from streamer.surroundings import Surroundings


def with_shrinker(around: Surroundings, camera: CameraConfig, model: ModelConfig) -> Surroundings:
    """The camera's surroundings, with what makes its pictures small on its card, where there is one."""
    card = shared_card(camera.decode_on, model)
    return around if card is None else replace(around, shrinker=_shrinker(model.provider, card))


def shared_card(decode_on: str, model: ModelConfig) -> int | None:
    """The number of the GPU on which both are done; None where decoding or the model is elsewhere.

    'auto' is left out: which device it will be is known only when a connection is open.
    """
    kind, _, number = decode_on.partition(":")
    if kind != "cuda" or model.provider == "cpu" or (number and not number.isdecimal()):
        return None
    card = int(number or 0)
    return card if card in {_number(device) for device in model.devices} else None


def _number(device: int | str | None) -> int | None:
    if device is None or isinstance(device, int):
        return device or 0
    kind, _, number = device.partition(":")
    return int(number or 0) if kind == "cuda" else None


@cache
def _shrinker(provider: str, card: int) -> PictureShrinker:
    """One for all cameras of a card: it keeps the weights of each size of picture there."""
    if provider == "torch":
        from streamer.detect.on_device.torch_pictures import TorchShrinker

        return TorchShrinker(f"cuda:{card}")
    from streamer.detect.on_device.onnx_pictures import OnnxShrinker

    return OnnxShrinker("cuda", card)
