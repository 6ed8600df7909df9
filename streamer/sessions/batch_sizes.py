"""Which numbers of pictures a run may have, and how any number of frames is cut into such runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

GPU_SIZES = (1, 2, 4, 8)
"""Batches for which a GPU's launches are recorded: at most half of a run is padding, and four recordings are kept."""


class Run(NamedTuple):
    """One run over a batch: the first slot, how many slots are pictures, and how many are run with them as padding."""

    first: int
    pictures: int
    padded: int


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """The sizes that a session is prepared for, rising; none: it takes any number alike."""

    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.sizes) or list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"batch sizes must rise from 1 or more; got {self.sizes}")

    def runs(self, pictures: int) -> list[Run]:
        """All pictures in as few runs as possible, the last one padded up to the next size."""
        if not pictures:
            return []
        if not self.sizes:
            return [Run(0, pictures, pictures)]
        largest = self.sizes[-1]
        full = [Run(first, largest, largest) for first in range(0, pictures - largest + 1, largest)]
        left = pictures - len(full) * largest
        if left:
            full.append(Run(len(full) * largest, left, next(size for size in self.sizes if size >= left)))
        return full
