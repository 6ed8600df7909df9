"""When the camera saw a frame, in epoch seconds: `captured_at`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class RecordedClock:
    """A recording: its creation time, where the container tells it, plus media time. The same at every replay."""

    def __init__(self, created_at: float) -> None:
        self._created_at = created_at

    def at(self, media_s: float, stream_s: float, arrived_at: float) -> float:
        """Epoch seconds of the frame at media_s."""
        del stream_s, arrived_at
        return self._created_at + media_s

    def skew_s(self, stream_s: float, arrived_at: float) -> float | None:
        """A recording has no clock of its own."""
        del stream_s, arrived_at
        return None


class CameraClock:
    """A live camera: its own clock where it sends it and it can be right, else ours less the delay we cannot see.

    RTCP sender reports tie the stream's timeline to the camera's clock; `realtime_at_zero()` is the epoch time of
    stream time 0, or None while no report came. A camera clock that is more than TRUSTED_WITHIN_S off ours is not
    believed: an alert two hours away helps nobody.

    Otherwise a frame was captured at its media time after the session's start, and the start is estimated from the
    arrival that was delayed least: the smallest (arrival − media time) of the last one to two WINDOW_S. The
    window lets the estimate follow a camera whose clock runs slower than ours. What stays is the least delay of
    the way, which nobody can measure from one end.

    A better estimate is approached at MOST_SLEW seconds per second, so that captured_at always rises.
    """

    TRUSTED_WITHIN_S = 30.0
    WINDOW_S = 30.0
    MOST_SLEW = 0.5

    def __init__(self, realtime_at_zero: Callable[[], float | None]) -> None:
        self._realtime_at_zero = realtime_at_zero
        self._minima: deque[tuple[float, float]] = deque(maxlen=2)  # (window's start in media time, least offset in it)
        self._offset_s: float | None = None
        self._last_media_s = 0.0

    def at(self, media_s: float, stream_s: float, arrived_at: float) -> float:
        """Epoch seconds of the frame at media_s; stream_s is the same moment on the container's timeline."""
        target_s = self._target(media_s, stream_s, arrived_at)
        if self._offset_s is None:
            self._offset_s = target_s
        else:
            most_s = self.MOST_SLEW * max(0.0, media_s - self._last_media_s)
            self._offset_s += max(-most_s, min(most_s, target_s - self._offset_s))
        self._last_media_s = media_s
        return self._offset_s + media_s

    def skew_s(self, stream_s: float, arrived_at: float) -> float | None:
        """Seconds by which the camera's clock is ahead of ours, delay on the way included; None while it is silent."""
        zero_at = self._realtime_at_zero()
        return None if zero_at is None else zero_at + stream_s - arrived_at

    def _target(self, media_s: float, stream_s: float, arrived_at: float) -> float:
        offset_s = arrived_at - media_s
        if not self._minima or media_s - self._minima[-1][0] >= self.WINDOW_S:
            self._minima.append((media_s, offset_s))
        elif offset_s < self._minima[-1][1]:
            self._minima[-1] = (self._minima[-1][0], offset_s)
        skew_s = self.skew_s(stream_s, arrived_at)
        if skew_s is not None and abs(skew_s) <= self.TRUSTED_WITHIN_S:
            return arrived_at + skew_s - media_s
        return min(least for _, least in self._minima)
