"""Live video straight from a camera's packets: for the console's player, and as MP4 for any other."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse

from streamer.web import video_streams
from streamer.web.parts import ConsoleParts
from streamer.web.video_door import Items, VideoDoor, VideoResponse, Watching

_FRESH = {"Cache-Control": "no-store"}


def add_video_routes(app: FastAPI, parts: ConsoleParts) -> None:
    """The routes of this file."""
    door, room = VideoDoor(parts), parts.room

    async def entered(camera: str) -> tuple[Watching, Items]:
        if camera not in parts.cameras:
            raise HTTPException(404, f"there is no camera '{camera[:80]}'")
        return await door.enter(camera)

    @app.get("/api/cameras/{camera}/video", tags=["pictures"], response_class=StreamingResponse)
    async def video(camera: str) -> StreamingResponse:
        """H.264 or H.265 as the camera sends it, in fragments, with what was found in which picture.

        Begins at the last key frame and ends with the camera's connection, with a change of its stream, and where the
        reader is more than five seconds behind: come again then. 403: its pictures are redacted; 415: browsers do not
        play what it sends; 503: nothing comes, or too many watch.
        """
        watching, first = await entered(camera)
        content = video_streams.with_results(room, watching, first)
        return VideoResponse(door, watching, content, media_type=video_streams.VIDEO_TYPE, headers=_FRESH)

    @app.get("/api/cameras/{camera}/live.mp4", tags=["pictures"], response_class=StreamingResponse)
    async def mp4(camera: str) -> StreamingResponse:
        """The same without the results, as one MP4 that does not end, for players."""
        watching, first = await entered(camera)
        content = video_streams.as_mp4(room, watching, first)
        return VideoResponse(door, watching, content, media_type="video/mp4", headers=_FRESH)
