"""Promises about pixels: they leave the process through streamer/privacy, or not at all."""

from __future__ import annotations

import re

from tests.conftest import ROOT

# What makes a file, or bytes for others, out of pixels.
_ENCODERS = re.compile(
    r"\b(imencode|imencodemulti|imwrite|imwritemulti|cv2\.VideoWriter|PIL|imageio|matplotlib|add_stream"
    r"|from_ndarray|tofile|np\.save|savez|simplejpeg|turbojpeg|to_image)\b|\.encode\(frame|CodecContext\.create\([^)]*['\"]w['\"]"
)
# Files that may, and why what they encode is nobody's camera.
_ALLOWED = {
    "streamer/privacy/jpeg.py": "takes Publishable",
    "streamer/privacy/video.py": "takes Publishable",
    "streamer/demo/clips.py": "the drawn world of the demo",
    "streamer/chaos/clips.py": "the drawn street of drills",
    "streamer/bench/footage.py": "the drawn street of the bench",
    "streamer/bench/picture.py": "a chart of figures",
}


def test_pictures_are_encoded_in_the_room_of_privacy_only():
    """Who needs a JPEG or a video takes a Publishable to streamer.privacy; others are thought about here first."""
    found = {}
    for file in sorted((ROOT / "streamer").rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        lines = [
            f"{name}:{number}: {line.strip()}"
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
            if _ENCODERS.search(line.split("#")[0])
        ]
        if lines and name not in _ALLOWED:
            found[name] = lines
    assert not found, "\n".join(line for lines in found.values() for line in lines)


# What makes a file, or bytes for others, out of packets as they came. Who asks for these asks first whether that is
# allowed: assembly.privacy.raw_pictures_allowed, and for live video privacy_of(camera).hides.
_REMUXERS = re.compile(r"\badd_stream_from_template\b|\.mux\(")
_PACKETS = {
    "streamer/footage/mp4_file.py": "clips and recordings",
    "streamer/footage/stream_header.py": "headers, no pictures",
    "streamer/footage/fragments.py": "live video",
}


def test_packets_leave_as_they_came_by_known_doors_only():
    found = [
        file.relative_to(ROOT).as_posix()
        for file in sorted((ROOT / "streamer").rglob("*.py"))
        if _REMUXERS.search(file.read_text(encoding="utf-8"))
    ]
    assert set(found) - _ALLOWED.keys() == _PACKETS.keys()


def test_every_exception_is_still_one():
    for name in _ALLOWED:
        assert any(_ENCODERS.search(line) for line in (ROOT / name).read_text(encoding="utf-8").splitlines()), name


def test_the_seal_of_publishable_pictures_is_known_to_its_file_only():
    users = [
        file.relative_to(ROOT).as_posix()
        for file in sorted((ROOT / "streamer").rglob("*.py"))
        if "_SEAL" in file.read_text(encoding="utf-8")
    ]
    assert users == ["streamer/privacy/publishable.py"]
