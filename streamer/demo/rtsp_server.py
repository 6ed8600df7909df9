"""The RTSP server of aio-rtsp-toolkit, as the demo and the tests run it: each picture is sent once.

The toolkit's own way into its queue (0.1.4) gives up every 50 ms and tries again, although what it gave up may already
be in the queue: on a machine that is busy a picture is sent twice, with one and the same time. Here it waits on.

Run as `python -m streamer.demo.rtsp_server -d FOLDER -H HOST -p PORT -cp CONTROL_PORT`; import it where the toolkit is
installed only.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import Any

_LOOKS_FOR_THE_END_EVERY_S = 0.05


def put_once(
    _session: Any, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Any], item: Any, stopped: threading.Event
) -> bool:
    """Put an item into the queue of a loop that runs in another thread; False where that was stopped or has ended."""
    putting = asyncio.run_coroutine_threadsafe(queue.put(item), loop)
    while not stopped.is_set():
        try:
            putting.result(_LOOKS_FOR_THE_END_EVERY_S)
        except concurrent.futures.TimeoutError:
            continue
        except (concurrent.futures.CancelledError, RuntimeError):
            return False
        return True
    putting.cancel()
    return False


def main() -> None:
    """Serve until somebody ends the process."""
    import server_demo
    from aio_rtsp_toolkit.server_streaming import RtspStreamingMixin

    assert callable(RtspStreamingMixin._threadsafe_queue_put)
    RtspStreamingMixin._threadsafe_queue_put = put_once
    server_demo.main()


if __name__ == "__main__":
    main()
