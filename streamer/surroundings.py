"""What stands around a camera's source: the books that it writes, whom it asks, who is shown its packets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamer.bell import WakeBell
from streamer.clock import Clock
from streamer.ledger import CameraStatus, FrameLedger
from streamer.live_video import LiveVideo
from streamer.presence import Presence
from streamer.ration import Ration
from streamer.sleep_book import SleepBook

if TYPE_CHECKING:
    from streamer.stages import PacketTap, PictureShrinker


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of one camera. ledger, status, sleep: where its frames went, how its link is, how it sleeps.

    bell: rung by whoever wants it awake. presence: told by analysis whether somebody is in the picture; None: unknown,
    and every look of the sleeping camera is analysed. tap: is shown every packet. shrinker: makes pictures small on the
    device that decodes them, where the detector runs there too. video: what people watch; filled by the tap, wherever
    that is. ration: how many pictures a second there is time for, where that is not as many as are asked for.
    """

    ledger: FrameLedger
    status: CameraStatus
    sleep: SleepBook
    bell: WakeBell | None = None
    presence: Presence | None = None
    tap: PacketTap | None = None
    shrinker: PictureShrinker | None = None
    video: LiveVideo | None = None
    ration: Ration | None = None

    @classmethod
    def alone(cls, camera: str, clock: Clock) -> Surroundings:
        """New books, and nobody who asks or is told."""
        return cls(FrameLedger(camera), CameraStatus(camera, clock.monotonic()), SleepBook(camera))
