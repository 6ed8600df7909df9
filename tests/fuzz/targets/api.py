"""The console's API by its own OpenAPI document: schemathesis makes requests that fit it and such that do not."""

from __future__ import annotations

import contextlib
import logging
import os
import random
from pathlib import Path

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from streamer.web.access import Role
from streamer.web.answers import STREAMS
from streamer.web.doorway import MOST_BODY_BYTES
from tests.alert_lives import change
from tests.configuration_site import SECRETS, a_site
from tests.console_server import PASSWORD, TOKENS, served
from tests.fuzz.target import Wrong

AT_ONCE = 10
"""Requests to one operation that make one input: what hypothesis does first is always the simplest."""
_ANSWER_WITHIN_S = 80.0
_KNOWN = {"camera": ("gate", "yard 2", "film"), "alert_id": ("a0", "a1"), "number": (1, 2)}


class ApiOperations:
    """The real server on a real socket, with a real configuration behind it that holds secrets.

    Each answer comes in time, is no 5xx (503 is one that says why), has the documented type and shape, and holds no
    secret.
    """

    def __init__(self, folder: Path) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        os.environ["REDIS_PASSWORD"] = os.environ["OTHER_SECRET"] = "r3d-passw0rd"
        self._stack = contextlib.ExitStack()
        console = self._stack.enter_context(served(folder, configuration=a_site(folder).api))
        for n in range(3):
            console.room.changed([change(f"a{n}")])
        self._url = f"http://127.0.0.1:{console.port}"
        schema = schemathesis.openapi.from_dict(console.get("/api/openapi.json").json)
        self._operations = [each.ok() for each in schema.get_all_operations()]
        self._session = self._stack.enter_context(requests.Session())
        self._secrets = (*SECRETS, PASSWORD, *TOKENS.values())

    def try_one(self, rng: random.Random) -> bool:
        """Some requests to one operation; taken where one of them was."""
        operation = rng.choice(self._operations)
        mode = rng.choice((GenerationMode.POSITIVE, GenerationMode.NEGATIVE))
        known = {name: rng.choice(values) for name, values in _KNOWN.items() if f"{{{name}}}" in operation.path}
        role = rng.choice((Role.ADMIN,) * 6 + (Role.OPERATOR, Role.VIEWER, None))
        cases = _cases(operation, mode, known if rng.random() < 0.7 else {}, rng.getrandbits(32))
        return min([self._asked(case, role) for case in cases], default=400) < 400

    def close(self) -> None:
        """Stop serving."""
        self._stack.close()

    def _asked(self, case: Case, role: Role | None) -> int:
        headers = {} if role is None else {"Authorization": f"Bearer {TOKENS[role]}"}
        endless = case.operation.path in STREAMS
        try:
            if endless:
                sent = case.as_transport_kwargs(base_url=self._url, headers=headers)
                with self._session.request(**sent, stream=True, timeout=_ANSWER_WITHIN_S) as answer:
                    status, body = answer.status_code, b"" if answer.ok else answer.content
                    if answer.ok and not answer.headers["Content-Type"].startswith(STREAMS[case.operation.path]):
                        raise Wrong(f"{case.operation.label}: {answer.headers['Content-Type']}")
            else:
                answered = case.call(self._url, self._session, headers, timeout=_ANSWER_WITHIN_S)
                status, body = answered.status_code, answered.content
        except requests.Timeout as error:
            raise Wrong(f"{case.as_curl_command()}: no answer within {_ANSWER_WITHIN_S:.0f} s") from error
        except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError):
            return 400  # what cannot be sent at all
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            sent = requests.Request(**case.as_transport_kwargs(base_url=self._url)).prepare()
            if int(sent.headers.get("Content-Length", 0)) > MOST_BODY_BYTES:
                return 413  # refused by its head alone: who goes on sending finds the connection closed
            raise
        if status >= 500 and status != 503:
            raise Wrong(f"{case.as_curl_command()}: answered {status} {body[:400]!r}")
        if not endless:
            try:
                case.validate_response(answered, checks=[content_type_conformance, response_schema_conformance])
            except FailureGroup as error:
                raise Wrong(f"{case.as_curl_command()}: {error.exceptions}") from error
        sent_text = repr(case.body) + repr(case.query) + repr(case.path_parameters)
        if told := [secret for secret in self._secrets if secret.encode() in body and secret not in sent_text]:
            raise Wrong(f"{case.as_curl_command()}: tells {told}")
        return status


def _cases(operation: APIOperation, mode: GenerationMode, known: dict[str, object], number: int) -> list[Case]:
    """The same ones for the same number."""
    found: list[Case] = []

    @seed(number)
    @settings(max_examples=AT_ONCE, database=None, deadline=None, derandomize=False, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode, path_parameters=known or None))
    def collect(case: Case) -> None:
        found.append(case)

    try:
        collect()
    except Exception as error:
        if "negative" in str(error).lower() or type(error).__name__ in ("Unsatisfiable", "SkipTest"):
            return []  # nothing can be wrong about a request that has no part
        raise
    return found
