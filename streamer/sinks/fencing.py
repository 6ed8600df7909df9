"""Who may speak for a camera, where several machines could: what the sinks need to know of it, and no more.

A camera of a cluster has a lease with a rising *epoch* (streamer/cluster, ADR 13). What a node says about the camera
carries the epoch under which it was found; the same script that would publish it compares that with the newest, so that
a node which was cut off and comes back is not heard any more (Kleppmann, "How to do distributed locking", 2016).

Epoch 0 is the epoch of a service on its own: nobody else could speak for its cameras, and nothing is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

EpochOf = Callable[[str], int]
"""Camera → the epoch under which this node speaks for it, or did last; from any thread, at once."""

NEVER_HELD = -1
"""Of a camera that this node never held: it is older than every other."""

FENCED = "its camera had moved to another node, which speaks for it now"


@runtime_checkable
class Referee(Protocol):
    """A receiver that knows epochs, and whose word the other receivers wait for."""

    def fenced(self) -> Sequence[int]:
        """Rows that were taken by the last call and told to nobody, because the camera had moved."""
        ...
