"""What a track head said, scored in windows of one second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.behaviour.caviar_tracks import BEHAVIOURS, CONTEXTS, MOVEMENTS, UNKNOWN, Steps
from models.behaviour.roc import area_under_roc
from streamer.behaviour.surprise import surprise

WINDOW_STEPS = 5
"""Five steps of 0.2 s are the 25 frames of a second of CAVIAR."""
STRANGE = ("running", "fallen", "fighting")
"""What nobody does here on an ordinary day."""
NAMES = {"movement": MOVEMENTS, "context": CONTEXTS, "probs": BEHAVIOURS}
LABEL_OF = {"probs": "behaviour", "movement": "movement", "context": "context"}
"""Output of the graph → what it is about, as people and figures call it."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """A track and what was said along it: probs per head float32 (T, K), surprise float32 (T,), NaN at the first."""

    track: Steps
    probs: Mapping[str, NDArray[np.float32]]
    surprise: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        track: Steps,
        probs: Mapping[str, NDArray[np.float32]],
        prediction: NDArray[np.float32],
        spread: NDArray[np.float32],
    ) -> Spoken:
        """From predictions (T, P), of which the last one is about a step that never came."""
        p = prediction.shape[1]
        strange = np.full(len(track.at_s), np.nan, np.float32)
        strange[1:] = surprise(track.features[1:, :p], prediction[:-1], spread[:-1])
        return cls(track, probs, strange)


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows: truth int64 (W,) and probabilities float32 (W, K) per head, surprise float32 (W,), sequence (W,)."""

    truth: Mapping[str, NDArray[np.int64]]
    probs: Mapping[str, NDArray[np.float32]]
    surprise: NDArray[np.float32]
    sequence: NDArray[np.str_]

    @property
    def strange(self) -> NDArray[np.bool_]:
        """Which windows show something of STRANGE."""
        return is_strange(self.truth["probs"])


@dataclass(frozen=True)
class Scores:
    """Macro-F1 is over the classes that occur in the truth; confusion rows are the truth."""

    windows: int
    macro_f1: Mapping[str, float]
    accuracy: Mapping[str, float]
    f1: Mapping[str, Mapping[str, float]]
    confusion: Mapping[str, list[list[int]]]
    anomaly_auc: float
    anomaly_auc_of: Mapping[str, float]

    def as_json(self) -> dict[str, object]:
        """With the names that the evaluation writes."""
        flat: dict[str, object] = {"windows": self.windows, "anomaly_auc": round(self.anomaly_auc, 4)}
        flat["anomaly_auc_of"] = {name: round(value, 4) for name, value in self.anomaly_auc_of.items()}
        for head in self.macro_f1:
            name = LABEL_OF[head]
            flat[f"{name}_macro_f1"] = round(self.macro_f1[head], 4)
            flat[f"{name}_accuracy"] = round(self.accuracy[head], 4)
            flat[f"{name}_f1"] = {each: round(value, 4) for each, value in self.f1[head].items()}
            flat[f"{name}_confusion"] = self.confusion[head]
        return flat


def windows_of(told: Sequence[Spoken]) -> Windows:
    """Whole windows one after the other from each track's first step; the label is the most frequent one in it.

    A window's probabilities are what is said at its end: the head hears only the past, so that it is the first word on
    all of this second (on left-out train clips movement macro-F1 is 0.52 by that, 0.50 by the mean of the steps, which
    is half about the second before). Its surprise is the mean of its steps', as the runtime smooths it.
    """
    truth: dict[str, list[int]] = {head: [] for head in NAMES}
    probs: dict[str, list[NDArray[np.float32]]] = {head: [] for head in NAMES}
    strange, sequences = [], []
    for each in told:
        for start in range(0, len(each.track.at_s) - WINDOW_STEPS + 1, WINDOW_STEPS):
            part = slice(start, start + WINDOW_STEPS)
            for head in NAMES:
                truth[head].append(_most_frequent(getattr(each.track, LABEL_OF[head])[part]))
                probs[head].append(each.probs[head][part][-1])
            strange.append(float(np.nanmean(each.surprise[part])))
            sequences.append(each.track.sequence)
    return Windows(
        {head: np.array(values, np.int64) for head, values in truth.items()},
        {head: np.array(values, np.float32).reshape(-1, len(NAMES[head])) for head, values in probs.items()},
        np.array(strange, np.float32),
        np.array(sequences, np.str_),
    )


def score_windows(told: Sequence[Spoken]) -> Scores:
    """All figures of what was said along some tracks."""
    windows = windows_of(told)
    macro, accuracy, f1, confusion = {}, {}, {}, {}
    for head, names in NAMES.items():
        known = windows.truth[head] != UNKNOWN
        table = confusion_of(windows.truth[head][known], windows.probs[head][known].argmax(1), len(names))
        per_class = f1_of(table)
        f1[head] = {name: value for name, value in zip(names, per_class, strict=True) if not np.isnan(value)}
        macro[head] = float(np.nanmean(per_class)) if known.any() else float("nan")
        accuracy[head] = float(np.trace(table) / max(table.sum(), 1))
        confusion[head] = table.tolist()
    rest = ~windows.strange
    auc_of = {
        name: area_under_roc(windows.surprise[is_it | rest], is_it[is_it | rest])
        for name in STRANGE
        if (is_it := windows.truth["probs"] == BEHAVIOURS.index(name)).any()
    }
    total = area_under_roc(windows.surprise, windows.strange)
    return Scores(len(windows.surprise), macro, accuracy, f1, confusion, total, auc_of)


def is_strange(behaviour: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of these labels, indices of BEHAVIOURS, are STRANGE."""
    return np.isin(behaviour, [BEHAVIOURS.index(name) for name in STRANGE])


def confusion_of(truth: NDArray[np.int64], said: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """int64 (classes, classes): rows truth, columns what was said."""
    return np.bincount(truth * classes + said, minlength=classes * classes).reshape(classes, classes)


def f1_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 per class, NaN for a class that does not occur in the truth."""
    hits, true, said = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    return np.where(true > 0, 2 * hits / np.maximum(true + said, 1), np.nan)


def _most_frequent(labels: NDArray[np.int64]) -> int:
    values, counts = np.unique(labels, return_counts=True)
    return int(values[counts.argmax()])
