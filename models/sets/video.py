"""The pictures of a recording by number, converted to RGB as the service does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from streamer.capture.convert import DecodedPicture, upright_size
from streamer.errors import ArtifactError


def size_of(video: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright picture. Raises ArtifactError."""
    with _opened(video) as container:
        for frame in _decoded(container, video):
            return upright_size(frame)
    raise ArtifactError(f"{video}: not one picture can be decoded")


def pictures(video: Path, chosen: range) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(number from 0, RGB uint8 (H, W, 3)) of the chosen pictures. Raises ArtifactError, also where they are fewer."""
    count = 0
    with _opened(video) as container:
        for index, frame in enumerate(_decoded(container, video)):
            count = index + 1
            if index in chosen:
                yield index, DecodedPicture(frame).rgb()
                if index == chosen[-1]:
                    return
    raise ArtifactError(f"{video}: ends after {count} pictures, but its truth goes on to picture {chosen[-1] + 1}")


def _opened(video: Path) -> InputContainer:
    try:
        container = av.open(str(video))
    except (OSError, av.error.FFmpegError) as error:
        raise ArtifactError(f"{video}: cannot be opened as a video: {error.strerror or error}") from error
    if not container.streams.video:
        container.close()
        raise ArtifactError(f"{video}: holds no video")
    return container


def _decoded(container: InputContainer, video: Path) -> Iterator[av.VideoFrame]:
    try:
        yield from container.decode(video=0)
    except av.error.FFmpegError as error:
        raise ArtifactError(
            f"{video}: cannot be decoded to its end, so pictures cannot be counted: {error.strerror or error}"
        ) from error
