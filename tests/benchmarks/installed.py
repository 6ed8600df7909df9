"""Processes that a benchmark starts find their bytecode, as a service that was installed does."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def bytecode_as_installed() -> Iterator[None]:
    """Sets this process' environment, which its children inherit, while inside.

    pip compiles what it installs, and so does deploy/Dockerfile. A checkout has no bytecode where its environment says
    PYTHONDONTWRITEBYTECODE, and every start would then compile the whole service anew. The first start still does: it
    is not to be measured.
    """
    before = {name: os.environ.get(name) for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
