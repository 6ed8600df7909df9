"""The steps of all training tracks, as labelled and disturbed in several ways, computed once and kept in a file."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.behaviour import caviar_tracks, disturb
from models.behaviour.caviar_tracks import Steps, labellings, steps_of
from models.behaviour.disturb import disturbed
from streamer.behaviour import features, motion

LABELS = ("movement", "context", "behaviour")


def gather(
    folder: Path, sequences: tuple[str, ...], variants: int, seed: int, kept: Path, tell: Callable[[str], None] = print
) -> list[list[Steps]]:
    """First the tracks as labelled, then `variants` disturbed ones of each labelling; read from `kept` where it fits.

    A track of a sequence that was labelled several times weighs so much less.
    """
    asked = _asked(sequences, variants, seed)
    if kept.exists():
        with np.load(kept) as stored:
            if str(stored["asked"]) == asked:
                return _unpacked(stored)
    found = labellings(folder, sequences)
    views = Counter(each.sequence for each in found)
    book = []
    for variant in range(variants + 1):
        steps: list[Steps] = []
        for n, labelling in enumerate(found):
            random = np.random.default_rng([seed, variant, n])
            sightings, speed = disturbed(labelling, random) if variant else (labelling.tracks, 1.0)
            weight = 1 / views[labelling.sequence]
            steps += [replace(each, weight=weight) for each in steps_of(labelling, sightings, speed)]
        book.append(steps)
        tell(f"steps of variant {variant} of {variants}: {sum(len(each.at_s) for each in steps)}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(kept, asked=asked, **_packed(book))
    return book


def _asked(sequences: tuple[str, ...], variants: int, seed: int) -> str:
    """What the steps depend on, in hex: the question and the code that answers it."""
    code = [inspect.getsource(each) for each in (features, motion, caviar_tracks, disturb)]
    return hashlib.sha256(repr((sequences, variants, seed, code)).encode()).hexdigest()


def _packed(book: list[list[Steps]]) -> dict[str, np.ndarray]:
    every = [each for steps in book for each in steps]
    columns = {name: np.concatenate([getattr(each, name) for each in every]) for name in ("at_s", "features", *LABELS)}
    return columns | {
        "lengths": np.array([len(each.at_s) for each in every]),
        "variants": np.array([variant for variant, steps in enumerate(book) for _ in steps]),
        "sequences": np.array([each.sequence for each in every]),
        "track_ids": np.array([each.track_id for each in every]),
        "weights": np.array([each.weight for each in every]),
        "scored": np.array([each.scored for each in every]),
    }


def _unpacked(stored: np.lib.npyio.NpzFile) -> list[list[Steps]]:
    ends = np.cumsum(stored["lengths"])
    columns = {name: np.split(stored[name], ends[:-1]) for name in ("at_s", "features", *LABELS)}
    book: list[list[Steps]] = [[] for _ in range(int(stored["variants"].max()) + 1)]
    for n, variant in enumerate(stored["variants"].tolist()):
        book[variant].append(
            Steps(
                str(stored["sequences"][n]), int(stored["track_ids"][n]), float(stored["weights"][n]),
                bool(stored["scored"][n]), *(columns[name][n] for name in ("at_s", "features", *LABELS)),
            )
        )  # fmt: skip
    return book
