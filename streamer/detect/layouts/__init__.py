"""How the outputs of each family of detectors are read: one small adapter per layout, chosen by the manifest.

Below, B pictures, N boxes, K labels, canvas W×H; boxes in canvas pixels unless said otherwise; every box gets its best
class and competes with that one only. The `role` of an output in the manifest is the name used here. Any
layout may have further outputs; frame_embedding (B, E) and feature_map (B, C, h, w) are read for models of behaviour.

streamer     boxes (B, N, 4), scores (B, N, K)
             Our own: xyxy, and scores already in [0, 1]. Input uint8 NHWC RGB, letterboxed in the centre on 114,
             normalised inside the graph.
yolox        predictions (B, N, 5+K)
             cx, cy, w, h raw (add the cell, times stride 8/16/32; exp for w and h), objectness, classes, both after
             their sigmoid; the score is their product. N counts the cells of stride 8, then 16, then 32.
fastestdet   predictions (B, 5+K, H/16, W/16)
             Objectness, offset (tanh) and size (sigmoid) in parts of the picture, classes after softmax;
             the score is objectness^0.6 · class^0.4.
yolov8       predictions (B, 4+K, N) or (B, N, 4+K)
             cx, cy, w, h decoded, classes after their sigmoid, no objectness.
detr         boxes (B, Q, 4), logits (B, Q, K) or (B, Q, K+1)
             cx, cy, w, h as fractions of the canvas. K logits: a sigmoid each (RT-DETR); K+1: a softmax whose last is
             "nothing there" (DETR).
torchvision  boxes (N, 4), labels (N,), scores (N,), or each with a batch axis of 1
             xyxy, class ids, scores of one picture after the net's own NMS.
"""

from __future__ import annotations

from streamer.artifacts import LayoutName, Manifest
from streamer.detect.layouts.candidates import Candidates, Layout
from streamer.detect.layouts.detr import DetrLayout
from streamer.detect.layouts.fastestdet import FastestDetLayout
from streamer.detect.layouts.streamer import StreamerLayout
from streamer.detect.layouts.torchvision import TorchvisionLayout
from streamer.detect.layouts.yolov8 import Yolov8Layout
from streamer.detect.layouts.yolox import YoloxLayout

LAYOUTS: dict[LayoutName, type[Layout]] = {
    "streamer": StreamerLayout,
    "yolox": YoloxLayout,
    "fastestdet": FastestDetLayout,
    "yolov8": Yolov8Layout,
    "detr": DetrLayout,
    "torchvision": TorchvisionLayout,
}


def layout_of(manifest: Manifest) -> Layout:
    """The adapter for a manifest. Raises ArtifactError where the declared outputs cannot be of that layout."""
    return LAYOUTS[manifest.layout](manifest)


__all__ = ["LAYOUTS", "Candidates", "Layout", "layout_of"]
