"""Passwords may hold any character, and none of them is ever seen again."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import av
import pytest
from av.container import Flags
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamer.capture import CameraOptions, default_pace, is_live
from streamer.capture.address import with_escaped_password
from streamer.capture.options import ffmpeg_format, ffmpeg_options
from streamer.errors import redact

# '%' followed by two hexadecimal digits is an escape already, and a line holds no spaces.
passwords = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="%"), min_size=1, max_size=12
)


@settings(max_examples=500, deadline=None)
@given(user=st.text("abcdefXYZ019._-", min_size=1, max_size=8), password=passwords)
def test_a_password_pasted_as_it_is_arrives_as_it_is(user, password):
    # `user:123/4@camera` is a host, a port and a path as well, and so is `user:a@b/c@camera` with its user:
    # only an escape can tell which is meant.
    assume(not re.match(r"\d{1,5}[/?#]|.*@[^\s@:/?#\[\]]+(:\d{1,5})?[/?#]", password))
    parts = urlsplit(with_escaped_password(f"rtsp://{user}:{password}@camera.lan:554/stream/1?profile=2"))
    assert parts.hostname == "camera.lan"
    assert parts.port == 554
    assert parts.path == "/stream/1"
    assert parts.query == "profile=2"
    assert unquote(parts.username or "") == user
    assert unquote(parts.password or "") == password


@settings(max_examples=300, deadline=None)
@given(password=passwords)
def test_the_label_of_a_camera_never_shows_its_password(password):
    options = CameraOptions(camera="gate", url=f"rtsp://admin:{password}@camera.lan/s", pace="live")
    assert options.label == "rtsp://***@camera.lan/s"
    assert redact(with_escaped_password(options.url)) == "rtsp://***@camera.lan/s"
    assert "camera.lan" not in repr(options)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://camera.lan:554/stream?who=a@b",
        "rtsp://10.0.0.7/live",
        "rtsp://[fe80::1]:554/x",
        "rtsp://admin:p%40ss@camera.lan/s",
        "/data/clip with @.mp4",
        "testsrc2=size=640x360:rate=25",
    ],
)
def test_an_address_that_needs_nothing_is_left_alone(url):
    assert with_escaped_password(url) == url


@pytest.mark.parametrize(
    ("url", "format", "pace"),
    [
        ("rtsp://a/b", None, "live"),
        ("RTSPS://a/b", None, "live"),
        ("http://a/video.mjpg", None, "live"),
        ("udp://239.0.0.1:1234", None, "live"),
        ("/dev/video0", None, "live"),
        ("/dev/v4l/by-id/cam", "v4l2", "live"),
        ("testsrc2", "lavfi", "live"),
        ("clips/gate.mp4", None, "demand"),
        ("/data/a.mkv", None, "demand"),
        ("file:///data/a.mkv", None, "demand"),
    ],
)
def test_what_shows_the_present_is_live_and_a_recording_is_not(url, format, pace):
    assert default_pace(url, format) == pace
    assert is_live(url, format) == (pace == "live")


def test_a_webcam_is_read_by_v4l2_without_blocking_and_takes_its_options():
    options = CameraOptions(
        camera="desk", url="/dev/video0", pace="live", options={"video_size": "1280x720", "framerate": "30"}
    )
    assert ffmpeg_format(options) == "v4l2"
    told = ffmpeg_options(options)
    assert (told.pop("video_size"), told.pop("framerate")) == ("1280x720", "30")
    # FFmpeg itself says what the rest means: the flag is set, and those that are set by default stay.
    with av.open("testsrc2", format="lavfi") as plain, av.open("testsrc2", format="lavfi", options=told) as open_:
        assert open_.flags == plain.flags | Flags.non_block.value


def test_rtsp_options_choose_the_transport_and_never_throw_the_first_packets_away():
    told = ffmpeg_options(CameraOptions(camera="gate", url="rtsp://a/b", pace="live", transport="udp"))
    assert told["rtsp_transport"] == "udp"
    assert told["allowed_media_types"] == "video"
    assert "nobuffer" not in told.get("fflags", "")


def test_what_the_configuration_says_wins():
    told = ffmpeg_options(CameraOptions(camera="gate", url="rtsp://a/b", pace="live", options={"timeout": "7"}))
    assert told["timeout"] == "7"


@pytest.mark.parametrize(
    "wrong",
    [{"analyse_fps": 0.0}, {"backoff_first_s": 5.0, "backoff_most_s": 1.0}, {"decode_threads": 0}, {"loop": True}],
)
def test_options_that_make_no_sense_are_refused_by_camera(wrong):
    with pytest.raises(ValueError, match="camera 'gate'"):
        CameraOptions(camera="gate", url="rtsp://a/b", pace="live", **wrong)
