"""The configuration: what it says, what another would change, bringing one in, and going back."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, Field

from streamer.web.configuration import Applied, ConfigurationFile, ConfigurationRefused
from streamer.web.guard import person_of, who_of
from streamer.web.parts import ConsoleParts

_MOST_TEXT = 500_000
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Version = Annotated[str | None, Field(max_length=64, description="of the file as it was read; another is refused")]


class Text(BaseModel):
    """A whole configuration, as it was shown and edited: `***` stands for what was hidden there."""

    text: str = Field(max_length=_MOST_TEXT)
    version: Version = None


class Wish(BaseModel):
    """What is to be planned: a whole text, a rollback, one camera's settings, or (without any) that it is taken out."""

    text: str | None = Field(None, max_length=_MOST_TEXT)
    number: int | None = Field(None, ge=1, description="of the history")
    camera: Name | None = None
    settings: dict[str, Any] | None = None


class Back(BaseModel):
    """To which number of the history."""

    number: int = Field(ge=1)
    version: Version = None


class Camera(BaseModel):
    """Settings as the configuration writes them; what was shown as `***` and comes back so stays as it was."""

    settings: dict[str, Any]
    version: Version = None


class NewCamera(Camera):
    """One more."""

    camera: Name


class Try(BaseModel):
    """Settings to be tried; camera: whose they are, where it is configured already."""

    camera: Name | None = None
    settings: dict[str, Any]


def add_configuration_routes(app: FastAPI, parts: ConsoleParts) -> None:
    """The routes of this file."""

    def file() -> ConfigurationFile:
        if parts.configuration is None:
            raise HTTPException(409, "the service was started without a configuration file")
        return parts.configuration

    @contextlib.contextmanager
    def audited(request: Request, did: str, what: str, camera: str | None = None) -> Iterator[None]:
        try:
            with _told():
                yield
        except HTTPException:
            parts.audit(who_of(request), did, what, camera=camera, outcome="refused")
            raise

    def applied(request: Request, done: Applied, did: str, what: str, camera: str | None = None) -> dict[str, Any]:
        parts.audit(who_of(request), did, what, camera=camera, outcome="done" if done.done else "failed")
        return asdict(done)

    @app.get("/api/configuration", tags=["configuration"])
    def configuration() -> dict[str, Any]:
        """The file as it stands, secrets as `***`; whether the service runs by it, and what waits for a restart."""
        with _told():
            return asdict(file().read())

    @app.put("/api/configuration", tags=["configuration"])
    def bring_in(wanted: Text, request: Request) -> dict[str, Any]:
        """Bring a text in and write it into the file: all of it or nothing, with a result per camera.

        409 where others changed the file, 422 with every problem in it.
        """
        did, what = "changed the configuration", "the whole text"
        with audited(request, did, what):
            return applied(request, file().apply(wanted.text, person_of(request).name, wanted.version), did, what)

    @app.post("/api/configuration/plan", tags=["configuration"])
    def plan(wish: Wish) -> dict[str, Any]:
        """What it would change, camera by camera; touches nothing."""
        with _told():
            if wish.text is not None:
                return asdict(file().plan(wish.text))
            if wish.number is not None:
                return asdict(file().plan_back(wish.number))
            if wish.camera is None:
                raise HTTPException(422, "send a text, a number of the history, or the name of a camera")
            return asdict(file().plan_camera(wish.camera, wish.settings))

    @app.get("/api/configuration/history", tags=["configuration"])
    def history() -> dict[str, Any]:
        """What was in force, the newest first: when, by whom and why."""
        with _told():
            return {"history": [asdict(each) for each in file().history()]}

    @app.get("/api/configuration/history/{number}", tags=["configuration"])
    def past(number: int) -> dict[str, Any]:
        """One of them, secrets as `***`."""
        with _told():
            return {"number": number, "text": file().past(number)}

    @app.post("/api/configuration/rollback", tags=["configuration"])
    def rollback(back: Back, request: Request) -> dict[str, Any]:
        """Bring in an old configuration again."""
        did, what = "rolled the configuration back", f"to number {back.number}"
        with audited(request, did, what):
            return applied(request, file().rollback(back.number, person_of(request).name, back.version), did, what)

    @app.post("/api/configuration/try", tags=["configuration"])
    def attempt(wish: Try, request: Request) -> dict[str, Any]:
        """Open a camera for some seconds: its picture, or the sentence why there is none. Nothing is configured."""
        with audited(request, "tried a camera", wish.camera or "a new one", wish.camera):
            found = file().attempt(wish.camera, wish.settings)
        parts.audit(who_of(request), "tried a camera", wish.camera or "a new one", camera=wish.camera)
        jpeg = base64.b64encode(found.jpeg).decode() if found.jpeg else None
        return {"ok": found.ok, "said": found.said, "jpeg": jpeg}

    @app.post("/api/configuration/cameras", tags=["configuration"])
    def add_camera(new: NewCamera, request: Request) -> dict[str, Any]:
        """A new camera, behind the others in the file."""
        did, name = "added a camera", new.camera
        with audited(request, did, name, name):
            done = file().add_camera(name, new.settings, person_of(request).name, new.version)
            return applied(request, done, did, name, name)

    @app.get("/api/configuration/cameras/{camera}", tags=["configuration"])
    def camera(camera: str) -> dict[str, Any]:
        """One camera's settings as the file has them, secrets as `***`."""
        with _told():
            return asdict(file().camera(camera))

    @app.put("/api/configuration/cameras/{camera}", tags=["configuration"])
    def change_camera(camera: str, wanted: Camera, request: Request) -> dict[str, Any]:
        """These are its settings from now on; only keys that differ are written anew."""
        did = "changed a camera"
        with audited(request, did, camera, camera):
            done = file().change_camera(camera, wanted.settings, person_of(request).name, wanted.version)
            return applied(request, done, did, camera, camera)

    @app.delete("/api/configuration/cameras/{camera}", tags=["configuration"])
    def remove_camera(
        camera: str, request: Request, version: Annotated[str | None, Query(max_length=64)] = None
    ) -> dict[str, Any]:
        """It is watched no longer, and no longer in the file."""
        did = "removed a camera"
        with audited(request, did, camera, camera):
            done = file().remove_camera(camera, person_of(request).name, version)
            return applied(request, done, did, camera, camera)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ConfigurationRefused as error:
        status = 409 if error.stale else 404 if error.missing else 422
        raise HTTPException(status, {"problems": error.problems}) from error
