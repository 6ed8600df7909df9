"""The desk where orders for cameras arrive, whichever way they came: over Redis or over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.bell import WakeBell

ALL_CAMERAS = "*"
_MOST_NAMED = 20


class WakeDesk:
    """Knows the bell of every camera. May be used from any thread."""

    def __init__(self, bells: Mapping[str, WakeBell] | None = None) -> None:
        self._bells = dict(bells or {})  # never changed, only replaced

    def take(self, camera: str, bell: WakeBell) -> None:
        """A camera came, or has another bell."""
        self._bells = {**self._bells, camera: bell}

    def forget(self, camera: str) -> None:
        """A camera is gone."""
        self._bells = {name: bell for name, bell in self._bells.items() if name != camera}

    def wake(self, camera: str, for_s: float) -> tuple[str, ...]:
        """Ring one camera's bell, or every one for '*'; returns the names.

        Raises LookupError for a camera that is not there and ValueError for a time that cannot be, each a sentence.
        """
        bells = self._bells
        if camera != ALL_CAMERAS and camera not in bells:
            raise LookupError(f"there is no camera {camera[:80]!r}; there {_named(bells)}")
        woken = tuple(bells) if camera == ALL_CAMERAS else (camera,)
        for name in woken:
            bells[name].ring(for_s)
        return woken


def _named(bells: Mapping[str, WakeBell]) -> str:
    names = sorted(bells)
    if not names:
        return "is none at all"
    rest = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(names[:_MOST_NAMED])}{rest}"
