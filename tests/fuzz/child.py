"""The process that tries inputs: `python -m tests.fuzz.child TARGET SEED FIRST COUNT FOLDER`, one line for every input.

It may crash or hang; whoever started it (run.py) knows by the last line at which input. Input N of a seed is always the
same, so a failure is looked at again with FIRST = N and COUNT = 1.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import resource
import sys
import threading
import time
import traceback
from pathlib import Path

from tests.fuzz.targets import made

_MOST_MEMORY = 6 << 30
_WARM_SHARE = 0.4


def main(name: str, seed: str, first: int, count: int, folder: Path) -> None:
    """Try COUNT inputs; a JSON line at the end says what the process held."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    say = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no report
    target = made(name, folder)
    held: list[tuple[int, int, int]] = []
    for number in range(first, first + count):
        print(f"try {number}", file=say)
        began_s = time.process_time()
        try:
            taken = target.try_one(random.Random(f"{name}:{seed}:{number}"))
        except Exception as error:  # noqa: BLE001 - what is looked for
            told = "".join(traceback.format_exception(error))[-3000:]
            print(json.dumps({"wrong": number, "kind": type(error).__name__, "told": told}), file=say)
        else:
            spent_s = time.process_time() - began_s
            print(json.dumps({"ok": number, "taken": taken, "cpu_s": round(spent_s, 4)}), file=say)
        if number == first + int(count * _WARM_SHARE) or number == first + count - 1:
            held.append(_held())
    target.close()
    print(json.dumps({"end": True, "held": held}), file=say)
    say.flush()
    os._exit(0)  # libraries' threads that end badly at exit are not what is tried here


def _held() -> tuple[int, int, int]:
    """KiB of memory, open files, threads."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return resident, len(os.listdir("/proc/self/fd")), threading.active_count()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
