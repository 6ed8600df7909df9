"""`/cameras/NAME/wake`: how a door contact, a motion sensor or a script asks for pictures, by a plain HTTP request."""

from __future__ import annotations

import hmac
import json
from ipaddress import ip_address
from urllib.parse import unquote

from streamer.control.command import WAKE_FOR_S, OnOrder, not_told
from streamer.control.desk import WakeDesk
from streamer.telemetry.answer import Answer, Request

# Each says that the peer's address is not who asks: a proxy on this machine, or a web page in somebody's browser.
_SECOND_HAND = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "origin")


class WakeOrders:
    """Responds to requests that wake a camera.

    token: who knows it may order, as `Authorization: Bearer TOKEN` or `?token=TOKEN`. None: only this machine may.
    """

    def __init__(self, desk: WakeDesk, token: str | None = None, on_order: OnOrder = not_told) -> None:
        self._desk, self._token, self._on_order = desk, token, on_order

    def __call__(self, request: Request) -> Answer | None:
        """Whether it was done, where the request is an order at all."""
        parts = request.path.split("/")
        if parts[:2] != ["", "cameras"]:
            return None
        if len(parts) != 4 or parts[3] != "wake":
            return Answer.text(404, "there is POST /cameras/NAME/wake")
        if refused := self._refused(request):
            return refused
        try:
            for_s = _for_s(request)
            woken = self._desk.wake(unquote(parts[2]), for_s)
        except LookupError as error:
            return Answer.text(404, str(error))
        except ValueError as error:
            return Answer.text(400, str(error))
        self._on_order(request.peer, f"{', '.join(woken)} for {for_s:g} s", woken)
        return Answer.json(200, {"woken": woken, "for_s": for_s})

    def _refused(self, request: Request) -> Answer | None:
        if self._token is None:
            if not _from_this_machine(request):
                return Answer.text(403, "without http.token in the configuration only this machine itself may do this")
        elif not self._knows_token(request):
            return Answer.text(
                401, "send http.token as 'Authorization: Bearer TOKEN' or '?token=TOKEN'", WWW_Authenticate="Bearer"
            )
        # Some sensors know only how to fetch an address. Where that is the token's it is nobody's accident.
        if request.method != "POST" and not (self._token and "token" in request.query):
            return Answer.text(405, "this is a POST; a GET needs the token in its address", Allow="POST")
        return None

    def _knows_token(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = request.query.get("token", "")
        return hmac.compare_digest(given.strip().encode(), (self._token or "").encode())


def _from_this_machine(request: Request) -> bool:
    return ip_address(request.peer.partition("%")[0]).is_loopback and not any(
        header in request.headers for header in _SECOND_HAND
    )


def _for_s(request: Request) -> float:
    """How long, from the body or the address. Raises ValueError with a sentence."""
    if not request.body.strip():
        given: object = request.query.get("for_s", WAKE_FOR_S)
    else:
        try:
            order = json.loads(request.body)
        except (ValueError, RecursionError):
            raise ValueError('the body is no JSON; expected nothing, or {"for_s": 30}') from None
        if not isinstance(order, dict):
            raise ValueError('the body is no JSON object; expected nothing, or {"for_s": 30}')
        given = order.get("for_s", WAKE_FOR_S)
        if isinstance(given, bool | str):
            raise ValueError("for_s should be a number of seconds")
    try:
        return float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ValueError("for_s should be a number of seconds") from None
