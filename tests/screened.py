"""Pictures that may be shown, as tests need them: made the way the service makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamer.privacy.policy import OPEN, CameraPrivacy
from streamer.privacy.publishable import Publishable, veiled
from streamer.privacy.screen import Screen
from streamer.privacy.source import private
from streamer.privacy.veil import NO_VEIL
from streamer.types import FrameResult
from tests.walks import Drawn


def shown(rgb: np.ndarray) -> Publishable:
    """A picture of a camera that hides nothing."""
    return veiled(Drawn(rgb), NO_VEIL)


def screened(result: FrameResult, policy: CameraPrivacy = OPEN) -> FrameResult:
    """A result behind the screen of its camera."""
    return Screen().screened(replace(result, frame=private(result.frame, policy)))
