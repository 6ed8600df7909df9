"""The detectors of torchvision that can be exported, and what each needs to know beforehand. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

_SSD, _DENSE, _ROI = "head.classification_head.module_list", "head.classification_head.cls_logits", "roi_heads"
# What torchvision's own resizing (800 on the short side, at most 1333 on the long one, then up to a multiple of 32)
# makes of a camera's 16:9 picture; of other shapes as much as fits.
_LARGE, _SMALL = (1344, 768), (576, 320)


@dataclass(frozen=True, slots=True)
class Known:
    """One detector by torchvision's name.

    canvas_wh     input size in pixels unless another is wished
    is_fixed      it was built for that size alone, and pictures are stretched to it as in its training; the others
                  take any multiple of 32 and keep the aspect
    class_layers  paths of the layers that give the class scores; the first one's bias tells how many classes there are
    box_layers    paths of the layers that give the boxes
    min_score     what scores less is left out unless wished otherwise
    exact_norms   its published weights want batch norms without epsilon (torchvision sets it so when it loads them)
    """

    name: str
    canvas_wh: tuple[int, int]
    class_layers: tuple[str, ...]
    box_layers: tuple[str, ...]
    is_fixed: bool = False
    min_score: float = 0.1
    exact_norms: bool = False


def _ssd(name: str, side: int, tail: str) -> Known:
    classes = tuple(f"{_SSD}.{level}{tail}" for level in range(6))
    boxes = tuple(path.replace("classification", "regression") for path in classes)
    return Known(name, (side, side), classes, boxes, is_fixed=True)


def _dense(name: str, min_score: float = 0.1, exact_norms: bool = False) -> Known:
    boxes = ("head.regression_head.bbox_reg",)
    return Known(name, _LARGE, (_DENSE,), boxes, min_score=min_score, exact_norms=exact_norms)


def _two_stage(name: str, canvas_wh: tuple[int, int], exact_norms: bool = False) -> Known:
    classes, boxes = (f"{_ROI}.box_predictor.cls_score",), (f"{_ROI}.box_predictor.bbox_pred",)
    return Known(name, canvas_wh, classes, boxes, exact_norms=exact_norms)


KNOWN: dict[str, Known] = {
    known.name: known
    for known in (
        _ssd("ssdlite320_mobilenet_v3_large", 320, ".1"),
        _ssd("ssd300_vgg16", 300, ""),
        # Its scores are roots of products of two probabilities; torchvision itself shows them from 0.2 on.
        _dense("fcos_resnet50_fpn", min_score=0.2),
        _dense("retinanet_resnet50_fpn", exact_norms=True),
        _dense("retinanet_resnet50_fpn_v2"),
        _two_stage("fasterrcnn_mobilenet_v3_large_320_fpn", _SMALL),
        _two_stage("fasterrcnn_mobilenet_v3_large_fpn", _LARGE),
        _two_stage("fasterrcnn_resnet50_fpn", _LARGE, exact_norms=True),
        _two_stage("fasterrcnn_resnet50_fpn_v2", _LARGE),
    )
}
