"""Precision-recall curves as a picture, each with its operating point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.average_precision import Curve
from models.scores import ClassCurves, ClassScore
from streamer.errors import ArtifactError, ConfigError

SUFFIXES = (".png", ".svg", ".pdf")


def require_matplotlib() -> None:
    """Raises ConfigError where curves cannot be drawn: better before a long evaluation than after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError([f"matplotlib is not installed ({error}): pip install 'streamer[train]'"]) from error


def draw(curves: Mapping[str, ClassCurves], scores: Mapping[str, ClassScore], title: str, file: Path) -> None:
    """Write one picture of every class that has true boxes: its curve at IoU 0.5, and a dot at its chosen score.

    Raises ConfigError without matplotlib, ArtifactError where the file cannot be written.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)  # no window, no global state
    axes = figure.add_subplot(
        xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision at IoU 0.5", title=title
    )
    axes.grid(alpha=0.3)
    for name, each in curves.items():
        figures = scores[name]
        if not each.in_model or not each.at50.true_count:
            continue
        [line] = axes.plot(*_steps(each.at50), label=f"{name} {figures.ap50:.3f}")
        if not math.isnan(figures.precision):
            axes.plot(figures.recall, figures.precision, "o", color=line.get_color())
    if axes.get_lines():
        axes.legend(title="AP50; dot: chosen score", loc="lower left", fontsize="small")
    try:
        figure.savefig(file, dpi=120)
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be written: {error.strerror or error}") from error


def _steps(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """(recall, precision) at every score that a threshold can have, from recall 0 on."""
    ends = curve.ends_of_ties
    recall, precision = curve.recall[ends], curve.precision[ends]
    return np.concatenate([[0.0], recall]), np.concatenate([precision[:1] if len(precision) else [0.0], precision])
