"""Live video of a camera on its way from a member of the crew to the house: only while somebody watches there.

Fragments lie in the memory that frames lie in, and a letter says where. What the house has not given back yet is
bounded: where it is slow, video is let go up to the next key frame, and neither capture nor frames wait for it.
"""

from __future__ import annotations

import base64
import mmap
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamer.crew.arena import Arena
from streamer.live_video import Fragment, LiveVideo, VideoHead

MOST_UNREAD_BYTES = 10_000_000

Letter = dict[str, object]


class SentVideo:
    """A member's side: live_video.VideoOutlet on the camera's capture thread; watch() and release() from others."""

    def __init__(self, camera: str, arena: Arena, memory: mmap.mmap, send: Callable[[Letter], None]) -> None:
        self._camera, self._arena, self._memory, self._send = camera, arena, memory, send
        self._lock = threading.Lock()
        self._unread: dict[int, int] = {}  # block → bytes
        self._unread_bytes = 0
        self._waits_for_key = False
        self.turn = 0

    def watch(self, turn: int) -> None:
        """The house says that somebody watches; 0: nobody does."""
        self.turn = turn

    def release(self, block: int) -> None:
        """The house has read a block."""
        with self._lock:
            self._unread_bytes -= self._unread.pop(block, 0)  # of a camera that had this name before: nothing
        self._arena.give_back(block)

    def begin(self, head: VideoHead, group: Sequence[Fragment]) -> None:
        """A stretch begins."""
        self._waits_for_key = False
        told = {"codec": head.codec, "size": head.size_wh, "init": base64.b64encode(head.init).decode()}
        self._send({"video": "begin", "of": self._camera, "head": told})
        for fragment in group:
            self.add(fragment)

    def add(self, fragment: Fragment) -> None:
        """It goes on, unless the house is behind."""
        if self._waits_for_key and not fragment.is_key:
            return
        block = self._put(fragment.content)
        self._waits_for_key = block is None
        if block is not None:
            about = [block, len(fragment.content), fragment.is_key, fragment.end_s, fragment.zero_at]
            self._send({"video": "more", "of": self._camera, "fragment": about})

    def end(self) -> None:
        """It is over."""
        if self.turn:
            self._send({"video": "end", "of": self._camera})

    def refuse(self, why: str | None) -> None:
        """What the camera sends cannot be shown, or can."""
        self._send({"video": "refused", "of": self._camera, "why": why})

    def _put(self, content: bytes) -> int | None:
        with self._lock:
            if self._unread_bytes + len(content) > MOST_UNREAD_BYTES:
                return None
            block = self._arena.take(len(content))
            if block is None:
                return None
            self._memory[block : block + len(content)] = content
            self._unread[block] = len(content)
            self._unread_bytes += len(content)
            return block


def shown(video: LiveVideo, letter: Mapping[str, Any], memory: mmap.mmap) -> int | None:
    """The house's side: heed a letter about a camera's video; the block that may be given back, where there is one.

    Raises ValueError, TypeError, KeyError for what is no such letter.
    """
    match letter["video"]:
        case "begin":
            told = letter["head"]
            width, height = told["size"]
            video.begin(VideoHead(str(told["codec"]), (int(width), int(height)), base64.b64decode(told["init"])), ())
        case "more":
            block, size, is_key, end_s, zero_at = letter["fragment"]
            content = memory[int(block) : int(block) + int(size)]
            video.add(Fragment(content, bool(is_key), float(end_s), None if zero_at is None else float(zero_at)))
            return int(block)
        case "end":
            video.end()
        case "refused":
            video.refuse(letter["why"])
        case other:
            raise ValueError(f"video: {other!r}")
    return None
