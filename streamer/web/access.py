"""Who may do what: one table of every address and the least role that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Role(IntEnum):
    """What somebody may do; each may do all that those below it may."""

    PUBLIC = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Role:
        """The role of a configuration."""
        return cls[name.upper()]


CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})

ACCESS: Mapping[tuple[str, str], Role] = {
    # pages hold nothing that is secret: what they show they ask the API for
    ("GET", "/"): Role.PUBLIC,
    ("GET", "/alerts"): Role.PUBLIC,
    ("GET", "/alerts/{alert_id}"): Role.PUBLIC,
    ("GET", "/cameras/{camera}"): Role.PUBLIC,
    ("GET", "/cameras/{camera}/places"): Role.PUBLIC,
    ("GET", "/cameras/{camera}/settings"): Role.PUBLIC,
    ("GET", "/configuration"): Role.PUBLIC,
    ("GET", "/configuration/add"): Role.PUBLIC,
    ("GET", "/static/{path:path}"): Role.PUBLIC,
    ("POST", "/api/login"): Role.PUBLIC,
    ("POST", "/api/logout"): Role.VIEWER,
    ("GET", "/api/session"): Role.VIEWER,
    ("GET", "/api/openapi.json"): Role.VIEWER,
    ("GET", "/api/events"): Role.VIEWER,
    ("GET", "/api/live"): Role.VIEWER,
    ("GET", "/api/cameras"): Role.VIEWER,
    ("GET", "/api/cameras/{camera}"): Role.VIEWER,
    ("GET", "/api/cameras/{camera}/picture.jpg"): Role.VIEWER,
    ("GET", "/api/cameras/{camera}/live.mjpg"): Role.VIEWER,
    ("GET", "/api/cameras/{camera}/live.mp4"): Role.VIEWER,
    ("GET", "/api/cameras/{camera}/video"): Role.VIEWER,
    ("GET", "/api/cameras/{camera}/timeline"): Role.VIEWER,
    ("POST", "/api/cameras/{camera}/wake"): Role.OPERATOR,
    ("GET", "/api/cameras/{camera}/places"): Role.VIEWER,
    ("PUT", "/api/cameras/{camera}/places"): Role.ADMIN,
    ("GET", "/api/configuration"): Role.ADMIN,
    ("PUT", "/api/configuration"): Role.ADMIN,
    ("POST", "/api/configuration/plan"): Role.ADMIN,
    ("POST", "/api/configuration/rollback"): Role.ADMIN,
    ("GET", "/api/configuration/history"): Role.ADMIN,
    ("GET", "/api/configuration/history/{number}"): Role.ADMIN,
    ("POST", "/api/configuration/try"): Role.ADMIN,
    ("POST", "/api/configuration/cameras"): Role.ADMIN,
    ("GET", "/api/configuration/cameras/{camera}"): Role.ADMIN,
    ("PUT", "/api/configuration/cameras/{camera}"): Role.ADMIN,
    ("DELETE", "/api/configuration/cameras/{camera}"): Role.ADMIN,
    ("GET", "/api/alerts"): Role.VIEWER,
    ("POST", "/api/alerts/acknowledge"): Role.OPERATOR,
    ("GET", "/api/alerts/{alert_id}"): Role.VIEWER,
    ("GET", "/api/alerts/{alert_id}/snapshot.jpg"): Role.VIEWER,
    ("GET", "/api/alerts/{alert_id}/clip.mp4"): Role.VIEWER,
    ("POST", "/api/alerts/{alert_id}/acknowledge"): Role.OPERATOR,
    ("POST", "/api/alerts/{alert_id}/comment"): Role.OPERATOR,
    ("POST", "/api/alerts/{alert_id}/silence"): Role.OPERATOR,
    ("GET", "/audit"): Role.PUBLIC,
    ("GET", "/api/audit"): Role.ADMIN,
    ("GET", "/api/silences"): Role.VIEWER,
    ("DELETE", "/api/silences/{number}"): Role.OPERATOR,
}
