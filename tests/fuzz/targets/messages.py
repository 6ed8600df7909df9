"""Messages: what stands in Redis streams and hashes, what a crew member writes, what Redis answers to a subscriber."""

# ruff: noqa: E501 - tables of odd values, and texts that are one line
from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from streamer.client.messages import read_fields, start_id
from streamer.client.protocol import Call, GroupReader, LookOn, Wanted
from streamer.cluster.handover import Handover, decode_handover, encode_handover
from streamer.control.command import Unfit, WakeCommand, read_command
from streamer.crew.letters import Lines, line
from streamer.crew.news import BooksOf
from streamer.surroundings import Surroundings
from streamer.types import Handling
from streamer.wire import Keys, alert_body, alert_fields, decode_alert, decode_message, encode_alert, handling_body
from tests.alert_lives import CLIP, change
from tests.fakes import FakeClock
from tests.fuzz.mutations import NASTY_VALUES, mutated_bytes, mutated_json

OPENED = replace(change("a1"), clip=CLIP)
HANDLING = Handling(
    id="h1", type="acknowledged", alert="a1", camera="gate", kind="intrusion", severity="warning", by="ada", at=1000.0
)
HANDOVER = Handover("gate", 1000.0, "stop", (OPENED,), {"count": {"in": 3}}, {"in": 900.0})


def encoded(rng: random.Random, body: Any) -> bytes:
    """A body made wrong as a value, as text, or as bytes."""
    text = json.dumps(mutated_json(rng, body) if rng.random() < 0.8 else body)
    if rng.random() < 0.02:
        text = "[" * 100_000
    content = text.encode("utf-8", "surrogatepass")
    return mutated_bytes(rng, content, 3) if rng.random() < 0.3 else content


class WireMessages:
    """decode_alert, decode_message, decode_handover, read_command: a value or a ValueError."""

    def __init__(self, folder: Path) -> None:
        pass

    def try_one(self, rng: random.Random) -> bool:
        """One message of one kind."""
        try:
            match rng.randrange(5):
                case 0:
                    found = decode_alert(encoded(rng, alert_body(OPENED)))
                    encode_alert(found)  # what was taken can be told on
                case 1:
                    decode_message(encoded(rng, handling_body(HANDLING)))
                case 2:
                    decode_handover(encoded(rng, json.loads(encode_handover(HANDOVER))))
                case 3:
                    fields = alert_fields(encode_alert(OPENED), OPENED)
                    wrong = {key.encode(): mutated_bytes(rng, value.encode(), 2) for key, value in fields.items()}
                    read_fields(wrong)
                    start_id(rng.choice(("new", "all", "1-", "x", "1700-0", "²-1", "1-1-1", "-")), "0-0")
                case _:
                    command = mutated_json(rng, WakeCommand("gate", 1000.0).fields())
                    texts = command if isinstance(command, dict) else {}
                    read_command({str(k): str(v) for k, v in texts.items()}, rng.choice(("1-0", "1000000-3")), 1.0)
        except Unfit:
            return False
        except ValueError as error:
            if not str(error):
                raise
            return False
        return True

    def close(self) -> None:
        """Nothing is open."""


class ClientAnswers:
    """The subscriber's protocol: a stream in which others write what they like is read to its end, come what may."""

    def __init__(self, folder: Path) -> None:
        pass

    def try_one(self, rng: random.Random) -> bool:
        """A page of entries, right and wrong ones mixed; a group reader or one who looks on."""
        entries: list[tuple[bytes, dict[bytes, bytes]]] = []
        for n in range(rng.randint(0, 6)):
            found = replace(OPENED, id=f"a{rng.randrange(3)}", seq=rng.randint(1, 3))
            fields = {k.encode(): v.encode() for k, v in alert_fields(encode_alert(found), found).items()}
            if rng.random() < 0.6:
                fields[b"data"] = encoded(rng, alert_body(found))
            if rng.random() < 0.1:
                fields = {mutated_bytes(rng, k, 1): mutated_bytes(rng, v, 2) for k, v in fields.items()}
            if rng.random() < 0.05:
                fields = {}
            entries.append((b"%d-%d" % (1000 + n, n), fields))
        settled: list[str] = []
        reader: LookOn | GroupReader
        if rng.random() < 0.3:
            reader = LookOn(Keys(), "all", Wanted(), prefetch=10, block_s=0.01)
        else:
            reader = GroupReader(
                *(Keys(), "g", "c", "all", Wanted()), prefetch=10, block_s=0.01, claim_idle_s=60, max_attempts=3
            )
        served = _Answers(entries, settled)
        handed = 0
        try:
            while (received := _drive(reader.next(), served)) is not None:
                handed += 1
                _drive(reader.acknowledge(received), served)
        except RedisError:
            return False
        if isinstance(reader, GroupReader) and len(set(settled)) != len(entries):
            raise AssertionError(f"{len(entries)} entries were given out and {len(set(settled))} settled")
        return bool(handed)

    def close(self) -> None:
        """Nothing is open."""


class _Answers:
    """Redis as far as these readers ask: one page of entries, then nothing more."""

    def __init__(self, entries: list[tuple[bytes, dict[bytes, bytes]]], settled: list[str]) -> None:
        self._entries, self._settled, self._given = entries, settled, False

    def __call__(self, call: Call) -> Any:
        match call.method:
            case "xinfo_stream":
                return {"last-generated-id": b"2000-0", "max-deleted-entry-id": b"0-0"}
            case "xinfo_groups":
                return []
            case "xread" | "xreadgroup":
                if call.method == "xreadgroup" and ">" not in call.args[2].values():
                    return []
                page, self._given = ([] if self._given else self._entries), True
                return [(b"s", page)] if page else []
            case "xautoclaim":
                return [b"0-0", []]
            case "xpending_range":
                return []
            case "xack":
                self._settled.append(call.args[2])
        return 1


def _drive(steps: Any, answer: _Answers) -> Any:
    try:
        call = next(steps)
        while True:
            call = steps.send(answer(call))
    except StopIteration as end:
        return end.value


class CrewLetters:
    """What a member of the crew may write after it has read something evil: ValueError, TypeError or KeyError."""

    def __init__(self, folder: Path) -> None:
        self._letters: list[dict[str, Any]] = [
            {"camera": "gate", "news": {"frames": [3, {"rate": 1}, {"decode": 1}], "sign": [1.5, None]}},
            {"news": {"link": [1, "online", 2.0, None, [640, 360], "h264", "cpu"], "sleep": [1.0, True, 0.5, {"motion": 1}, 0.1, 100, None]}},
            {"news": {"waited": [0.1, 0.2]}},
        ]  # fmt: skip

    def try_one(self, rng: random.Random) -> bool:
        """A few letters, cut anywhere, into the books."""
        content = b""
        for letter in rng.choices(self._letters, k=3):
            body = mutated_json(rng, letter, nasty=NASTY_VALUES) if rng.random() < 0.8 else letter
            sent = line(body) if isinstance(body, dict) else json.dumps(body).encode() + b"\n"
            content += mutated_bytes(rng, sent, 2) if rng.random() < 0.3 else sent
        if rng.random() < 0.02:
            content = b"[" * 100_000 + b"\n"
        books, lines = BooksOf(Surroundings.alone("gate", FakeClock())), Lines()
        try:
            cut = rng.randint(0, len(content))
            for part in (content[:cut], content[cut:]):
                for letter in lines.take(part):
                    news = letter.get("news")
                    books.write(news if isinstance(news, dict) else {})
        except (ValueError, TypeError, KeyError):
            return False
        return True

    def close(self) -> None:
        """Nothing is open."""
