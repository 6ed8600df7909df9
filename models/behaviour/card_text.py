"""What the cards of both heads are put together from: paragraphs, lists, and the sections that are alike."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from streamer.behaviour.head_artifact import HeadManifest

_WIDTH = 118


def filled(text: str) -> str:
    """One paragraph."""
    return textwrap.fill(text, _WIDTH)


def bullets(*texts: str) -> str:
    """A list."""
    return "\n".join(textwrap.fill(each, _WIDTH, initial_indent="- ", subsequent_indent="  ") for each in texts)


def file_line(manifest: HeadManifest, size_bytes: int) -> str:
    """What model.onnx is."""
    return f"File: fp32 ONNX, opset {manifest.opset}, {size_bytes / 1e6:.2f} MB, licence {manifest.licence}"


def missed(figures: Mapping[str, Any], asked: Mapping[str, float], where: str = "") -> list[str]:
    """A sentence for each figure that is below what was asked for."""
    return [
        f"{name.replace('_', ' ')}{where} is {figures[name]:.2f} where {least:g} was asked for."
        for name, least in asked.items()
        if figures[name] < least
    ]


def how_it_was_made(manifest: HeadManifest, figures: Mapping[str, Any], again: str) -> list[str]:
    """The last section, a part each: what is known of its making, the proof of the graph, how to measure it again."""
    parity = manifest.parity
    return [
        "## How it was made",
        bullets(*(f"{key}: {value}" for key, value in manifest.provenance.items())),
        filled(f"Parity with torch over {parity.get('steps')} carried steps: {parity.get('largest_difference')}."),
        filled(f"Measured {figures.get('date')} on {figures.get('machine')}. Again: `{again}`."),
    ]
