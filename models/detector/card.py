"""The model card: what a detector is for, what it was measured to do, what it cannot do, and what it is made of.

Made from the manifest and from results, so that the card can only say what was measured. `results` holds, each part but
`sets` optional:

    purpose     a sentence or two about what the model is meant for
    sets        {set: {class: ClassScore or its as_json()}}
    reference   {detector: sets, as above}, on the same pictures
    ms          {precision: {threads: milliseconds in session.run}}, and machine: what they were measured on
    weak        sentences about weaknesses, put before those that the figures tell by themselves
    again       the command that measures again
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from models.scores import ClassScore
from streamer.artifacts import Manifest

# What is not found half of the time, or judged by a handful of boxes, is said in words and not only in a table.
_LOW_AP50 = 0.5
_FEW_BOXES = 30
_MANY_FALSE = 0.05
_CLEARLY_WORSE = 0.05

_Figures = Mapping[str, float | int | None]
_Sets = dict[str, dict[str, _Figures]]


def card(manifest: Manifest, results: Mapping[str, object], size_bytes: int) -> str:
    """The text of CARD.md; size_bytes is that of model.onnx."""
    given = cast(Mapping[str, Any], results)
    sets = _as_figures(given["sets"])
    reference = {name: _as_figures(theirs) for name, theirs in given.get("reference", {}).items()}
    parts = [
        [f"# {manifest.name}"],
        _paragraph(str(given.get("purpose", ""))),
        _about(manifest, size_bytes),
        ["## What it finds", "", *_found(sets), "", *_LEGEND],
        ["## Beside others on the same pictures", "", *_beside(sets, reference)] if reference else [],
        ["## How fast", "", *_speed(given["ms"], given.get("machine"))] if given.get("ms") else [],
        ["## Where it is weak", "", *_bullets([*given.get("weak", ()), *_weaknesses(manifest, sets, reference)])],
        ["## From which score on a detection counts", "", *_points(manifest)],
        ["## Data and licences", "", *_data(manifest)],
        ["## How it was made", "", *_listed(manifest.provenance, leave_out=("data",))],
        ["## Parity of the graph with the net it was exported from", "", *_listed(manifest.parity)]
        if manifest.parity
        else [],
        [f"Again: `{given['again']}`."] if given.get("again") else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


_LEGEND = (
    "AP50: average precision at IoU 0.5; AP50:95: mean over IoU 0.50 to 0.95; precision, recall: at the chosen score.",
    "False: boxes above the chosen score per picture that holds none of the class. –: cannot be said on this set.",
)


def _as_figures(sets: Mapping[str, Mapping[str, Any]]) -> _Sets:
    return {
        name: {label: each.as_json() if isinstance(each, ClassScore) else each for label, each in by_class.items()}
        for name, by_class in sets.items()
    }


def _ap50(sets: _Sets, name: str, label: str) -> float | int | None:
    return sets.get(name, {}).get(label, {}).get("ap50")


def _about(manifest: Manifest, size_bytes: int) -> list[str]:
    w, h = manifest.input.size
    return _bullets(
        [
            f"Classes: {', '.join(filter(None, manifest.labels))}",
            f"Input: {w}×{h} {manifest.input.channels}, {manifest.input.dtype} {manifest.input.layout}, "
            f"{manifest.input.mode}",
            f"File: {manifest.precision} ONNX, opset {manifest.opset}, {size_bytes / 1e6:.2f} MB, "
            f"licence {manifest.licence}",
        ]
    )


def _found(sets: _Sets) -> list[str]:
    keys = ("ap50", "ap", "precision", "recall", "true_boxes", "false_per_empty_picture", "empty_pictures")
    heads = ("set", "class", "AP50", "AP50:95", "precision", "recall", "true boxes", "false", "in pictures")
    return _table(
        heads,
        (
            (name, label, *(_figure(each.get(key)) for key in keys))
            for name, by_class in sets.items()
            for label, each in by_class.items()
        ),
    )


def _beside(sets: _Sets, reference: Mapping[str, _Sets]) -> list[str]:
    rows = []
    for name, by_class in sets.items():
        for label, each in by_class.items():
            theirs = [_ap50(other, name, label) for other in reference.values()]
            if any(figure is not None for figure in theirs):
                rows.append((name, label, _figure(each.get("ap50")), *map(_figure, theirs)))
    return _table(("set", "class", "this model, AP50", *reference), rows)


def _speed(ms: Mapping[str, Mapping[str, float]], machine: object) -> list[str]:
    on = f" Measured on {machine}." if machine else ""
    rows = [(precision, threads, f"{each:.2f}") for precision, by in ms.items() for threads, each in by.items()]
    return [
        *_table(("precision", "threads", "ms per frame"), rows),
        "",
        *_paragraph(f"Median time of a single frame in the net alone.{on}"),
    ]


def _weaknesses(manifest: Manifest, sets: _Sets, reference: Mapping[str, _Sets]) -> list[str]:
    """What the figures say by themselves."""
    said, measured = [], set()
    for name, by_class in sets.items():
        for label, each in by_class.items():
            ap50, boxes, false = each.get("ap50"), each.get("true_boxes") or 0, each.get("false_per_empty_picture")
            if ap50 is not None:
                measured.add(label)
                few = f" Only {boxes} true boxes stand behind that figure." if boxes < _FEW_BOXES else ""
                if ap50 < _LOW_AP50:
                    said.append(f"{label} on {name}: AP50 is only {ap50:.2f}.{few}")
                elif few:
                    said.append(f"{label} on {name}: AP50 is {ap50:.2f}, but a rough figure.{few}")
                for other, theirs in reference.items():
                    rival = _ap50(theirs, name, label)
                    if rival is not None and rival - ap50 >= _CLEARLY_WORSE:
                        said.append(f"{label} on {name}: {other} finds them better, AP50 {rival:.2f}.")
            if false is not None and false > _MANY_FALSE:
                said.append(
                    f"{label} on {name}: {false:.2f} false boxes above the chosen score per picture without any."
                )
    if never := [label for label in manifest.labels if label and label not in measured]:
        said.append(f"Never measured, for want of true boxes: {', '.join(never)}.")
    return said or ["No class fell below the limits at which this card would warn of it."]


def _points(manifest: Manifest) -> list[str]:
    limits = manifest.thresholds
    labels = [label for label in manifest.labels if label]
    reasons = manifest.metrics.get("operating_points")
    why = reasons if isinstance(reasons, Mapping) else {}
    return _table(
        ("class", "score", "why"),
        ((label, f"{limits.track_score_of(label):g}", str(why.get(label, "–"))) for label in labels),
    )


def _data(manifest: Manifest) -> list[str]:
    data = manifest.provenance.get("data")
    if isinstance(data, str):
        return _paragraph(data)
    if not isinstance(data, list) or not data:
        return ["The manifest does not say what it was trained on."]
    keys = ("name", "licence", "pictures", "used_as")
    sets = [each for each in data if isinstance(each, Mapping)]
    return _table(
        ("set", "licence", "pictures", "used as"),
        ([_figure(each.get(key)) for key in keys] for each in sets),
    )


def _listed(facts: Mapping[str, object], leave_out: Sequence[str] = ()) -> list[str]:
    """Free facts as bullets, nested ones on the same line."""
    return _bullets(
        f"{_words(key)}: {_fact(value)}" for key, value in facts.items() if key not in leave_out
    ) or ["Nothing was recorded."]  # fmt: skip


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(key)} {_fact(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_fact, value))
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _figure(value: object) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in line) + " |" for line in lines]


def _bullets(sentences: Iterable[str]) -> list[str]:
    return [
        line
        for sentence in sentences
        for line in textwrap.wrap(
            sentence, 118, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    ]


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)
