"""The Redis keys under which messages lie."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Keys:
    """Where things lie in Redis. A prefix in braces ('{streamer}') keeps them in one slot of a Redis Cluster.

    sharded: over a whole cluster. What must be written in one step (alerts and their books, leases of cameras) lies in
    the prefix's slot, and what is much (live feeds) in the slot of its camera: the words in braces say which.
    """

    prefix: str = "streamer"
    sharded: bool = False

    @property
    def _together(self) -> str:
        return f"{{{self.prefix}}}" if self.sharded else self.prefix

    def _of_camera(self, camera: str) -> str:
        return f"{{{camera}}}" if self.sharded else camera

    @property
    def alerts(self) -> str:
        """Stream of alert changes."""
        return f"{self._together}:alerts"

    @property
    def open_alerts(self) -> str:
        """Hash id → alert message: what is open now, for those who join late."""
        return f"{self._together}:alerts:open"

    @property
    def cameras(self) -> str:
        """Hash camera → camera message."""
        return f"{self._together}:cameras"

    @property
    def recent(self) -> str:
        """Hash id → highest seq of alerts published lately; together with `recent_before` a bounded memory."""
        return f"{self._together}:alerts:recent"

    @property
    def recent_before(self) -> str:
        """The generation before `recent`."""
        return f"{self._together}:alerts:recent:before"

    @property
    def commands(self) -> str:
        """Stream of what others ask of the service."""
        return f"{self._together}:commands"

    @property
    def leases(self) -> str:
        """Hash camera → 'EPOCH UNTIL_MS OWNER': which node may speak for it, see docs/wire.md."""
        return f"{self._together}:leases"

    @property
    def handovers(self) -> str:
        """Hash camera → handover message: what its next owner needs to know."""
        return f"{self._together}:handovers"

    @property
    def cluster(self) -> Keys:
        """What a cluster knows of itself, in a slot of its own: the lease of its placement, and its `state`."""
        return replace(self, prefix=f"{self.prefix}:cluster")

    @property
    def state(self) -> str:
        """Hash of a cluster: configuration, shares, beats and drains, see streamer/cluster/state.py."""
        return f"{self._together}:state"

    def detections(self, camera: str) -> str:
        """Stream of frame messages of one camera."""
        return f"{self.prefix}:detections:{self._of_camera(camera)}"

    def fence(self, camera: str) -> str:
        """The highest epoch that the live feed of a camera has seen; in the slot of its stream."""
        return f"{self.prefix}:fence:{self._of_camera(camera)}"

    def outbox(self, line: str) -> str:
        """Hash with the last outbox row that came through on one line (outbox to receiver)."""
        return f"{self._together}:outbox:{line}"

    def dead_letters(self, group: str) -> str:
        """Stream of what a consumer group could not handle."""
        return f"{self._together}:alerts:dead:{group}"
