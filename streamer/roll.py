"""The roll of a running service: which cameras it has, who of them still reads, and whether all have come to their end.

A place is one camera from the moment at which it is taken in to that at which it is gone; one that comes back under the
same name has another place, so that a thread which was left behind can do the newcomer no harm.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from streamer.camera_unit import CameraUnit
from streamer.workers import Worker


class Place:
    """One camera on the roll. leaves_because: it was asked to go, and why; gone: nothing more will be heard of it."""

    def __init__(self, unit: CameraUnit, capture: Worker) -> None:
        self.unit, self.capture = unit, capture
        self.leaves_because: str | None = None
        self.gone = threading.Event()


class Roll:
    """Every method from any thread. on_all_ended: the last one that read has come to its end by itself."""

    def __init__(self, on_all_ended: Callable[[], None]) -> None:
        self._on_all_ended = on_all_ended
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}  # never changed, only replaced: whoever iterates sees one moment
        self._reading: set[Place] = set()
        self._held = 0
        self._ended_while_held = False

    @property
    def places(self) -> tuple[Place, ...]:
        """As they came."""
        return tuple(self._places.values())

    @property
    def units(self) -> tuple[CameraUnit, ...]:
        """As they came."""
        return tuple(place.unit for place in self._places.values())

    def of(self, camera: str) -> Place:
        """Raises LookupError, a sentence, for a camera that is not there."""
        place = self._places.get(camera)
        if place is None:
            raise LookupError(f"there is no camera '{camera[:80]}'")
        return place

    def enter(self, place: Place) -> None:
        """Raises ValueError where there is one of this name."""
        camera = place.unit.camera
        with self._lock:
            if camera in self._places:
                raise ValueError(f"camera '{camera}' is there already")
            self._places = {**self._places, camera: place}
            self._reading.add(place)

    def ask_to_leave(self, camera: str, why: str) -> Place:
        """From now on its end is no end of a recording. Raises LookupError where it is not there, or leaves already."""
        with self._lock:
            place = self.of(camera)
            if place.leaves_because is not None:
                raise LookupError(f"camera '{camera}' is being removed already")
            place.leaves_because = why
            return place

    def strike(self, place: Place) -> None:
        """It has left."""
        with self._lock:
            self._places = {name: each for name, each in self._places.items() if each is not place}
            self._reading.discard(place)

    def has_read(self, place: Place) -> None:
        """It sends nothing more."""
        with self._lock:
            self._reading.discard(place)
            if place.leaves_because is not None or self._reading:
                return
            if self._held:
                self._ended_while_held = True
                return
        self._on_all_ended()

    @contextlib.contextmanager
    def held_open(self) -> Iterator[None]:
        """While inside, others are still to come: that nobody reads is not the end."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
                over = self._ended_while_held and not self._held
                if over:
                    self._ended_while_held = False
                    over = not self._reading
            if over:
                self._on_all_ended()
