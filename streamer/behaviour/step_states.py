"""What a recurrent head remembers of each of its rows, be it a track or a camera: a struct of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.step_session import Outputs, StepSession
from streamer.behaviour.surprise import surprise

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

SMOOTHED_S = 1.0
"""Surprise is averaged over so long: one odd box is no behaviour."""
SAYS_AFTER_S = 0.6
"""A row that has been followed for less is too young for its probabilities to be told."""


class StepStates:
    """States by row. Not for several threads at once.

    probs      float32 (C, K), NaN while a row is too young
    attention  float32 (C, A), newest last
    smoothed   float32 (C,), surprise averaged over the last SMOOTHED_S; NaN while a row is younger than that
    peaks      float32 (C,), the highest smoothed surprise since the row was claimed; NaN before the first
    features   float32 (C, F), of the last step
    lost       rows whose memory was given up because something in it was not a number; only rises
    """

    _state: Floats
    _prediction: Floats
    _spread: Floats
    _recent: Floats
    _steps: NDArray[np.int64]
    probs: Floats
    attention: Floats
    features: Floats
    smoothed: Floats
    peaks: Floats

    def __init__(self, session: StepSession) -> None:
        self._session, self._manifest = session, session.manifest
        self._window = max(1, round(SMOOTHED_S / self._manifest.step_s))
        self._young = max(1, round(SAYS_AFTER_S / self._manifest.step_s))
        self.lost = 0
        self._free: list[int] = []
        self._allocate(64)

    def claim(self) -> int:
        """A row without a past."""
        if not self._free:
            self._allocate(2 * len(self._steps))
        row = self._free.pop()
        self._forget(np.array([row], np.intp))
        self.peaks[row] = np.nan
        return row

    def free(self, row: int) -> None:
        """Give a row back."""
        self._free.append(row)

    def advance(self, rows: Rows, features: Floats, fresh: NDArray[np.bool_]) -> None:
        """One step of different rows in one run: features float32 (m, F); where fresh, the past does not count.

        What is not a number enters no state: such a row begins anew with its next step. Raises InferenceError.
        """
        self._forget(rows[fresh])
        good = np.isfinite(features).all(axis=1) & self._surprise(rows, features)
        rows, features = self._keep(rows, good), features[good]
        if not len(rows):
            return
        outputs = self._session.step(features, self._state[rows])
        finite = _finite(outputs)
        kept = self._keep(rows, finite)
        if len(kept) < len(rows):
            features, outputs = features[finite], {name: tensor[finite] for name, tensor in outputs.items()}
        self._take(kept, features, outputs)

    def _surprise(self, rows: Rows, features: Floats) -> NDArray[np.bool_]:
        """Hold what came against what was foretold; False for rows where that gives no number."""
        good = np.ones(len(rows), np.bool_)
        told = self._steps[rows] > 0
        known = rows[told]
        if not len(known):
            return good
        width = self._prediction.shape[1]
        new = surprise(features[told, :width], self._prediction[known], self._spread[known])
        good[told] = np.isfinite(new)
        new[~good[told]] = np.nan
        self._recent[known] = np.concatenate([self._recent[known, 1:], new[:, None]], axis=1)
        self.smoothed[known] = self._recent[known].mean(axis=1)
        self.peaks[known] = np.fmax(self.peaks[known], self.smoothed[known])
        return good

    def _take(self, rows: Rows, features: Floats, outputs: Outputs) -> None:
        self._state[rows] = outputs["next_state"]
        self._prediction[rows], self._spread[rows] = outputs["prediction"], outputs["spread"]
        self.features[rows], self.attention[rows] = features, outputs["attention"]
        self._steps[rows] += 1
        says = self._steps[rows] >= self._young
        self.probs[rows[says]] = outputs["probs"][says]

    def _keep(self, rows: Rows, good: NDArray[np.bool_]) -> Rows:
        """The good ones; the others are reset and counted."""
        if good.all():
            return rows
        self._forget(rows[~good])
        self.lost += int((~good).sum())
        return rows[good]

    def _forget(self, rows: Rows) -> None:
        if not len(rows):
            return
        self._state[rows] = self._prediction[rows] = self._spread[rows] = 0.0
        self.attention[rows] = self.features[rows] = 0.0
        self._recent[rows], self.smoothed[rows], self.probs[rows] = np.nan, np.nan, np.nan
        self._steps[rows] = 0

    def _allocate(self, size: int) -> None:
        manifest = self._manifest
        foretold = len(manifest.predicted)
        widths = {
            "_state": manifest.state_width,
            "_prediction": foretold,
            "_spread": foretold,
            "_recent": self._window,
            "probs": len(manifest.labels),
            "attention": manifest.attention_steps,
            "features": len(manifest.features),
        }
        old = len(self._steps) if "_steps" in self.__dict__ else 0
        columns: dict[str, NDArray[np.generic]] = {
            name: np.zeros((size, width), np.float32) for name, width in widths.items()
        }
        columns |= {name: np.full(size, np.nan, np.float32) for name in ("smoothed", "peaks")}
        columns["_steps"] = np.zeros(size, np.int64)
        for name, column in columns.items():
            if old:
                column[:old] = getattr(self, name)
            setattr(self, name, column)
        self._free += range(size - 1, old - 1, -1)


def _finite(outputs: Outputs) -> NDArray[np.bool_]:
    """Rows of which every output is finite."""
    finite: NDArray[np.bool_] = np.stack([np.isfinite(tensor).all(axis=1) for tensor in outputs.values()]).min(axis=0)
    return finite
