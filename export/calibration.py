"""What a net sees when it is put to use: calibration pictures on its canvas, and the ranges its feature maps then take.

Calibrate on footage of the kind of camera that the net will watch, laid on the canvas exactly as the service does it.
About a hundred varied pictures are enough: ranges settle long before accuracy does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from enum import Enum
from io import StringIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import (
    CalibrationMethod,
    TensorsData,
    create_calibrator,
)

from streamer.artifacts import InputSpec
from streamer.capture.convert import DecodedPicture
from streamer.detect.canvas import InputBatch, letterbox
from streamer.errors import ConfigError
from streamer.fit import Fit, InputFit

Canvas = NDArray[np.uint8]
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
VIDEO_SUFFIXES = frozenset({".avi", ".mkv", ".mov", ".mp4", ".ts", ".webm"})


class Method(Enum):
    """How a range is chosen from what a tensor was seen to hold."""

    MINMAX = "minmax"
    """All of it."""
    PERCENTILE = "percentile"
    """All but the outermost 1 in 100,000 values: one outlier does not coarsen the steps of everything else."""
    ENTROPY = "entropy"
    """The clipping that keeps the distribution nearest to itself (Kullback-Leibler), as TensorRT does it."""


_CALIBRATORS: dict[Method, tuple[CalibrationMethod, dict[str, float]]] = {
    Method.MINMAX: (CalibrationMethod.MinMax, {}),
    Method.PERCENTILE: (CalibrationMethod.Percentile, {"percentile": 99.999}),
    Method.ENTROPY: (CalibrationMethod.Entropy, {}),
}


def canvases(sources: Sequence[Path], fit: InputFit, count: int) -> list[Canvas]:
    """About `count` pictures of folders, pictures and videos, evenly spread over the sources and over each of them.

    A folder is searched to its depths for pictures and videos. Returns uint8 (H, W, 3), RGB, on the canvas of the fit,
    always the same ones for the same sources. Raises ConfigError naming what cannot be read.
    """
    if not sources:
        raise ConfigError(["calibration needs pictures: name a folder of pictures or a video"])
    share = -(-count // len(sources))
    found: list[Canvas] = []
    for source in sources:
        files = _files(source)
        chosen = [files[i] for i in _spread(len(files), share)]
        for file in chosen:
            if file.suffix.lower() in PICTURE_SUFFIXES:
                found.append(letterbox(_picture(file), fit)[0])
            else:
                found += [letterbox(frame, fit)[0] for frame in _frames(file, -(-share // len(chosen)))]
    return found


def feeder(spec: InputSpec) -> Callable[[Sequence[Canvas]], NDArray[Any]]:
    """Canvases → the input tensor as the service fills it: dtype, channel order, normalisation, layout.

    The tensor is a copy of its own. A net without a batch axis is given one picture at a time.
    """
    whole = Fit(spec.size, spec.size, spec.size, (0, 0))
    batch = InputBatch(spec)

    def feed(pictures: Sequence[Canvas]) -> NDArray[Any]:
        for slot, picture in enumerate(pictures):
            batch.put(slot, picture, whole)
        return (batch.picture(0) if spec.batch == "none" else batch.tensor(0, len(pictures))).copy()

    return feed


def measure_ranges(
    model: onnx.ModelProto, op_types: Sequence[str], tensors: Iterable[NDArray[Any]], method: Method
) -> dict[str, tuple[float, float]]:
    """(lowest, highest) per float tensor around nodes of these types, over a net's input tensors.

    ONNX Runtime's own calibrators do the work; they are fed one tensor at a time, since they keep all feature maps of
    what they are given at once.
    """
    kind, options = _CALIBRATORS[method]
    name = model.graph.input[0].name
    with tempfile.TemporaryDirectory() as scratch:
        graph, augmented = Path(scratch) / "graph.onnx", Path(scratch) / "augmented.onnx"
        onnx.save(model, graph)
        calibrator = create_calibrator(graph, list(op_types), str(augmented), kind, extra_options=options)
        with redirect_stdout(StringIO()):  # they chat
            for tensor in tensors:
                calibrator.collect_data(_One({name: tensor}))
            measured: TensorsData = calibrator.compute_data()
    return {
        key: (float(np.min(value.range_value[0])), float(np.max(value.range_value[1])))
        for key, value in measured.items()
    }


class _One:
    """What ONNX Runtime calls a CalibrationDataReader; ends after one feed."""

    def __init__(self, feed: dict[str, NDArray[Any]]) -> None:
        self._left = [feed]

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return self._left.pop() if self._left else None


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise ConfigError([f"{source}: there is no such picture, video, or folder of them; name one of your footage"])
    if source.is_file():
        return [source]
    known = PICTURE_SUFFIXES | VIDEO_SUFFIXES
    files = sorted(each for each in source.rglob("*") if each.suffix.lower() in known and each.is_file())
    if not files:
        raise ConfigError([f"{source}: holds neither pictures nor videos ({', '.join(sorted(known))})"])
    return files


def _spread(there: int, wanted: int) -> list[int]:
    """Evenly spaced positions, from the middle of each part."""
    n = min(there, wanted)
    return [int((i + 0.5) * there / n) for i in range(n)]


def _picture(file: Path) -> Canvas:
    image = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR) if file.stat().st_size else None
    if image is None:
        raise ConfigError([f"{file}: is no picture that can be read; take it out, or name others"])
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _frames(video: Path, wanted: int) -> Iterator[Canvas]:
    """Pictures at evenly spaced times, found by seeking: a night of footage costs no more than a minute of it."""
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise ConfigError([f"{video}: has no pictures in it"])
            stream = container.streams.video[0]
            if not container.duration:
                raise ConfigError([f"{video}: does not tell how long it is; remux it first, as to .mp4 or .mkv"])
            start_us, length_us = container.start_time or 0, container.duration
            for i in range(wanted):
                at_us = start_us + int((i + 0.5) * length_us / wanted)
                container.seek(at_us)
                for frame in container.decode(stream):
                    if frame.time is None or frame.time * av.time_base >= at_us:
                        yield DecodedPicture(frame).rgb()
                        break
    except (av.error.FFmpegError, OSError) as error:
        raise ConfigError([f"{video}: cannot be read as a video ({error.strerror or error})"]) from error
