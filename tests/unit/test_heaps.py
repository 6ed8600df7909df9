"""Threads of one process share malloc's heaps."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TWENTY_THREADS = """
import ctypes, sys, tempfile, threading
from streamer.heaps import few_heaps
if sys.argv[1] == "few":
    few_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
everybody = threading.Barrier(20)

def take():
    libc.malloc(1000)
    everybody.wait()

threads = [threading.Thread(target=take) for _ in range(20)]
[each.start() for each in threads]
[each.join() for each in threads]
with tempfile.NamedTemporaryFile() as file:
    stream = libc.fopen(file.name.encode(), b"w")
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap nr"))
"""


def heaps(how: str, **environment: str) -> int:
    return int(
        subprocess.run(
            [sys.executable, "-c", TWENTY_THREADS, how],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="malloc's heaps are counted by glibc's malloc_info")
def test_twenty_threads_share_few_heaps_unless_somebody_said_otherwise():
    assert heaps("few") <= max(2, os.cpu_count() or 1) < heaps("many")
    assert heaps("few", MALLOC_ARENA_MAX="5") == 5
