"""Learns what is normal at one camera from the lives and steps of its tracks: what `streamer calibrate` keeps."""

from __future__ import annotations

import numpy as np

from streamer.behaviour.calibration_store import Calibration, hour_name
from streamer.behaviour.life import Life
from streamer.behaviour.step_states import Floats
from streamer.behaviour.unusual import QUANTILES, Range

MOST_STEPS = 20_000
"""Steps whose features are kept; with more, every second of all is, then every fourth: spread over all footage."""


class Learner:
    """Give its methods to BehaviourHeads as on_life and on_steps; one camera, one thread."""

    def __init__(self, motion: tuple[str, ...]) -> None:
        """motion: names of the leading features, those whose usual values are worth telling."""
        self._motion = motion
        self._peaks: dict[str, dict[str, list[float]]] = {"track": {}, "scene": {}}
        self._kept: list[Floats] = []
        self._every, self._steps = 1, 0

    @property
    def tracks(self) -> int:
        """Whole lives of tracks so far."""
        return sum(len(peaks) for peaks in self._peaks["track"].values())

    def take_life(self, life: Life) -> None:
        """A track or a spell has ended."""
        self._peaks[life.of].setdefault(hour_name(life.hour), []).append(life.peak)

    def take_steps(self, camera: str, features: Floats) -> None:
        """float32 (m, F): one step of some tracks."""
        del camera  # there is one
        for row in features[:, : len(self._motion)]:
            if self._steps % self._every == 0:
                self._kept.append(row.copy())
            self._steps += 1
        if len(self._kept) > MOST_STEPS:
            self._kept, self._every = self._kept[::2], 2 * self._every

    def calibration(
        self,
        camera: str,
        seconds: float,
        *,
        head: str | None,
        scene_head: str | None,
        detector: str,
        timezone: str,
        learned_at: float,
    ) -> Calibration:
        """Everything so far, as it is stored; see calibration_store.Calibration."""
        return Calibration(
            camera=camera,
            head=head,
            scene_head=scene_head,
            detector=detector,
            timezone=timezone,
            learned_at=learned_at,
            seconds=seconds,
            tracks={hour: sorted(peaks) for hour, peaks in sorted(self._peaks["track"].items())},
            scene={hour: sorted(peaks) for hour, peaks in sorted(self._peaks["scene"].items())},
            usual=self._usual(),
        )

    def _usual(self) -> dict[str, Range]:
        if not self._kept:
            return {}
        low, middle, high = np.quantile(np.stack(self._kept).astype(np.float64), QUANTILES, axis=0)
        return {name: (float(low[n]), float(middle[n]), float(high[n])) for n, name in enumerate(self._motion)}
