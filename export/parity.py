"""Proof that a graph says what another one says, in three tiers; a failed tier raises ParityError.

1. Tensors. Names, types and shapes of all outputs are equal, for one picture and for several at once, and values differ
   by less than a limit: absolutely where the caller knows the output, else relative to the output's own size (root
   mean square of the difference over that of the values).
2. Meaning. What the reference shows (after suppression, at its operating point) has a partner of the same class in the
   other one. Partners are looked for before suppression: which of two near-equal boxes of one object suppression keeps
   is a toss that says nothing about precision; whether it costs accuracy is for the third tier to say.
3. Task. Average precision at IoU 0.5 on labelled pictures drops by less than a limit.

What was measured becomes part of the manifest, so that a model card can quote it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.calibration import Canvas
from export.limits import Limits
from export.speaker import Outputs, Speaker
from models.average_precision import iou
from streamer.artifacts import load_artifact
from streamer.detect.layouts import Candidates
from streamer.errors import ArtifactError

Task = Callable[[Path], Mapping[str, float]]
"""A model folder → AP50 per class; NaN where the set holds no such object."""

NOT_MEASURED = "not measured"
_TOGETHER = 3
_ROUNDING = 1e-9


class ParityError(ArtifactError):
    """Two graphs do not say the same; the message names tensor or tier, limit, and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What was measured; see Limits for the words. task: AP50 by class before and after, None where not measured."""

    against: str
    pictures: int
    largest_difference: Mapping[str, float]
    relative_difference: Mapping[str, float]
    objects: int
    partner_iou: float
    partner_share: float
    worst_partner_iou: float
    mean_partner_iou: float
    mean_score_difference: float
    largest_score_difference: float
    task: tuple[Mapping[str, float], Mapping[str, float]] | None = None

    @classmethod
    def of(
        cls,
        against: str,
        pictures: int,
        tensors: Tensors,
        meaning: Meaning,
        task: tuple[Mapping[str, float], Mapping[str, float]] | None = None,
    ) -> Parity:
        """What the tiers gathered."""
        return cls(
            against=against,
            pictures=pictures,
            largest_difference=dict(tensors.largest),
            relative_difference=tensors.relative,
            objects=len(meaning.ious),
            partner_iou=meaning.limits.partner_iou,
            partner_share=meaning.share,
            worst_partner_iou=min(meaning.ious, default=1.0),
            mean_partner_iou=float(np.mean(meaning.ious)) if meaning.ious else 1.0,
            mean_score_difference=float(np.mean(meaning.score_differences)) if meaning.score_differences else 0.0,
            largest_score_difference=max(meaning.score_differences, default=0.0),
            task=task,
        )

    @property
    def ap50_drop(self) -> float:
        """Of the mean over classes; NaN where the task was not measured."""
        return _drop(*self.task)[0] if self.task else math.nan

    def as_dict(self) -> dict[str, Any]:
        """For the manifest."""
        task: Any = NOT_MEASURED
        if self.task:
            before, after = ({k: round(v, 4) for k, v in each.items() if not math.isnan(v)} for each in self.task)
            task = {"ap50_before": before, "ap50_after": after, "mean_ap50_drop": round(self.ap50_drop, 4)}
        return {
            "against": self.against,
            "pictures": self.pictures,
            "largest_difference": {name: _short(value) for name, value in self.largest_difference.items()},
            "relative_difference": {name: _short(value) for name, value in self.relative_difference.items()},
            "objects": self.objects,
            "partners": {f"IoU {self.partner_iou:g}": round(self.partner_share, 4)} if self.objects else NOT_MEASURED,
            "worst_partner_iou": round(self.worst_partner_iou, 5),
            "mean_partner_iou": round(self.mean_partner_iou, 5),
            "mean_score_difference": _short(self.mean_score_difference),
            "largest_score_difference": _short(self.largest_score_difference),
            "task": task,
        }


def prove(
    reference: Path, candidate: Path, pictures: Sequence[Canvas], limits: Limits, task: Task | None = None
) -> Parity:
    """Hold one model folder to another of the same net. Raises ParityError at the first tier that fails.

    pictures: uint8 (H, W, 3) RGB on the net's canvas, none that the candidate was calibrated on; where nothing is shown
    in them, the second tier proves nothing and says so (`objects` 0). Without task the third is not measured.
    """
    if not pictures:
        raise ParityError("without pictures nothing can be proved")
    here, there = Speaker(load_artifact(reference)), Speaker(load_artifact(candidate))
    tensors, meaning = Tensors(limits, here.uneven), Meaning(limits)
    for picture in pictures:
        expected, found = here.say([picture]), there.say([picture])
        tensors.compare(expected, found)
        meaning.compare(here.shown(expected), there.candidates(found))
    if here.manifest.input.batch == "any" and len(pictures) > 1:
        tensors.compare(here.say(pictures[:_TOGETHER]), there.say(pictures[:_TOGETHER]))
    tensors.judge()
    meaning.judge()
    before_and_after = None
    if task:
        before_and_after = task(reference), task(candidate)
        judge_task(*before_and_after, limits)
    named = f"{here.manifest.name}, {here.manifest.precision}, sha256 {here.manifest.sha256[:12]}"
    return Parity.of(named, len(pictures), tensors, meaning, before_and_after)


class Tensors:
    """The first tier: gathers differences run by run, judges them at the end."""

    def __init__(self, limits: Limits, uneven: frozenset[str] = frozenset()) -> None:
        """uneven: outputs with a row per object: how many rows they have is for the second tier to judge."""
        self._limits, self._uneven = limits, uneven
        self.largest: dict[str, float] = {}
        self._squares: dict[str, list[float]] = {}

    @property
    def relative(self) -> dict[str, float]:
        """Root mean square of the difference over that of the values, per output."""
        return {
            name: math.sqrt(off / size) if size else (0.0 if not off else math.inf)
            for name, (off, size) in self._squares.items()
        }

    def compare(self, expected: Outputs, found: Outputs) -> None:
        """One run. Raises ParityError where names, types or shapes differ, or a value is no number."""
        if list(expected) != list(found):
            raise ParityError(f"outputs: expected {list(expected)}, the graph has {list(found)}")
        for name, truth in expected.items():
            other = found[name]
            if other.dtype != truth.dtype:
                raise ParityError(f"output '{name}': expected {truth.dtype}, the graph gives {other.dtype}")
            if name in self._uneven and other.ndim == truth.ndim:
                continue
            if other.shape != truth.shape:
                raise ParityError(f"output '{name}': expected the shape {truth.shape}, the graph gives {other.shape}")
            a, b = truth.astype(np.float64), other.astype(np.float64)
            if not np.isfinite(b[np.isfinite(a)]).all():
                raise ParityError(
                    f"output '{name}': the graph gives NaN or infinity where the reference gives a number"
                )
            off = np.abs(np.where(np.isfinite(a), b - a, 0.0))
            self.largest[name] = max(self.largest.get(name, 0.0), float(off.max(initial=0.0)))
            sums = self._squares.setdefault(name, [0.0, 0.0])
            sums[0] += float(np.square(off).sum())
            sums[1] += float(np.square(np.where(np.isfinite(a), a, 0.0)).sum())

    def judge(self) -> None:
        """Raises ParityError for the first output that differs by more than its limit."""
        relative = self.relative
        for name, largest in self.largest.items():
            if name in self._limits.differences:
                allowed = self._limits.differences[name]
                if not largest <= allowed:
                    raise ParityError(f"output '{name}': differs by {largest:.3g}, allowed {allowed:.3g}")
            elif not relative[name] <= self._limits.relative:
                raise ParityError(
                    f"output '{name}': differs by {relative[name]:.3g} of its own size (root mean square), "
                    f"allowed {self._limits.relative:.3g}"
                )


class Meaning:
    """The second tier: gathers shown boxes and their partners picture by picture, judges them at the end."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ious: list[float] = []
        self.edges_px: list[float] = []
        self.score_differences: list[float] = []

    def compare(self, shown: Candidates, others: Candidates) -> None:
        """One picture: what the reference shows, and whatever the other one found."""
        fits = (shown.class_ids[:, None] == others.class_ids[None]) & (
            others.scores[None] >= shown.scores[:, None] - self.limits.score_slack
        )
        overlap = np.where(fits, iou(shown.boxes_xyxy, others.boxes_xyxy), 0.0)
        for row, box, score in zip(overlap, shown.boxes_xyxy, shown.scores, strict=True):
            best = int(row.argmax()) if len(row) else -1
            if best < 0 or row[best] <= 0:
                self.ious.append(0.0)
                self.edges_px.append(math.inf)
                continue
            self.ious.append(float(row[best]))
            self.edges_px.append(float(np.abs(others.boxes_xyxy[best] - box).max()))
            self.score_differences.append(float(abs(others.scores[best] - score)))

    @property
    def share(self) -> float:
        """Of the shown boxes, how many have a partner; 1 where nothing is shown."""
        near = (np.array(self.ious) >= self.limits.partner_iou) | (np.array(self.edges_px) <= self.limits.edge_px)
        return float(np.mean(near)) if self.ious else 1.0

    def judge(self) -> None:
        """Raises ParityError where partners are missing, or differ too much on the whole."""
        limits, n = self.limits, len(self.ious)
        if not n:
            return
        worst, mean = min(self.ious), float(np.mean(self.ious))
        if self.share < limits.partner_share:
            without = round(n * (1 - self.share))
            raise ParityError(
                f"{without} of {n} shown boxes have no partner of IoU {limits.partner_iou:g} or more in the graph "
                f"(worst {worst:.4f}); at most {math.floor(n * (1 - limits.partner_share) + _ROUNDING)} may lack one"
            )
        if mean < limits.mean_iou:
            raise ParityError(
                f"shown boxes: mean IoU with their partners {mean:.4f}, at least {limits.mean_iou:g} needed"
            )
        off = float(np.mean(self.score_differences)) if self.score_differences else 0.0
        if off > limits.score_difference:
            raise ParityError(
                f"shown boxes: scores differ by {off:.4f} in the mean, allowed {limits.score_difference:g}"
            )


def judge_task(before: Mapping[str, float], after: Mapping[str, float], limits: Limits) -> None:
    """The third tier. Raises ParityError where AP50 drops too far, in the mean or in one class."""
    mean, worst, label = _drop(before, after)
    if math.isnan(mean):
        raise ParityError("AP50: no class of the labelled set is one of the model's, so the drop cannot be measured")
    if mean > limits.ap50_drop + _ROUNDING:
        raise ParityError(f"AP50: drops by {mean:.4f} in the mean over classes, allowed {limits.ap50_drop:g}")
    if worst > limits.class_ap50_drop + _ROUNDING:
        raise ParityError(f"AP50 of '{label}': drops by {worst:.4f}, allowed {limits.class_ap50_drop:g}")


def _drop(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[float, float, str]:
    """(mean drop over classes, largest drop, its class); NaN where no class has a figure."""
    drops = {
        label: value - (0.0 if math.isnan(after.get(label, math.nan)) else after[label])
        for label, value in before.items()
        if not math.isnan(value)
    }
    if not drops:
        return math.nan, math.nan, ""
    worst = max(drops, key=lambda label: drops[label])
    return sum(drops.values()) / len(drops), drops[worst], worst


def _short(value: float) -> float:
    return float(f"{value:.3g}")
