"""The one place where a camera's picture becomes a JPEG."""

from __future__ import annotations

import cv2

from streamer.privacy.publishable import Publishable


def jpeg(picture: Publishable, quality: int) -> bytes:
    """The JPEG of a picture; quality from 1 to 100. Raises ValueError for a size that JPEG cannot hold."""
    written, encoded = cv2.imencode(".jpg", picture.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not written:
        width, height = picture.size_wh
        raise ValueError(f"a picture of {width}×{height} cannot be encoded as JPEG")
    return bytes(encoded.tobytes())
