"""What a member of the crew is told to do when it begins, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from streamer.live_video import VideoOutlet
from streamer.stages import FrameSource, PacketTap
from streamer.surroundings import Surroundings
from streamer.types import AlertChange, Clip


@dataclass(frozen=True, slots=True)
class Orders:
    """The first letter. cameras: id → whatever the member's own Equipment understands; memory_bytes: of shared frames.

    Not in the member's arguments or environment: addresses of cameras hold passwords.
    """

    cameras: Mapping[str, Any] = field(repr=False)
    memory_bytes: int
    common: Any = None


class Footage(Protocol):
    """The clips and recordings of one camera, in the process that has its packets."""

    def begin(self, opened: AlertChange, done: Callable[[Clip | None], None]) -> None:
        """An alert opened: make its clip."""
        ...

    def end(self, alert_id: str, at: float) -> None:
        """An alert ended at this epoch time."""
        ...

    @property
    def ring_bytes(self) -> int:
        """Packets in memory."""
        ...

    def rows(self) -> Any:
        """(name, label values, value) for telemetry."""
        ...


class Equipment(Protocol):
    """What makes of a member's orders something that runs; in the member's process."""

    def tap(self, camera: str, video: VideoOutlet) -> PacketTap | None:
        """What is shown the camera's packets, and makes its video while somebody watches."""
        ...

    def footage(self, camera: str) -> Footage | None:
        """What makes its clips and recordings."""
        ...

    def source(self, camera: str, around: Surroundings) -> FrameSource:
        """The camera itself."""
        ...

    def take(self, camera: str, orders: Any) -> None:
        """A camera that was not in the first orders, or comes back with others; before anything else is asked of it."""
        ...

    def let_go(self, camera: str) -> Callable[[float], None]:
        """Forget the camera; what is returned completes its footage in so many seconds, once nothing more is read."""
        ...

    def finish(self, within_s: float) -> None:
        """Complete the footage of all cameras with what there is."""
        ...
