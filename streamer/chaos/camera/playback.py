"""Which picture of a looped clip is due at which moment, for one client."""

from __future__ import annotations

from streamer.chaos.camera.coded_clip import CodedClip, CodedPicture

LATE_S = 1.0


class Playback:
    """Pictures in the order in which they are sent, from a key picture on. Times are monotonic seconds.

    Whoever is late by more than LATE_S goes on at the next key picture that is still to come, as an encoder would:
    what was not sent in time is gone.
    """

    def __init__(self, clip: CodedClip, now_s: float) -> None:
        self._clip = clip
        self._anchor_s, self._anchored_at = now_s, 0.0  # this moment ↔ this place, in seconds of the endless clip
        self._next = 0
        self._speed = 1.0

    @property
    def codec_clip(self) -> CodedClip:
        """What is played."""
        return self._clip

    @property
    def due_s(self) -> float:
        """When the next picture is to be sent."""
        return self._anchor_s + (self._place(self._next) - self._anchored_at) / self._speed

    def take(self) -> tuple[CodedPicture, float]:
        """The next picture, and the moment at which it is shown."""
        picture = self._picture(self._next)
        shown_s = self.due_s + (picture.shown_s - picture.sent_s) / self._speed
        self._next += 1
        return picture, shown_s

    def set_speed(self, speed: float, now_s: float) -> None:
        """So many times as many pictures from now on."""
        if speed != self._speed:
            self._anchor_s, self._anchored_at = max(now_s, self.due_s), self._place(self._next)
            self._speed = speed

    def keep_up(self, now_s: float) -> int:
        """Let go of what can no longer be sent in time; returns how many pictures that were."""
        if now_s - self.due_s <= LATE_S:
            return 0
        before = self._next
        place = self._anchored_at + (now_s - self._anchor_s) * self._speed
        self._next = max(self._next, int(place // self._clip.length_s) * len(self._clip.pictures))
        while self.due_s < now_s or not self._picture(self._next).is_key:
            self._next += 1
        return self._next - before

    def _picture(self, number: int) -> CodedPicture:
        return self._clip.pictures[number % len(self._clip.pictures)]

    def _place(self, number: int) -> float:
        loops, i = divmod(number, len(self._clip.pictures))
        return loops * self._clip.length_s + self._clip.pictures[i].sent_s
