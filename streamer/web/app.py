"""The console as one web application: every route behind the guard, pages from files that lie beside."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from streamer import __version__
from streamer.web.access import ACCESS
from streamer.web.alert_routes import add_alert_routes
from streamer.web.answers import describe_answers
from streamer.web.audit_routes import add_audit_routes
from streamer.web.audited import Audited
from streamer.web.camera_routes import add_camera_routes
from streamer.web.configuration_routes import add_configuration_routes
from streamer.web.doorway import Doorway
from streamer.web.guard import Guard
from streamer.web.parts import ConsoleParts
from streamer.web.session_routes import add_session_routes
from streamer.web.video_routes import add_video_routes

STATIC = Path(__file__).parent / "static"
PAGES = ("/", "/alerts", "/alerts/{alert_id}", "/audit", "/cameras/{camera}", "/cameras/{camera}/places",
         "/cameras/{camera}/settings", "/configuration", "/configuration/add")  # fmt: skip


def build_app(parts: ConsoleParts) -> FastAPI:
    """The application. Raises RuntimeError for a route that the table of access does not know, or the reverse."""
    app = FastAPI(
        title="Streamer",
        summary="Cameras, live pictures, alerts and what people do about them.",
        version=__version__,
        openapi_url=None,  # behind the guard, like everything
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(Guard(parts))],
    )
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_middleware(Audited, parts=parts)
    app.add_middleware(Doorway)
    add_session_routes(app, parts)
    add_alert_routes(app, parts)
    add_camera_routes(app, parts)
    add_audit_routes(app, parts)
    add_configuration_routes(app, parts)
    add_video_routes(app, parts)
    _add_pages(app)

    describing = threading.Lock()

    @app.get("/api/openapi.json", include_in_schema=False)
    def openapi() -> JSONResponse:
        with describing:  # the first who ask may be several
            return JSONResponse(_described(app))

    routes = {
        (method, route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods or ()
    }
    if routes != ACCESS.keys():
        raise RuntimeError(f"routes and the table of access differ: {sorted(routes ^ ACCESS.keys())}")
    return app


def _not_understood(_: Request, error: Exception) -> Response:
    """422 that says what is wrong and not what was sent: that may be a password, or nothing that JSON can say."""
    assert isinstance(error, RequestValidationError)
    problems = [{"loc": each["loc"], "msg": each["msg"], "type": each["type"]} for each in error.errors()]
    return Response(json.dumps({"detail": problems}), 422, media_type="application/json")


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what each operation answers and the role that it asks for."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = app.openapi()
    describe_answers(document)
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "streamer_session"},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            role = ACCESS.get((method.upper(), path))
            if role:
                operation["x-role"] = role.name.lower()
                operation["security"] = [{"token": []}, {"session": []}]
    return document


def _add_pages(app: FastAPI) -> None:
    static = StaticFiles(directory=STATIC)

    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    for path in PAGES:
        app.add_api_route(path, page, include_in_schema=False, response_class=FileResponse)

    @app.get("/static/{path:path}", include_in_schema=False, response_class=Response)
    async def file(path: str, request: Request) -> Response:
        response = await static.get_response(path, request.scope)
        response.headers["Cache-Control"] = "no-cache"  # checked by its tag: a new version is seen at once
        return response
