"""Every error of the house, who catches it, and what happens next.

StreamerError
├── ConfigError            the configuration is wrong         → cli prints every problem, exit 2
├── ArtifactError          a model folder is not what it says → cli prints both sides, exit 3
├── SourceError            one camera; its capture worker waits and reconnects, nobody else notices
│   ├── SourceUnavailable    cannot be opened: refused, no such host, wrong password, no video track
│   ├── SourceStalled        connected, but no frame within the promised time
│   ├── SourceEnded          a live source closed the connection (a file's end is no error)
│   └── SourceCorrupt        what arrives cannot be trusted: endless decode errors, impossible timestamps
├── FootageError           a clip or recording cannot be had: given up, counted; asked for by a person → exit 1
├── PrivacyError           a picture would leave unscreened: a mistake of ours, refused → the process stops, exit 1
├── ServiceOver            a camera was to be taken in while the service ends → whoever asked for it is told
├── InferenceError         the model failed while running     → the process stops, exit 1, its supervisor restarts it
│   └── Unanswered           the model is on other nodes, and none answered in time → the frames count as dropped
└── SinkError
    ├── SinkUnavailable      the receiver is away: alerts wait in the outbox, the live feed is let go and counted
    └── SinkRejected         the receiver will never take this one: counted and set aside

Foreign errors (PyAV, ONNX Runtime, redis, SQLite) are translated once, at the room's door, with `from`.
Messages never hold credentials: an address goes through `redact` first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence


class StreamerError(Exception):
    """Base of all errors raised on purpose by this project."""

    exit_code = 1


class ConfigError(StreamerError):
    """One or more problems in the configuration; `problems` holds one sentence each."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ArtifactError(StreamerError):
    """A model folder that cannot be trusted; the message names what was expected and what was found."""

    exit_code = 3


class SourceError(StreamerError):
    """One camera cannot deliver."""


class SourceUnavailable(SourceError, ConnectionError):
    """The source could not be opened. `permanent` is true where waiting alone will not mend it (wrong password)."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class SourceStalled(SourceError, TimeoutError):
    """The connection is up but no frame came within the promised time."""


class SourceEnded(SourceError, EOFError):
    """A live source closed the connection."""


class SourceCorrupt(SourceError):
    """What arrives cannot be decoded or its timestamps cannot be repaired."""


class FootageError(StreamerError):
    """Footage cannot be written, or what is asked for was not recorded."""


class PrivacyError(StreamerError):
    """A picture was to leave the process and nobody had said what of it may be seen."""


class ServiceOver(StreamerError):
    """The service is ending: it takes no camera in any more."""


class InferenceError(StreamerError):
    """The model failed while running."""


class Unanswered(InferenceError):
    """Nobody looked at these pictures in time, which is not the same as that nothing is in them.

    reason: the ledger.Drop under which their frames are counted.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SinkError(StreamerError):
    """A receiver of alerts or results failed."""


class SinkUnavailable(SinkError, ConnectionError):
    """The receiver is away; try again later."""


class SinkRejected(SinkError):
    """The receiver refuses this one message for good; trying again will not help."""


# A password may itself hold '@' or '/': everything between '://' and the last '@' of the same word is secret.
_USERINFO = re.compile(r"(?<=://)\S*@")
_SECRET_QUERY = re.compile(r"(?i)([?&;][^=&;\s]*(?:pass|pwd|token|secret|key|auth)[^=&;\s]*=)[^&;\s]*")


def redact(text: str) -> str:
    """The same text with every password in an address replaced.

    Takes out `user:password@` of any URL, and values of query parameters that sound like secrets.
    """
    return _SECRET_QUERY.sub(r"\1***", _USERINFO.sub("***@", text))
