"""Which series a PromQL expression asks for, read with a small tokenizer of the tests' own."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORDS = {
    "sum", "avg", "min", "max", "count", "by", "without", "on", "ignoring", "group_left", "group_right", "and", "or",
    "unless", "offset", "rate", "increase", "histogram_quantile", "absent", "vector", "bool",
    "max_over_time",
}  # fmt: skip
_LABEL = re.compile(r"([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*\"((?:[^\"\\]|\\.)*)\"\s*,?\s*")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w.])([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{([^}]*)\})?")


@dataclass(frozen=True)
class Selector:
    """A metric that is asked for, and by which labels: label → (operator, value)."""

    metric: str
    labels: dict[str, tuple[str, str]]


def selectors(expression: str) -> list[Selector]:
    """Every metric in the expression. Raises ValueError where the braces hold something else than labels."""
    plain = _GROUPING.sub("", re.sub(r"\[[^\]]*\]", "", expression))
    plain = re.sub(r"\boffset\s+\w+", "", plain)
    found = []
    for match in _SELECTOR.finditer(plain):
        name, inside = match.groups()
        if (name in _WORDS and inside is None) or plain[: match.start()].count('"') % 2:
            continue
        labels = {label: (operator, value) for label, operator, value in _LABEL.findall(inside or "")}
        if rest := _LABEL.sub("", inside or "").strip():
            raise ValueError(f"{expression}: {rest!r} inside braces")
        found.append(Selector(name, labels))
    return found


def grouping_labels(expression: str) -> set[str]:
    """Every label that the expression groups or joins by."""
    return {label.strip() for inside in _GROUPING.findall(expression) for label in inside.split(",") if label.strip()}
