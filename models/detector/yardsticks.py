"""What the bundled detector is held to: four labelled sets, and two reference detectors on the same pictures.

All of it lies in the project's shared data, none of it in the project. Nothing here was trained on.
"""

from __future__ import annotations

from pathlib import Path

from models.sets import Shots, caviar_clips, coco_folder, mot_video
from streamer.detect.adopt import Wishes, adopt

VTEST, ADL, CAVIAR, COCO = "vtest, 69 true frames", "ADL-Rundle-6 f001-262", "CAVIAR val clips", "COCO val half"
YOLOX_NANO, FASTESTDET = "YOLOX-nano", "FastestDet"
LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "truck")

_VTEST_TRUTH_TO_VIDEO = 480 / 768  # the truth is in pixels of the original 768×576


def evaluation_sets(data: Path) -> dict[str, Shots]:
    """The sets by name: every true frame of vtest, every 6th of ADL-Rundle-6, every 8th of CAVIAR val, COCO val half.

    data is the shared data folder. In the first three only people are labelled. Raises ArtifactError.
    """
    pets, adl = data / "tracking" / "vtest_pets", data / "tracking" / "adl_rundle6_f001-262"
    return {
        VTEST: mot_video(data / "videos" / "vtest_480x360.mp4", pets / "gt_first69.txt", _VTEST_TRUTH_TO_VIDEO),
        ADL: mot_video(adl / "video_960x540.mp4", adl / "gt.txt", every=6),
        CAVIAR: caviar_clips(data / "caviar", "val", every=8),
        COCO: coco_folder(data / "detection" / "coco128x2", "val", labelled=LABELS),
    }


def reference_folders(data: Path, scratch: Path) -> dict[str, Path]:
    """Model folders of the reference detectors, made in scratch. Raises ArtifactError."""
    models = data / "models"
    yolox, fastest = scratch / "yolox-nano", scratch / "fastestdet"
    adopt(models / "yolox_nano" / "yolox_nano.onnx", "yolox", yolox, Wishes(name="yolox-nano", licence="Apache-2.0"))
    adopt(models / "fastestdet" / "FastestDet.onnx", "fastestdet", fastest, Wishes(licence="BSD-3-Clause"))
    return {YOLOX_NANO: yolox, FASTESTDET: fastest}
