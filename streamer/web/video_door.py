"""Who may watch the live video of a camera, how many at once, and why not: everything before its first byte."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fastapi import HTTPException
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from streamer.live_video import Fragment, LiveVideo, VideoHead, Viewing
from streamer.web.parts import ConsoleParts

MOST_VIEWERS = 16
BEGINS_WITHIN_S = 10.0
"""A key frame comes every second to ten; whoever has waited for longer is told, and comes again."""

_log = logging.getLogger("streamer.web")

Items = list[VideoHead | Fragment]


class Watching:
    """One viewer of one camera, on the event loop."""

    def __init__(self, camera: str, video: LiveVideo) -> None:
        self.camera, self._video = camera, video
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._viewing: Viewing = video.join(self._wake)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self._viewing.over is not None

    async def take(self, within_s: float) -> Items:
        """What came; empty where nothing came in time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_s)
        self._news.clear()
        return self._viewing.take()

    def leave(self) -> None:
        """It looks no longer; once more is harmless."""
        self._video.leave(self._viewing)
        if self._viewing.over == "slow":
            _log.info("camera %r: a viewer of its video was too slow and was let go", self.camera)

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
            self._loop.call_soon_threadsafe(self._news.set)


class VideoDoor:
    """Lets viewers in; one for each console."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._parts = parts
        self._watching: set[Watching] = set()

    async def enter(self, camera: str) -> tuple[Watching, Items]:
        """A viewer and the first that it sees, the head foremost. leave() belongs to whoever called this.

        Raises HTTPException: 403 where raw pictures are not for people, 415 where browsers could not play them, 503
        where there are too many viewers or the camera sends nothing.
        """
        parts = self._parts
        if not parts.raw_pictures_allowed(camera):
            raise HTTPException(403, f"the pictures of camera '{camera}' are redacted: its raw video is not shown")
        video = parts.video(camera)
        if video is None:
            raise HTTPException(415, f"camera '{camera}' has no live video")
        if len(self._watching) >= MOST_VIEWERS:
            why = f"{MOST_VIEWERS} videos are being watched already, which is as many as there may be"
            raise HTTPException(503, why, headers={"Retry-After": "15"})
        watching = Watching(camera, video)
        self._watching.add(watching)
        try:
            return watching, await self._first(watching, video)
        except BaseException:
            self.leave(watching)
            raise

    def leave(self, watching: Watching) -> None:
        """It looks no longer; once more is harmless."""
        self._watching.discard(watching)
        watching.leave()

    async def _first(self, watching: Watching, video: LiveVideo) -> Items:
        loop, room = asyncio.get_running_loop(), self._parts.room
        until_s = loop.time() + BEGINS_WITHIN_S
        while (left_s := until_s - loop.time()) > 0 and not room.news.closed and not watching.over:
            if video.cannot is not None:
                break
            if items := await watching.take(min(left_s, 0.5)):
                return items
        if video.cannot is not None:
            raise HTTPException(415, video.cannot)
        raise HTTPException(
            503, f"camera '{watching.camera}' sends no video at the moment", headers={"Retry-After": "2"}
        )


class VideoResponse(StreamingResponse):
    """A stream whose viewer leaves with it, however it ends and even if it never began."""

    def __init__(self, door: VideoDoor, watching: Watching, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._door, self._watching = door, watching

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._door.leave(self._watching)
