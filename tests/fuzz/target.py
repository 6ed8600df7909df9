"""What is tried against one door: an input is made from a seeded generator and put through the product's own code."""

from __future__ import annotations

import random
from typing import Protocol


class Wrong(Exception):
    """The door answered, and not as it should: the message says what was seen."""


class Target(Protocol):
    """One door. Made in the child process that tries it, with a folder of its own."""

    def try_one(self, rng: random.Random) -> bool:
        """Make one input and put it through: True where it was taken, False where it was refused with a typed error.

        Whatever else is raised is a failure: an error that the door does not promise.
        """
        ...

    def close(self) -> None:
        """Release everything: what is open afterwards is a leak."""
        ...
