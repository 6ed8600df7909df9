"""Cameras: how they are, what they see, where their zones and lines lie."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from streamer.web import streams
from streamer.web.access import Role
from streamer.web.audited import note
from streamer.web.guard import person_of
from streamer.web.parts import CameraAbout, ConsoleParts
from streamer.web.places import CameraPlaces, Drawn, PlacesRefused

_MOST_LARGE = 9  # cameras in one stream that are shown larger than the model sees them
Width = Annotated[int, Query(ge=16, le=4096)]
Fps = Annotated[float, Query(gt=0, le=25)]
Point = tuple[float, float]


class Wake(BaseModel):
    """For how long the camera is to be watched, whether or not anything moves."""

    for_s: float = Field(30.0, gt=0, le=86_400)


class Places(BaseModel):
    """All zones and lines, normalised to 0…1; new rules as the configuration writes them; version as it was read."""

    zones: dict[str, list[Point]] = {}
    lines: dict[str, list[Point]] = {}
    rules: list[dict[str, Any]] = Field([], max_length=100)
    version: str


def add_camera_routes(app: FastAPI, parts: ConsoleParts) -> None:
    """The routes of this file."""
    room = parts.room

    def known(camera: str) -> CameraAbout:
        if camera not in parts.cameras:
            raise HTTPException(404, f"there is no camera '{camera[:80]}'")
        return parts.cameras[camera]

    def described(about: CameraAbout) -> dict[str, Any]:
        return {
            "name": about.name,
            "zones": about.zones,
            "lines": about.lines,
            "rules": about.rules,
            "analyse_fps": about.analyse_fps,
            "state": parts.states().get(about.name),
        }

    @app.get("/api/cameras", tags=["cameras"])
    def cameras() -> dict[str, Any]:
        """Every camera with its zones, lines, rules and state (see streamer.camera/1)."""
        return {"cameras": [described(about) for about in parts.cameras.values()]}

    @app.get("/api/cameras/{camera}", tags=["cameras"])
    def camera(camera: str) -> dict[str, Any]:
        """One of them."""
        return described(known(camera))

    @app.get("/api/cameras/{camera}/picture.jpg", tags=["pictures"], response_class=Response)
    def picture(camera: str, width: Width = 640) -> Response:
        """The newest analysed picture."""
        sight = room.pictures.newest(known(camera).name)
        room.pictures.want_large(camera, parts.clock.monotonic())  # for who asks again and again
        if sight is None:
            raise HTTPException(404, f"camera '{camera}' has no analysed picture yet")
        return Response(room.pictures.jpeg(sight, streams.offered_width(width)), media_type="image/jpeg")

    @app.get("/api/cameras/{camera}/live.mjpg", tags=["pictures"], response_class=StreamingResponse)
    async def mjpeg(camera: str, width: Width = 640, fps: Fps = 10.0) -> StreamingResponse:
        """Analysed pictures as they come, for an <img> or a player."""
        pictures = streams.mjpeg(room, known(camera).name, streams.offered_width(width), fps)
        return StreamingResponse(pictures, media_type=f"multipart/x-mixed-replace; boundary={streams.BOUNDARY}")

    @app.get("/api/live", tags=["pictures"], response_class=StreamingResponse)
    async def live(
        camera: Annotated[list[str], Query(max_length=500)], width: Width = 320, fps: Fps = 5.0
    ) -> StreamingResponse:
        """Pictures of several cameras, each with what was found in it, over one connection.

        Messages: length of a JSON and of a JPEG (four bytes, big-endian, each), streamer.frame/1, the JPEG.
        """
        names = [known(name).name for name in dict.fromkeys(camera)]
        width = streams.offered_width(width) if len(names) <= _MOST_LARGE else 320
        return StreamingResponse(streams.live(room, names, width, fps), media_type=streams.LIVE_TYPE)

    @app.get("/api/cameras/{camera}/timeline", tags=["cameras"])
    def timeline(camera: str, hours: Annotated[float, Query(gt=0, le=24 * 31)] = 24.0) -> dict[str, Any]:
        """When alerts of this camera began and ended."""
        now = parts.clock.now()
        since = now - hours * 3600
        return {"from": since, "to": now, "alerts": room.shelf.timeline(known(camera).name, since)}

    @app.post("/api/cameras/{camera}/wake", tags=["cameras"])
    def wake(camera: str, wish: Wake, request: Request) -> dict[str, Any]:
        """Watch it for a while even if nothing moves."""
        note(request, what=f"{camera} for {wish.for_s:.0f} s")
        parts.wake(known(camera).name, wish.for_s)
        return {"woken": [camera], "for_s": wish.for_s}

    @app.get("/api/cameras/{camera}/places", tags=["cameras"])
    def places(camera: str, request: Request) -> dict[str, Any]:
        """Zones and lines as they stand in the configuration file, which may be newer than what is in force.

        read_only: why they cannot be changed here, or by whom one is.
        """
        about = known(camera)
        why = None if person_of(request).role >= Role.ADMIN else "changing them needs the role admin"
        try:
            if parts.places is None:
                raise PlacesRefused(["the service was started without a configuration file to save them in"])
            return {**_told(parts.places.read(camera)), "read_only": why}
        except PlacesRefused as error:
            nothing: dict[str, Any] = {"used_by": {}, "version": None, "in_force": True}
            return {"zones": about.zones, "lines": about.lines, **nothing, "read_only": str(error)}

    @app.put("/api/cameras/{camera}/places", tags=["cameras"])
    def save_places(camera: str, wanted: Places, request: Request) -> dict[str, Any]:
        """Bring them in, and write them into the configuration file; 409 where others changed it, 422 with every
        problem in them."""
        known(camera)
        if parts.places is None:
            raise HTTPException(409, "the service was started without a configuration file")
        try:
            drawn = Drawn(wanted.zones, wanted.lines, wanted.rules)
            parts.places.write(camera, drawn, wanted.version, person_of(request).name)
            return _told(parts.places.read(camera))
        except PlacesRefused as error:
            raise HTTPException(409 if error.stale else 422, {"problems": error.problems}) from error


def _told(places: CameraPlaces) -> dict[str, Any]:
    return {
        "zones": places.zones,
        "lines": places.lines,
        "used_by": places.used_by,
        "version": places.version,
        "in_force": places.in_force,
    }
