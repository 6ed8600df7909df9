"""Confusion matrices, ROC and reliability as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.behaviour.caviar_tracks import BEHAVIOURS, UNKNOWN
from models.behaviour.roc import roc
from models.behaviour.windows import LABEL_OF, NAMES, STRANGE, Windows, confusion_of
from models.detector.curves import require_matplotlib
from streamer.errors import ArtifactError

BINS = 10


def draw_track_pictures(windows: Windows, title: str, folder: Path) -> list[Path]:
    """confusion.png, roc.png and reliability.png of a track head. Raises ConfigError, ArtifactError."""
    require_matplotlib()
    confusions = {}
    for head, names in NAMES.items():
        known = windows.truth[head] != UNKNOWN
        said = windows.probs[head][known].argmax(1)
        confusions[LABEL_OF[head]] = (
            names,
            confusion_of(windows.truth[head][known], said, len(names)),
        )
    truth, rest = windows.truth["probs"], ~windows.strange
    curves = {
        name: roc(windows.surprise[is_it | rest], is_it[is_it | rest])
        for name in STRANGE
        if (is_it := truth == BEHAVIOURS.index(name)).any() and rest.any()
    }
    reliabilities = {LABEL_OF[head]: reliability(windows.probs[head], windows.truth[head]) for head in NAMES}
    return [
        draw_confusions(confusions, title, folder / "confusion.png"),
        draw_roc(curves, f"{title}: surprise", folder / "roc.png"),
        draw_reliability(reliabilities, title, folder / "reliability.png"),
    ]


def reliability(probs: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64 (B, 3) by how sure it was: mean probability of what was said, share of it that was right, how many."""
    known = truth != UNKNOWN
    sure, right = probs[known].max(1), probs[known].argmax(1) == truth[known]
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    return np.array([[sure[at].mean(), right[at].mean(), at.sum()] for n in range(BINS) if (at := places == n).any()])


def draw_confusions(tables: Mapping[str, tuple[Sequence[str], NDArray[np.int64]]], title: str, file: Path) -> Path:
    """Rows are the truth, as shares of it, with the counts written in."""
    figure = _figure(5.2 * len(tables), 5)
    for n, (head, (names, table)) in enumerate(tables.items()):
        axes = figure.add_subplot(1, len(tables), n + 1, title=head, xlabel="said", ylabel="true")
        axes.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        for y, x in np.ndindex(table.shape):
            dark = table[y, x] > 0.5 * table[y].sum()
            axes.text(x, y, str(table[y, x]), ha="center", va="center", color="white" if dark else "black")
    figure.suptitle(title)
    return _saved(figure, file)


def draw_roc(curves: Mapping[str, NDArray[np.float64]], title: str, file: Path) -> Path:
    """One line per name, with the area under it."""
    figure = _figure(6, 6)
    axes = figure.add_subplot(xlim=(0, 1), ylim=(0, 1.01), xlabel="false alarms", ylabel="found", title=title)
    axes.grid(alpha=0.3)
    axes.plot([0, 1], [0, 1], ":", color="grey")
    for name, points in curves.items():
        area = float(np.trapezoid(points[:, 1], points[:, 0]))
        axes.plot(points[:, 0], points[:, 1], label=f"{name} {area:.3f}")
    if curves:
        axes.legend(title="area under the curve", loc="lower right")
    return _saved(figure, file)


def draw_reliability(tables: Mapping[str, NDArray[np.float64]], title: str, file: Path) -> Path:
    """How often it is right when it is so sure; on the line it is as right as it says."""
    figure = _figure(6, 6)
    axes = figure.add_subplot(
        xlim=(0, 1), ylim=(0, 1), xlabel="probability of what was said", ylabel="share that was right", title=title
    )
    axes.grid(alpha=0.3)
    axes.plot([0, 1], [0, 1], ":", color="grey")
    for name, table in tables.items():
        if not len(table):
            continue
        off = float((np.abs(table[:, 0] - table[:, 1]) * table[:, 2]).sum() / table[:, 2].sum())
        axes.plot(table[:, 0], table[:, 1], "o-", label=f"{name}, off by {off:.3f} in the mean")
    axes.legend(loc="upper left")
    return _saved(figure, file)


def _figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no window, no global state
    return figure


def _saved(figure, file: Path) -> Path:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=80)
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be written: {error.strerror or error}") from error
    return file
