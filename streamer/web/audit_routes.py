"""The audit log, for admins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query

from streamer.web.parts import AuditWanted, ConsoleParts


def add_audit_routes(app: FastAPI, parts: ConsoleParts) -> None:
    """The routes of this file."""

    @app.get("/api/audit", tags=["audit"])
    def audit(
        who: str | None = None,
        camera: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before: int | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        """Who saw and did what, newest first. The next page: `before` is the number of the last one of this."""
        if parts.audit_entries is None:
            raise HTTPException(404, "no audit log is kept here")
        found = parts.audit_entries(AuditWanted(who, camera, since, until, before), limit)
        return {"entries": found, "before": found[-1]["n"] if len(found) == limit else None}
