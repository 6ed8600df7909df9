"""`python -m streamer.assembly.crew_member SOCKET MEMORY CRASHES HOUSE`: a member of the crew."""

from __future__ import annotations

import contextlib
import os
import sys

import cv2

from streamer.assembly.crew_equipment import CrewEquipment
from streamer.clock import SystemClock
from streamer.crew.member import Member
from streamer.crew.process import taken_up
from streamer.heaps import few_heaps
from streamer.telemetry import logs


def main(arguments: list[str]) -> None:
    """Take up the orders, and run until the house says so or is gone."""
    with contextlib.suppress(EOFError, OSError):  # the house was gone before it had begun
        connection, memory, orders = taken_up(arguments)
        cv2.setNumThreads(1)
        few_heaps()
        if orders.common.logs is not None:
            logs.set_up(*orders.common.logs)
        clock = SystemClock()
        Member(connection, memory, orders, CrewEquipment(orders, clock), clock).run()
    sys.stderr.flush()
    os._exit(0)  # a thread that is inside a foreign library must hold nobody up


if __name__ == "__main__":
    main(sys.argv[1:])
