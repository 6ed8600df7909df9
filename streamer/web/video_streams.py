"""Live video on its way to a browser: an MP4 that does not end, or messages with what was found in its pictures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from streamer.live_video import Fragment, VideoHead
from streamer.web.control_room import ControlRoom
from streamer.web.pictures import Sight
from streamer.web.video_door import Items, Watching

VIDEO_TYPE = "application/vnd.streamer.video"
_ALIVE_EVERY_S = 5.0
_LOOKS_EVERY_S = 0.1
_TELLS_TIME_EVERY_S = 1.0
_NOTHING = bytes.fromhex("0000000866726565")  # a box 'free' without content


async def as_mp4(room: ControlRoom, watching: Watching, first: Items) -> AsyncIterator[bytes]:
    """Initialization segment and fragments one after the other: what players play from an address."""
    yield b"".join(_bytes(each) for each in first)
    while not room.news.closed:
        items = await watching.take(_ALIVE_EVERY_S)
        if not items and watching.over:
            return
        yield b"".join(_bytes(each) for each in items) or _NOTHING


async def with_results(room: ControlRoom, watching: Watching, first: Items) -> AsyncIterator[bytes]:
    """Messages: one byte that says what it is, four that say how long it is (big-endian), and so many.

        h   JSON: codec (RFC 6381), size, init: how many bytes of initialization segment follow in the next message
        v   initialization segment, or fragments
        s   JSON: streamer.frame/1 with `at_s`, the video time of the picture in which this was found
        t   JSON: edge_s, the video time up to which was sent, and age_s, how long ago that was; {} where nothing is new

    The picture and what was found in it have the same time because both come from the same packet's: a result says when
    its picture was captured, and every fragment when video time 0 was.
    """
    clock, alive_s, told_s, shown = room.clock, room.clock.monotonic(), float("-inf"), 0
    zero_at: float | None = None
    items = first
    while True:
        parts = [_message(kind, content) for kind, content in _in_messages(items)]
        now_s = clock.monotonic()
        if fragments := [each for each in items if isinstance(each, Fragment)]:
            zero_at = fragments[-1].zero_at
            if zero_at is not None and now_s - told_s >= _TELLS_TIME_EVERY_S:
                told_s, edge_s = now_s, fragments[-1].end_s
                parts.append(_json("t", {"edge_s": edge_s, "age_s": round(clock.now() - zero_at - edge_s, 3)}))
        sight = room.pictures.newest(watching.camera)
        if sight is not None and zero_at is not None and sight.number != shown:
            shown = sight.number
            parts.append(_json("s", _found(sight, zero_at)))
        if parts or now_s - alive_s > _ALIVE_EVERY_S:
            alive_s = now_s
            yield b"".join(parts) or _json("t", {})
        if room.news.closed or (watching.over and not items):
            return
        items = await watching.take(_LOOKS_EVERY_S)


def _in_messages(items: Items) -> list[tuple[str, bytes]]:
    """Neighbouring fragments in one."""
    messages: list[tuple[str, bytes]] = []
    for each in items:
        if isinstance(each, VideoHead):
            told = {"codec": each.codec, "size": each.size_wh, "init": len(each.init)}
            messages += [("h", json.dumps(told).encode()), ("v", each.init)]
    if content := b"".join(each.content for each in items if isinstance(each, Fragment)):
        messages.append(("v", content))
    return messages


def _found(sight: Sight, zero_at: float) -> dict[str, Any]:
    return {**sight.body(), "at_s": round(sight.captured_at - zero_at, 4)}


def _bytes(item: VideoHead | Fragment) -> bytes:
    return item.init if isinstance(item, VideoHead) else item.content


def _json(kind: str, body: dict[str, Any]) -> bytes:
    return _message(kind, json.dumps(body, separators=(",", ":")).encode())


def _message(kind: str, content: bytes) -> bytes:
    return kind.encode() + len(content).to_bytes(4) + content
