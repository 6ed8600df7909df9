"""The audit log as it is read: what is in it, and whether anything of it was changed or taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.audit.entry import START, Head, hash_of, read_line
from streamer.audit.trail import FOLDER, HEAD_FILE, PRUNED, day_files


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries: since and until in epoch seconds, of whom, about which camera; before: numbers below this one."""

    since: float | None = None
    until: float | None = None
    who: str | None = None
    camera: str | None = None
    before: int | None = None

    def takes(self, body: Mapping[str, Any]) -> bool:
        """Whether an entry is one of them."""
        return (
            (self.since is None or body.get("at", 0) >= self.since)
            and (self.until is None or body.get("at", 0) < self.until)
            and (self.who is None or body.get("who") == self.who)
            and (self.camera is None or self.camera in body.get("cameras", ()))
            and (self.before is None or body["n"] < self.before)
        )


def newest_first(data_folder: Path, asked: Asked) -> Iterator[dict[str, Any]]:
    """Entries, read as far as they are taken."""
    for file in reversed(day_files(data_folder / FOLDER)):
        for line in reversed(file.read_text("utf-8", "replace").splitlines()):
            body = read_line(line)
            if body is not None and asked.takes(body):
                yield body


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. problems: a sentence each, none where the chain is whole; notes: what is no harm."""

    entries: int
    head: Head
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def verify(data_folder: Path, expected: Head | None = None) -> Verdict:
    """Follow the chain through all files. expected: a head that was kept elsewhere; it must be part of the chain."""
    folder = data_folder / FOLDER
    head: Head | None = None
    first: dict[str, Any] | None = None
    problems: list[str] = []
    notes: list[str] = []
    let_go: set[str] = set()
    known = expected is None or expected.n == 0
    entries = 0
    for file in day_files(folder):
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
            where, body = f"{file.name}:{number}", read_line(line)
            if body is None:
                notes.append(
                    f"{where}: is no entry: its writer died, or it was put there; the chain goes on without it"
                )
                continue
            entries += 1
            if body["hash"] != hash_of(body):
                problems.append(f"{where}: entry {body['n']} was changed: its hash is another")
            if head is None:
                first = body
            elif body["n"] != head.n + 1:
                problems.append(f"{where}: entry {body['n']} follows {head.n}: {_missing(head.n, body['n'])}")
            elif body.get("prev") != head.hash:
                problems.append(f"{where}: entry {body['n']} does not follow the {head.n} that stands before it")
            if body.get("did") == PRUNED and body.get("role") == "service":
                let_go.add(str(body.get("what")).rpartition("(")[2].rstrip(")"))
            known = known or (expected is not None and body["n"] == expected.n and body["hash"] == expected.hash)
            head = Head(body["n"], body["hash"])
    if first is not None and first.get("prev") != START and first.get("prev") not in let_go:
        problems.append(f"the log begins with entry {first['n']}, and no entry says that the older ones were let go")
    if not known and expected is not None:
        problems.append(f"entry {expected.n} with the hash {expected.hash} is not in the log: it was made anew, or cut")
    head = head or Head()
    told = _told_head(folder)
    if told is not None and told.n > head.n:
        problems.append(f"the log ends with entry {head.n}, and there were {told.n}: its end was taken away")
    return Verdict(entries, head, tuple(problems), tuple(notes))


def _missing(before: int, after: int) -> str:
    if after <= before:
        return "it stands there twice, or in the wrong place"
    return f"{after - before - 1} between them {'is' if after - before == 2 else 'are'} missing"


def _told_head(folder: Path) -> Head | None:
    try:
        body = json.loads((folder / HEAD_FILE).read_text(encoding="utf-8"))
        return Head(int(body["n"]), str(body["hash"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
