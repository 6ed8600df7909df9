"""A peer: the `inference` package's InferencePipeline with the net as its custom logic, in an environment of its own.

One pipeline over all clips: a decoding thread per source (OpenCV, as it comes), pictures gathered over the sources and
handed to the custom logic together, its predictions to a sink. Rates are limited the package's own documented way for
files, `max_fps` with frame dropping: all pictures are decoded, those between are not converted.
Imports nothing of the house.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.peers_yolox import Tally, Yolox

os.environ |= {
    "ENABLE_FRAME_DROP_ON_VIDEO_FILE_RATE_LIMITING": "True",
    # Nothing but the pipeline: no model of theirs, nothing told to anybody.
    "TELEMETRY_OPT_OUT": "True",
    "METRICS_ENABLED": "False",
    "ACTIVE_LEARNING_ENABLED": "False",
    **{f"CORE_MODEL_{name}_ENABLED": "False" for name in ("SAM", "SAM3", "YOLO_WORLD", "GAZE", "CLIP", "DOCTR")},
}


def watch(clips: Sequence[Path], model: Path, fps: float, threads: int | None) -> tuple[Tally, float, float]:
    """Play all clips to their ends, as fast as this machine can: what was seen, CPU seconds, wall seconds.

    fps: pictures a second to analyse; threads: of the session, None for ONNX Runtime's defaults. `decoded` is what the
    numbers of the pictures say, for the pipeline does not tell what it left out.
    """
    from inference import InferencePipeline

    net, tally, last = Yolox(model, threads), Tally(), {}

    def analyse(pictures: Any) -> list[Any]:
        return [net.detect(picture.image) for picture in pictures]

    def keep(predictions: Any, pictures: Any) -> None:
        for prediction, picture in zip(predictions, pictures, strict=True):
            if picture is not None:
                tally.saw(prediction[1])
                last[picture.source_id] = picture.frame_id

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=[str(clip) for clip in clips], on_video_frame=analyse, on_prediction=keep, max_fps=fps
    )
    began_cpu_s, began_s = time.process_time(), time.monotonic()
    pipeline.start()
    pipeline.join()
    cpu_s, wall_s = time.process_time() - began_cpu_s, time.monotonic() - began_s
    tally.decoded = sum(last.values())
    return tally, cpu_s, wall_s
