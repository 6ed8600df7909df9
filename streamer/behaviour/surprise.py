"""How little a step looks like what was foreseen: the one definition for training, evaluation and runtime."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MOST = 10.0
"""No single feature can surprise more than this: one bad box must not outweigh all that was as foreseen."""


def surprise(
    features: NDArray[np.float32], prediction: NDArray[np.float32], spread: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean over P features of the negative log density under a Laplace distribution around the prediction, in nats.

    features (m, P): what came; prediction (m, P): where it was expected one step before; spread (m, P): log scale.
    → float32 (m,), higher is stranger.
    """
    return np.asarray(unlikeness(features, prediction, spread).mean(axis=1), np.float32)


def unlikeness(
    features: NDArray[np.float32], prediction: NDArray[np.float32], spread: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The same, feature by feature: float32 (m, P). The largest says what is strange."""
    off = np.abs(features - prediction) * np.exp(-spread)
    return np.asarray(np.minimum(off, MOST) + spread + math.log(2.0), np.float32)
