"""Named threads that remember why they stopped, and the one deadline under which they are joined."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Deadline:
    """A moment by which everything has to be done, shared by all who are waited for."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; 0 when it has passed."""
        return max(0.0, self._at - time.monotonic())


class Worker:
    """One thread with a name and a body.

    An exception in the body ends the worker, is kept in `error`, and calls on_failure once: a dead stage stops
    the house, it is never just missing. Threads are daemons, so a hung one cannot keep the process alive.
    What it was to do is forgotten when it is done: whoever keeps his worker would else be kept by it.
    """

    def __init__(self, name: str, body: Callable[[], None], on_failure: Callable[[], None]) -> None:
        self.name = name
        self.error: BaseException | None = None
        self._body, self._on_failure = body, on_failure
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True from start() until the body has ended."""
        return self._thread.is_alive()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end; false where the deadline passed first."""
        self._thread.join(deadline.remaining())
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._body()
        except BaseException as error:  # noqa: BLE001 - kept and reported by whoever joins
            self.error = error
            self._on_failure()
        finally:
            del self._body, self._on_failure
