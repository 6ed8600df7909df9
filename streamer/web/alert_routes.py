"""Alerts: lists, pictures, clips, and what people do about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from streamer.errors import SinkUnavailable
from streamer.types import HandlingType
from streamer.web import streams
from streamer.web.alert_shelf import Wanted
from streamer.web.audited import note
from streamer.web.control_room import MOST_TEXT
from streamer.web.guard import person_of
from streamer.web.parts import ConsoleParts

State = Literal["open", "closed", "unacknowledged", "acknowledged"]
Severity = Literal["info", "warning", "critical"]
_MOST_AT_ONCE = 500


class Note(BaseModel):
    """What a person says to it."""

    text: str | None = Field(None, max_length=MOST_TEXT)


class Comment(BaseModel):
    """What a person says about an alert."""

    text: str = Field(min_length=1, max_length=MOST_TEXT)


class Several(BaseModel):
    """Which alerts, by their ids."""

    ids: list[str] = Field(min_length=1, max_length=_MOST_AT_ONCE)
    text: str | None = Field(None, max_length=MOST_TEXT)


class Silence(BaseModel):
    """For how long alerts of this one's camera and kind disturb nobody at the console."""

    for_s: float = Field(gt=0, le=7 * 86_400)
    text: str | None = Field(None, max_length=MOST_TEXT)


def add_alert_routes(app: FastAPI, parts: ConsoleParts) -> None:
    """The routes of this file."""
    room, shelf = parts.room, parts.room.shelf

    def known(alert_id: str) -> dict[str, Any]:
        found = shelf.get(alert_id)
        if found is None:
            raise HTTPException(404, "the console does not know this alert, or does not remember it any more")
        return found

    def handle(
        alert: dict[str, Any], type: HandlingType, request: Request, text: str | None, until: float | None = None
    ) -> None:
        try:
            room.handle(alert, type, person_of(request).name, text, until)
        except SinkUnavailable as error:
            raise HTTPException(503, f"this could not be stored and has not happened: {error}") from error

    def stored(relative: str | None, media_type: str, what: str) -> FileResponse:
        path = None if relative is None else _inside(parts.folder, relative)
        if path is None or not path.is_file():
            raise HTTPException(404, f"{what} is not there, or is not kept any more")
        return FileResponse(path, media_type=media_type, headers={"Cache-Control": "private, max-age=86400"})

    @app.get("/api/events", tags=["alerts"], response_class=StreamingResponse)
    async def events() -> StreamingResponse:
        """Server-sent events: `alert` whenever one changes or is handled, `counts`, `cameras` once a second."""
        return StreamingResponse(streams.events(parts), media_type="text/event-stream")

    @app.get("/api/alerts", tags=["alerts"])
    def alerts(
        camera: str | None = None,
        kind: str | None = None,
        severity: Severity | None = None,
        state: State | None = None,
        since: float | None = None,
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        """Newest first. The next page: `before` is the number of the last one of this."""
        found = shelf.page(Wanted(camera, kind, severity, state, since, before, limit))
        more = found[-1]["number"] if len(found) == limit else None
        return {"alerts": found, "before": more, "counts": shelf.counts(), "kinds": shelf.kinds()}

    @app.post("/api/alerts/acknowledge", tags=["alerts"])
    def acknowledge_several(several: Several, request: Request) -> dict[str, Any]:
        """Somebody has seen these; those that are acknowledged already, or not known, are left alone."""
        open_ones = [found for each in several.ids if (found := shelf.get(each)) and not found["acknowledged_at"]]
        for found in open_ones:
            handle(found, "acknowledged", request, several.text)
        names = ", ".join(found["id"] for found in open_ones)
        note(request, what=f"alerts {names}", cameras=tuple(dict.fromkeys(found["camera"] for found in open_ones)))
        return {"acknowledged": [found["id"] for found in open_ones]}

    @app.get("/api/alerts/{alert_id}", tags=["alerts"])
    def alert(alert_id: str) -> dict[str, Any]:
        """One alert: its whole message (streamer.alert/1), and what people did about it (streamer.handling/1)."""
        return known(alert_id)

    @app.get("/api/alerts/{alert_id}/snapshot.jpg", tags=["alerts"], response_class=FileResponse)
    def snapshot(alert_id: str) -> FileResponse:
        """The picture of the moment at which it was raised."""
        return stored(known(alert_id)["message"]["snapshot"], "image/jpeg", "the picture of this alert")

    @app.get("/api/alerts/{alert_id}/clip.mp4", tags=["alerts"], response_class=FileResponse)
    def clip(alert_id: str) -> FileResponse:
        """Its footage; understands Range."""
        about = known(alert_id)["message"]["clip"]
        return stored(about and about["path"], "video/mp4", "the clip of this alert")

    @app.post("/api/alerts/{alert_id}/acknowledge", tags=["alerts"])
    def acknowledge(alert_id: str, note: Note, request: Request) -> dict[str, Any]:
        """Somebody has seen it. Told to every receiver of alerts. Once more changes nothing."""
        found = known(alert_id)
        if not found["acknowledged_at"]:
            handle(found, "acknowledged", request, note.text)
        return known(alert_id)

    @app.post("/api/alerts/{alert_id}/comment", tags=["alerts"])
    def comment(alert_id: str, said: Comment, request: Request) -> dict[str, Any]:
        """Somebody says something about it. Told to every receiver of alerts."""
        handle(known(alert_id), "commented", request, said.text)
        return known(alert_id)

    @app.post("/api/alerts/{alert_id}/silence", tags=["alerts"])
    def silence(alert_id: str, wish: Silence, request: Request) -> dict[str, Any]:
        """Alerts of its camera and kind disturb nobody at the console for a while; they are raised as ever."""
        handle(known(alert_id), "silenced", request, wish.text, parts.clock.now() + wish.for_s)
        note(request, what=f"alert {alert_id} for {wish.for_s:.0f} s")
        return {"silences": shelf.silences(parts.clock.now())}

    @app.get("/api/silences", tags=["alerts"])
    def silences() -> dict[str, Any]:
        """What disturbs nobody now, and until when."""
        return {"silences": shelf.silences(parts.clock.now())}

    @app.delete("/api/silences/{number}", tags=["alerts"])
    def end_silence(number: int) -> dict[str, Any]:
        """Let them disturb again."""
        if not shelf.end_silence(number):
            raise HTTPException(404, "there is no such silence any more")
        return {"silences": room.tell_silences()}


def _inside(folder: Path, relative: str) -> Path | None:
    """The file below a folder; None for a path that leads out of it."""
    path = (folder / relative).resolve()
    return path if path.is_relative_to(folder.resolve()) else None
