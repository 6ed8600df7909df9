"""How often somebody may try to log in: a few times at once, then slowly."""

from __future__ import annotations

import threading
from collections import OrderedDict

MOST_REMEMBERED = 10_000


class LoginLimit:
    """A token bucket for every key (an address, a name); from any thread. Times are monotonic seconds."""

    def __init__(self, at_once: int, another_every_s: float) -> None:
        self._at_once, self._every_s = at_once, another_every_s
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key → (tries spent, as of when)

    def wait_s(self, key: str, now_s: float) -> float:
        """How long until this key may try; 0 where it may now, and then that try is spent."""
        with self._lock:
            spent, since_s = self._spent.get(key, (0.0, now_s))
            spent = max(0.0, spent - (now_s - since_s) / self._every_s)
            if spent > self._at_once - 1:
                return (spent - (self._at_once - 1)) * self._every_s
            self._spent[key] = spent + 1, now_s
            self._spent.move_to_end(key)
            while len(self._spent) > MOST_REMEMBERED:
                self._spent.popitem(last=False)
            return 0.0

    def forget(self, key: str) -> None:
        """They knew the password."""
        with self._lock:
            self._spent.pop(key, None)
