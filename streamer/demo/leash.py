"""Run a command that dies with its parent: `python -I -S leash.py PARENT_PID COMMAND…`.

On Linux the kernel sends SIGTERM to the command when the demo is gone, however it went (kill -9 included). Elsewhere
the command runs all the same, and is stopped by a demo that ends in order. Run as a file, so that it starts in
milliseconds and needs nothing of this project.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to the parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
