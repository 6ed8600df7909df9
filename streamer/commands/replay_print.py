"""Where tables of a replay are printed: as wide as the terminal, and wide enough to be read in the log of a CI run."""

from __future__ import annotations

import os

from rich.console import Console

LOG_WIDTH = 150


def console() -> Console:
    """Standard output; a log has no width of its own, and what is folded to 80 columns nobody reads."""
    found = Console(highlight=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, width=LOG_WIDTH)
    return found
