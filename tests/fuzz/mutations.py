"""Inputs that are nearly right: bytes, texts and JSON values of valid examples with a few things made wrong in them."""

# ruff: noqa: E501 - tables of odd values, and texts that are one line
from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

_NUMBERS = ("0", "-1", "1e999", "-1e999", "9" * 5000, "1e-400", ".nan", ".inf", "0x7fffffffffffffff", "1:99:99", "0o777",
            "18446744073709551616", "1_000", "0b2", "-0", "1e308")  # fmt: skip
_WORDS = ("", "~", "null", "yes", "off", "''", "[]", "{}", "[[]]", "- -", "? ", "!!int ''", "!!int abc", "!!bool maybe",
          "!!timestamp x", "2001-99-99", "2001-01-01 99:99:99", "!!binary ====", "!!float ''", "!!omap [a: 1]", "!!set {a}",
          "!!python/object:os.system", "*nobody", "&a [*a]", "<<: {a: 1}", "|", ">", "%YAML 9.9", "---", "...", "\x00",
          "\x85", "\u2028", "\ufeff", "😀", "\ud800", "${HOME", "${file:/etc/passwd}", "${file:../x}", "${NOBODY}", "$$", "../../etc/passwd",
          "file:///etc/passwd", "rtsp://a:b@c@d/", "rtsp://[::1", "a" * 3000, "\t", "\r", "{{", "]]", '"', "'", "\\", "#")  # fmt: skip
NASTY_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, float("inf"), float("-inf"),
    float("nan"), "", "a", "\x00", "\ud800", "x" * 3000, "../../etc/passwd", "1e999", [], {}, [[]], [None], {"": None},
    [float("nan")] * 4, ["a"] * 4, [1] * 300, "NaN", "true", "\u202e", "😀",
)  # fmt: skip
_INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def mutated_bytes(rng: random.Random, content: bytes, most: int = 6) -> bytes:
    """A few bytes flipped, set, put in, taken out, doubled or moved; sometimes the end is missing."""
    found = bytearray(content)
    for _ in range(rng.randint(1, most)):
        if not found:
            found += rng.randbytes(rng.randint(1, 16))
            continue
        at, length = rng.randrange(len(found)), min(1 + int(rng.expovariate(1 / 16)), 4096)
        match rng.randrange(9):
            case 0:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                found[at] = rng.randrange(256)
            case 2:
                found[at:at] = rng.randbytes(length)
            case 3:
                del found[at : at + length]
            case 4:
                found[at:at] = found[at : at + length]
            case 5:
                size = rng.choice((1, 2, 4))
                number = rng.choice(_INTEGERS) & ((1 << 8 * size) - 1)
                found[at : at + size] = number.to_bytes(size, rng.choice(("big", "little")))
            case 6:
                other = rng.randrange(len(found))
                found[at : at + length] = found[other : other + length]
            case 7:
                found[at : at + length] = bytes(min(length, len(found) - at))
            case _:
                if rng.random() < 0.2:
                    del found[at:]
                else:
                    found[at] = (found[at] + rng.choice((1, -1))) & 0xFF
    return bytes(found)


def mutated_text(rng: random.Random, text: str, most: int = 4) -> str:
    """Lines moved, words replaced by what is hard to read, structure broken; at times a bomb of its own."""
    if rng.random() < 0.02:
        return _bomb(rng)
    lines = text.splitlines() or [""]
    for _ in range(rng.choice((1, 1, most))):
        at = rng.randrange(len(lines))
        match rng.randrange(8):
            case 0:
                del lines[at]
                lines = lines or [""]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                lines[at] = " " * rng.randint(0, 8) + lines[at].lstrip()
            case 3:
                key, colon, _ = lines[at].partition(":")
                lines[at] = f"{key}{colon or ':'} {rng.choice(_NUMBERS + _WORDS)}"
            case 4:
                words = lines[at].split(" ")
                words[rng.randrange(len(words))] = rng.choice(_NUMBERS + _WORDS)
                lines[at] = " ".join(words)
            case 5:
                place = rng.randint(0, len(lines[at]))
                lines[at] = lines[at][:place] + rng.choice(_WORDS) + lines[at][place:]
            case 6:
                lines[at] = lines[at][: rng.randint(0, len(lines[at]))]
            case _:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


def _bomb(rng: random.Random) -> str:
    deep = rng.choice((50, 500, 5000, 50_000))
    match rng.randrange(6):
        case 0:
            return "cameras: " + "[" * deep
        case 1:
            return "cameras: " + "{a: " * min(deep, 5000) + "}" * min(deep, 5000)
        case 2:
            deep = min(deep, 500)
            return "\n".join(" " * i + "a:" for i in range(deep))
        case 3:  # the billion laughs
            names = [f"a{i}" for i in range(rng.randint(5, 30))]
            steps = [
                f"{name}: &{name} [{', '.join([f'*{names[i - 1]}'] * 9 if i else ['x'])}]"
                for i, name in enumerate(names)
            ]
            return "\n".join(steps) + f"\ncameras: *{names[-1]}"
        case 4:
            return "cameras: {" + ", ".join(f"c{i}: {{url: rtsp://a/{i}}}" for i in range(min(deep, 500))) + "}"
        case _:
            return "a: &a [*a, *a]\ncameras: *a"


def mutated_json(rng: random.Random, value: Any, most: int = 3, nasty: Sequence[Any] = NASTY_VALUES) -> Any:
    """The value with a few of its leaves, keys or branches made wrong; a copy."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, most))):
        value = _with_one_wrong(rng, value, nasty)
    return value


def _with_one_wrong(rng: random.Random, value: Any, nasty: Sequence[Any]) -> Any:
    places = list(_places(value))
    if not places or rng.random() < 0.03:
        return copy.deepcopy(rng.choice(nasty))
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(rng.choice(("", "extra", "\x00", key + "2", key.upper())))] = holder.pop(key)
        case 2:
            nested: Any = holder[key]
            for _ in range(rng.choice((1, 3, 200))):
                nested = rng.choice(([nested], {"a": nested}))
            holder[key] = nested
        case 3 if isinstance(holder[key], str):
            holder[key] = mutated_text(rng, holder[key] or "a", 1)
        case 4 if (
            isinstance(holder[key], int | float) and not isinstance(holder[key], bool) and abs(holder[key]) < 2**99
        ):
            holder[key] = rng.choice((-holder[key], holder[key] * 1e9, str(holder[key]), [holder[key]]))
        case _:
            holder[key] = copy.deepcopy(rng.choice(nasty))
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys = list(each) if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        for key in keys:
            found.append((each, key))
            waiting.append(each[key])
    return found
