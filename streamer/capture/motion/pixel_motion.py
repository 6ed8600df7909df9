"""Did anything move: asked of one small grey picture of a still camera, key frame or any, at whatever intervals.

What differs from the background, after a change of light is taken out, falls into regions; regions that last, or are
too large to be weather, moved. See light.py, background.py, regions.py, persistence.py and restless.py for each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.motion.background import LEAST_CONTRAST, Background, most_habit
from streamer.capture.motion.light import fit_light, keeps_edges
from streamer.capture.motion.persistence import DENSE_S, Persistence
from streamer.capture.motion.regions import Box, Cells, Mask, Regions, find_regions
from streamer.capture.motion.restless import MOST_HABIT as MOST_RESTLESS_HABIT
from streamer.capture.motion.restless import RestlessZone

# In grey levels, cells or seconds; chosen on drawn worlds (tests/benchmarks/motion_worlds.py) and unlabelled footage.
_MOST_STEP_S = 10.0  # a longer gap teaches no more than this
_PROBES, _FEWEST_PROBES = 900, 16
_LIT_LEVELS = 8.0  # a mean change of light within one look that is told
_LARGE_SHARE, _WHOLE_SHARE = 0.25, 0.8  # of the picture: as large as no thing should be; all but things
_NOISE_MARGIN = 6.0
_PULSE_S, _MOST_PULSE = 300.0, 4.0
# In pulses of a key frame: what differs at all; what is certainly no habit; what certainly is no block left behind.
_PULSE_MARGIN, _PULSE_DOUBT, _PULSE_STARK = 4.0, 5.0, 8.0
_MOST_SWAPPED = 20.0
_STIR_S = 3.0
_SMALL, _LARGE = 12, 120  # too small to be trusted when faint; so large that one look is enough
_FEWEST_ALONE = 2  # asleep, one look has to be enough: the next may be seconds away
_MANY_AT_ONCE, _MOST_AT_ONCE = 4, 40
_ADJACENT = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What one look found.

    moved: something is there that moved, and is worth being awake for. regions: x1, y1, x2, y2 as shares of the
    picture, upright not applied, largest first; empty where nothing moved. changed: share of the unmasked picture that
    differs, whether it counts as motion or not. lit: the light changed over the whole picture, suddenly.
    cells: bool (h, w), where the regions are; None where nothing moved.
    """

    moved: bool
    regions: tuple[Box, ...] = ()
    changed: float = 0.0
    lit: bool = False
    cells: Mask | None = None


class PixelMotion:
    """Looks at one camera; not thread-safe. masks: polygons of normalised (x, y), parts of the picture to ignore.

    The first look, and any of another size or from an earlier time, begins anew: it only learns.
    """

    def __init__(self, masks: Sequence[Sequence[tuple[float, float]]] = ()) -> None:
        self._masks = tuple(tuple(mask) for mask in masks)
        self._scene: _Scene | None = None

    def reset(self) -> None:
        """Forget everything: a new session begins."""
        self._scene = None

    def look(self, luma: NDArray[np.uint8], at_s: float, vacant_s: float = 0.0) -> Motion:
        """Motion in uint8 (h, w) at a time in media seconds, since the looks before.

        vacant_s: for so long analysis has been looking at this camera's pictures and has seen nobody.
        """
        scene = self._scene
        if scene is None or scene.shape != luma.shape or at_s < scene.at_s:
            self._scene = _Scene(luma, at_s, self._masks)
            return Motion(moved=False)
        return scene.look(luma, at_s, vacant_s)


class _Scene:
    def __init__(self, luma: NDArray[np.uint8], at_s: float, masks: Sequence[Sequence[tuple[float, float]]]) -> None:
        self.shape, self.at_s = luma.shape, at_s
        self._unmasked = _outside_of(masks, luma.shape)
        self._masked = not self._unmasked.all()
        self._count = int(np.count_nonzero(self._unmasked))
        self._probe = _probes(self._unmasked)
        self._before = self._cells(luma)
        self._background = Background(self._before, at_s)
        self._zone = RestlessZone(luma.shape)
        self._persistence = Persistence(luma.shape)
        self._stir = np.zeros(luma.shape, np.float32)
        self._noise = 0.0
        self._spread = self._step = 1.0
        self._pulse = 0.0

    def look(self, luma: NDArray[np.uint8], at_s: float, vacant_s: float) -> Motion:
        dt_s, self.at_s = min(at_s - self.at_s, _MOST_STEP_S), at_s
        if dt_s <= 0 or not len(self._probe):
            return Motion(moved=False)
        now = self._cells(luma)
        lit = self._meet_light(now)
        self._pulse = max(self._pulse * np.exp(-dt_s / _PULSE_S), min(self._spread, _MOST_PULSE))
        away = self._zone.away(now, self._background.level)
        tolerance = self._tolerance()
        regions = self._regions(now, away, tolerance)
        changed = 0 if regions is None else int(np.count_nonzero(regions.cells))
        if regions is not None and self._is_light(regions, now, changed):
            self._background.restart(now)
            regions, lit, away = None, True, self._zone.away(now, self._background.level)
        moved = self._judge(regions, now, away, dt_s)
        self._zone.learn(now, self._before, self._background.level, self._least(), regions is not None, dt_s)
        most: Cells | float = most_habit(self._noise)
        if self._zone.any:
            most = np.where(self._zone.cells, np.float32(max(most, MOST_RESTLESS_HABIT)), np.float32(most))
        # What a thing covers in part is no part of its region, and no background either.
        around = None if regions is None else cv2.dilate(regions.cells.view(np.uint8), _ADJACENT).view(np.bool_)
        self._background.learn(now, away, around, most, dt_s, at_s, self._noise, vacant_s)
        self._before = now
        if regions is None or not moved.any():
            return Motion(moved=False, changed=changed / self._count, lit=lit)
        return Motion(True, regions.boxes(moved), changed / self._count, lit, regions.cells_of(moved))

    def _cells(self, luma: NDArray[np.uint8]) -> Cells:
        cells = luma.astype(np.float32)
        return np.where(self._unmasked, cells, np.float32(0)) if self._masked else cells

    def _meet_light(self, now: Cells) -> bool:
        """Bring the background into the present light; true where it changed suddenly. Measures `_spread` on the way.

        Most looks end at the first test: the middle half of the cells changed no more than noise does.
        """
        then, here = self._background.level.take(self._probe), now.take(self._probe)
        change = here - then
        change.sort()
        quarter, half, three = (float(change[len(change) * k // 4]) for k in (1, 2, 3))
        self._spread = (three - quarter) / 1.35
        if not self._noise:
            self._noise = max(0.1, self._spread)
        calm = abs(half) < 1 and self._spread < 2 * self._noise + 0.5
        if calm or len(change) < _FEWEST_PROBES:
            self._noise += 0.05 * (self._spread - self._noise)
            return False
        light = fit_light(then, here)
        near = max(3.0, 3 * self._noise)
        explained = np.count_nonzero(np.abs(here - light.on(then)) < near) / len(change)
        gained = explained - np.count_nonzero(np.abs(change) < near) / len(change)
        if explained < 0.5 or (gained < 0.02 and abs(half) < 1):
            # Unexplained: something large came in between, or the noise has grown; the latter stays.
            self._noise += 0.05 * (min(self._spread, 2 * self._noise) - self._noise)
            self._spread = min(self._spread, max(_MOST_PULSE, 2 * self._noise))
            return False
        shift = float(np.mean(np.abs(light.on(then) - then)))
        self._background.relight(light, now, sudden=shift > _LIT_LEVELS)
        self._spread = light.spread
        return shift > _LIT_LEVELS

    def _tolerance(self) -> Cells:
        tolerance = self._background.tolerance(self._least())
        if self._zone.any:
            tolerance += 4 * self._zone.cells
        return tolerance

    def _least(self) -> float:
        # A key frame differs from the pictures before it everywhere: `_pulse` remembers by how much.
        return max(LEAST_CONTRAST, _NOISE_MARGIN * self._spread, _PULSE_MARGIN * self._pulse)

    def _regions(self, now: Cells, away: Cells, tolerance: Cells) -> Regions | None:
        regions = find_regions(away, tolerance, self._unmasked)
        refreshed = self._refreshed(now)
        if regions is None or not refreshed:
            return regions
        # What appears in the very look in which everything changes a little is the codec's, unless it is much: the
        # new picture is as good a background as the old one. A thing that moves is found again at the next look.
        codec = regions.kept & ~self._persistence.known(regions) & (regions.peaks(away) < _MOST_SWAPPED)
        cells = regions.cells_of(codec)
        self._background.swap(cells, now, away, _MOST_SWAPPED)
        away[cells] = 0
        rest = regions.without(codec)
        return rest if rest.kept.any() else None

    def _refreshed(self, now: Cells) -> bool:
        """Whether more of the picture changed since the last look than usual: a key frame of a poor stream."""
        steps = np.abs(now.take(self._probe) - self._before.take(self._probe))
        steps.sort()
        wide, usual = float(steps[len(steps) * 3 // 4]), self._step
        self._step += 0.1 * (wide - usual)
        return len(steps) >= _FEWEST_PROBES and wide >= max(1.5, 2 * usual)

    def _is_light(self, regions: Regions, now: Cells, changed: int) -> bool:
        """Whether a lamp that lights one side more than the other explains a change too large to be a thing."""
        if changed <= _LARGE_SHARE * self._count:
            return False
        same_edges = keeps_edges(self._background.level, now, regions.cells)
        # Where there were no edges, or are none: a plain thing does not fill the whole picture, darkness does.
        return changed > _WHOLE_SHARE * self._count if same_edges is None else same_edges

    def _judge(self, regions: Regions | None, now: Cells, away: Cells, dt_s: float) -> Mask:
        """bool (n,): which regions moved. Remembers what this look tells about the next."""
        self._stir *= np.float32(np.exp(-dt_s / _STIR_S))
        if regions is None:
            self._persistence.learn(None, np.zeros(0), dt_s)
            return np.zeros(0, np.bool_)
        stirs = np.zeros(now.shape, np.uint8)
        stirs.ravel()[regions.where] = self._background.stirs(now, regions.where, self._noise)
        self._stir += cv2.dilate(stirs, _ADJACENT)
        looks, needed = self._persistence.judge(regions, self._count)
        areas, peaks, speck = regions.areas, regions.peaks(away), self._persistence.speck
        new = looks < 0.5
        at_once = max(_LARGE if dt_s <= DENSE_S else _FEWEST_ALONE, 2.5 * speck)
        if np.count_nonzero(regions.kept & new) >= _MANY_AT_ONCE:
            at_once = max(at_once, _MOST_AT_ONCE)  # things come one by one, drops and blocks together
        moved = ((looks > needed) & (areas >= min(6.0, 1 + speck / 2))) | (areas >= at_once)
        # A block that the codec left behind is small, faint, and stays as it is; what creeps changes again.
        stark = peaks > max(8.0, _PULSE_STARK * self._pulse)
        moved &= (areas >= _SMALL) | stark | (regions.peaks(self._stir) > 1.05)
        if self._zone.any:
            moved &= (regions.counts(self._zone.cells) < 0.6 * areas) | (areas >= 2 * _SMALL)
        moved &= regions.kept
        self._persistence.learn(regions, looks, dt_s)
        somebody = regions.cells_of(moved & (peaks > _PULSE_DOUBT * self._pulse))
        self._background.excuse(cv2.dilate(somebody.view(np.uint8), _ADJACENT).view(np.bool_) & ~self._zone.cells)
        return moved


def _outside_of(masks: Sequence[Sequence[tuple[float, float]]], shape: tuple[int, ...]) -> Mask:
    """bool (h, w): cells that no mask touches."""
    height, width = shape
    masked = np.zeros((height, width), np.uint8)
    for mask in masks:
        corners = (np.asarray(mask, np.float64) * (width, height) - 0.5) * 16
        cv2.fillPoly(masked, [np.round(corners).astype(np.int32)], (1,), shift=4)
    unmasked: Mask = masked == 0
    return unmasked


def _probes(unmasked: Mask) -> NDArray[np.intp]:
    """Flat indices of about _PROBES unmasked cells, evenly spread: enough for statistics of the whole picture."""
    step = max(1, round((unmasked.size / _PROBES) ** 0.5))
    grid = np.zeros_like(unmasked)
    grid[step // 2 :: step, step // 2 :: step] = True
    probes = np.flatnonzero(grid & unmasked)
    return probes if len(probes) >= _FEWEST_PROBES else np.flatnonzero(unmasked)
