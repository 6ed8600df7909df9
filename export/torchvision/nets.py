"""From a name and numbers to a net of torchvision in eval mode: with random weights, or with those of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import nn

from export.torchvision.drawings import pictures
from export.torchvision.known import Known
from export.torchvision.operators import import_torchvision
from streamer.errors import ArtifactError

torchvision = import_torchvision()

_COCO_CLASSES = 91
_TAIL = "backbone.extra.0.0.0.weight"  # ssdlite's first layer behind its backbone
_NAMED_AT_MOST = 4


def build(known: Known, n_classes: int, canvas_wh: tuple[int, int]) -> nn.Module:
    """The net as torchvision builds it, for pictures that have the canvas's size: its own resizing leaves those alone.

    n_classes counts the background. Batch norms are the plain ones: in eval mode they say what frozen ones do.
    """
    sizes = {} if known.is_fixed else {"min_size": min(canvas_wh), "max_size": max(canvas_wh)}
    net: nn.Module = torchvision.models.get_model(
        known.name, weights=None, weights_backbone=None, num_classes=n_classes, **sizes
    )
    return net.eval().requires_grad_(False)


def classes_in(known: Known, state: Mapping[str, torch.Tensor], file: Path) -> int:
    """How many classes, background included, the class layer in a state_dict has. Raises ArtifactError."""
    key = f"{known.class_layers[0]}.bias"
    if key not in state:
        raise ArtifactError(f"{file}: not the weights of {known.name}: it lacks '{key}'; it has {_some(sorted(state))}")
    with torch.device("meta"):
        as_for_coco = build(known, _COCO_CLASSES, known.canvas_wh).state_dict()[key].numel()
    per_class, found = as_for_coco // _COCO_CLASSES, state[key].numel()
    if found % per_class or found == 0:
        raise ArtifactError(
            f"{file}: not the weights of {known.name}: '{key}' has {found} values, expected {per_class} for each class"
        )
    return found // per_class


def with_weights(
    known: Known,
    state: Mapping[str, torch.Tensor],
    n_classes: int,
    canvas_wh: tuple[int, int],
    file: Path,
    *,
    published: bool = False,
) -> nn.Module:
    """The net with the weights of a state_dict. Raises ArtifactError that names the keys that do not fit.

    torchvision's own reading of older files (renamed layers) applies; published: they are torchvision's own weights.
    """
    net = build(known, n_classes, canvas_wh)
    tail = state.get(_TAIL)
    if tail is not None and _TAIL in (own := net.state_dict()) and tail.shape[1] == 2 * own[_TAIL].shape[1]:
        _widen_tail(net, n_classes, canvas_wh)
    try:
        report = net.load_state_dict(state, strict=False)
        missing, unknown, wrong = report.missing_keys, report.unexpected_keys, []
    except RuntimeError as error:  # other shapes; torch's first line names the class only
        missing, unknown, wrong = [], [], [line.strip().rstrip(".") for line in str(error).splitlines()[1:]]
    problems = [
        f"{what}: {_some(keys)}"
        for what, keys in (("it lacks", missing), ("unknown here", unknown), ("of another shape", wrong))
        if keys
    ]
    if problems:
        raise ArtifactError(f"{file}: not the weights of {known.name}:\n  " + "\n  ".join(problems))
    if published and known.exact_norms:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return net


def with_chance_weights(net: nn.Module, known: Known, canvas_wh: tuple[int, int], seed: int = 0) -> nn.Module:
    """The same net with random weights that make it see things: for trying out what comes after the training.

    Freshly built nets give every place the same score. Here the batch norms are fitted to two drawn pictures, and the
    last layers are scaled until class scores and boxes differ from place to place. Not further: where hundreds score
    1.0, which of them come out is a toss.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for parameter in net.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter)
        drawn = [torch.from_numpy(each).permute(2, 0, 1) / 255 for each in pictures(canvas_wh, n=2, seed=seed)]
        for norm in norms:
            norm.train()
            norm.momentum = 1.0
        net(drawn)
        for norm in norms:
            norm.eval()
        last = [
            _LastLayer(net.get_submodule(path), furthest)
            for paths, furthest in ((known.class_layers, 6.0), (known.box_layers, 2.0))
            for path in paths
        ]
        net(drawn[:1])
        for layer in last:
            layer.scale()
        if isinstance(net, torchvision.models.detection.fcos.FCOS):
            # Its boxes are distances to four edges, and those below 0 count as 0.
            net.head.regression_head.bbox_reg.bias.fill_(2.0)
    return net


def _widen_tail(net: nn.Module, n_classes: int, canvas_wh: tuple[int, int]) -> None:
    """Give ssdlite's backbone the last layers of a classifier.

    torchvision halves them where no pretrained backbone is asked for, as for its published weights; whoever trained
    from a pretrained backbone, which is torchvision's default, has them whole.
    """
    parts = torchvision.models.detection
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    backbone = torchvision.models.mobilenet_v3_large(weights=None, norm_layer=norm, reduced_tail=False)
    net.backbone = parts.ssdlite._mobilenet_extractor(backbone, 6, norm)
    channels = parts._utils.retrieve_out_channels(net.backbone, canvas_wh)
    anchors = net.anchor_generator.num_anchors_per_location()
    net.head = parts.ssdlite.SSDLiteHead(channels, anchors, n_classes, norm)
    net.eval().requires_grad_(False)


class _LastLayer:
    """A layer that is watched for one pass, then scaled so that it goes so far from its bias, and no further."""

    def __init__(self, layer: nn.Module, furthest: float) -> None:
        self._layer, self._wanted, self._seen = layer, furthest, 0.0
        self._watching = layer.register_forward_hook(self._look)

    def scale(self) -> None:
        """End the watching."""
        self._watching.remove()
        if self._seen > 0:
            self._layer.weight *= self._wanted / self._seen

    def _look(self, layer: nn.Module, _given: object, gave: torch.Tensor) -> None:
        bias = layer.bias if gave.ndim == 2 else layer.bias[:, None, None]
        self._seen = max(self._seen, float((gave - bias).abs().max())) if gave.numel() else self._seen


def _some(keys: Sequence[str]) -> str:
    """The first few of many."""
    more = f" and {len(keys) - _NAMED_AT_MOST} more" if len(keys) > _NAMED_AT_MOST else ""
    return ", ".join(keys[:_NAMED_AT_MOST]) + more
