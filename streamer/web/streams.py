"""What does not end by itself: live pictures and events, at the pace of whoever takes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from streamer.clock import Clock
from streamer.web.control_room import ControlRoom
from streamer.web.parts import ConsoleParts
from streamer.web.pictures import Sight

BOUNDARY = "streamer-picture"
LIVE_TYPE = "application/vnd.streamer.live"
WIDTHS = (160, 320, 480, 640, 960, 1280, 1920)
_STATES_EVERY_S = 1.0
_ALIVE_EVERY_S = 5.0


def offered_width(asked: int) -> int:
    """The least of the widths that we make which is as wide as was asked."""
    return next((width for width in WIDTHS if width >= asked), WIDTHS[-1])


async def live(room: ControlRoom, cameras: Sequence[str], width: int, fps: float) -> AsyncIterator[bytes]:
    """Messages of new pictures of all these cameras, over one connection: browsers allow six to a server.

    Each: length of the JSON and of the JPEG, four bytes big-endian each; streamer.frame/1 with `age_s`; the JPEG. Boxes
    come with the very picture in which they were found. A reader that is slow gets fewer; nothing waits for it.
    """
    shown: dict[str, int] = {}
    quiet_since_s = room.clock.monotonic()
    while not room.news.closed:
        now_s = room.clock.monotonic()
        for camera in cameras:
            if width > 320:
                room.pictures.want_large(camera, now_s)
            sight = room.pictures.newest(camera)
            if sight is None or shown.get(camera) == sight.number:
                continue
            shown[camera] = sight.number
            yield await asyncio.to_thread(_message, room, sight, width)
            quiet_since_s = now_s
        if now_s - quiet_since_s > _ALIVE_EVERY_S:
            quiet_since_s = now_s
            yield bytes(8)  # nothing new, and still here
        await asyncio.sleep(1 / fps)


async def mjpeg(room: ControlRoom, camera: str, width: int, fps: float) -> AsyncIterator[bytes]:
    """multipart/x-mixed-replace, which an <img> and most players show."""
    shown = 0
    while not room.news.closed:
        room.pictures.want_large(camera, room.clock.monotonic())
        sight = room.pictures.newest(camera)
        if sight is not None and sight.number != shown:
            shown = sight.number
            jpeg = await asyncio.to_thread(room.pictures.jpeg, sight, width)
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + b"\r\n"
        await asyncio.sleep(1 / fps)


async def events(parts: ConsoleParts) -> AsyncIterator[str]:
    """Server-sent events: `cameras` once a second where something changed, `alert` at once, `missed` after a gap."""
    room = parts.room
    subscriber = room.news.join()
    try:
        told: Mapping[str, Any] = {}
        told_at_s = float("-inf")
        yield f"retry: 1000\n{_event('hello', json.dumps({'counts': room.shelf.counts()}))}"
        while not room.news.closed:
            items = await subscriber.take(_STATES_EVERY_S)
            text = "".join(_event(name, body) for name, body in items)
            if any(name == "alert" for name, _ in items):
                text += _event("counts", json.dumps(await asyncio.to_thread(room.shelf.counts)))
            now_s = room.clock.monotonic()
            if now_s - told_at_s >= _STATES_EVERY_S:
                told_at_s, states = now_s, parts.states()
                if states != told:
                    told = states
                    text += _event("cameras", json.dumps(states))
            yield text or ": still here\n\n"
    finally:
        room.news.leave(subscriber)


def _message(room: ControlRoom, sight: Sight, width: int) -> bytes:
    jpeg = room.pictures.jpeg(sight, width)
    body = {**sight.body(), "age_s": round(_age_s(room.clock, sight), 3)}
    text = json.dumps(body, separators=(",", ":")).encode()
    return len(text).to_bytes(4) + len(jpeg).to_bytes(4) + text + jpeg


def _age_s(clock: Clock, sight: Sight) -> float:
    return max(0.0, clock.monotonic() - sight.received_s)


def _event(name: str, body: str) -> str:
    return f"event: {name}\ndata: {body}\n\n"
