"""Which packets of a stream make up an excerpt of it: every picture in it can be decoded, and none is missing."""

from __future__ import annotations

from typing import Literal

from streamer.packet_ring import KeptPacket

Verdict = Literal["skip", "write", "end"]


class Excerpt:
    """Give it packets in the order in which they came. It begins with the first key frame.

    until_s         it ends once everything up to here is shown; may be set later
    most_s          how long it may be
    longest_gap_s   a step of time that is longer, either way, ends it
    """

    def __init__(self, *, most_s: float = float("inf"), longest_gap_s: float = float("inf")) -> None:
        self.until_s = float("inf")
        self.first_s: float | None = None
        self._most_s, self._longest_gap_s = most_s, longest_gap_s
        self._last_s = self._shown_to_s = 0.0
        self._leading = True

    def judge(self, kept: KeptPacket) -> Verdict:
        """What becomes of the next packet; `end`: of this one and all that follow nothing."""
        at_s = kept.stream_s
        if self.first_s is None:
            return self._begin(kept)
        if abs(at_s - self._last_s) > self._longest_gap_s:
            return "end"
        if self._leading:
            # Shown before the key frame although they come after it: they need what was before it (open GOP).
            if at_s < self.first_s:
                return "skip"
            self._leading = False
        # One that is shown before a picture which is written already would leave a hole.
        if at_s > self._shown_to_s and (self._shown_to_s >= self.until_s or at_s - self.first_s > self._most_s):
            return "end"
        self._last_s, self._shown_to_s = at_s, max(at_s, self._shown_to_s)
        return "write"

    def _begin(self, kept: KeptPacket) -> Verdict:
        if kept.stream_s > self.until_s:
            return "end"
        if not kept.packet.is_keyframe:
            return "skip"
        self.first_s = self._last_s = self._shown_to_s = kept.stream_s
        return "write"
