"""A webcam's packets lie in memory that is only lent, and what is wrong with a webcam is told in a sentence."""

from __future__ import annotations

import errno
import sys
import weakref
from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
import numpy as np
import pytest

from streamer.capture import CameraOptions, trouble
from streamer.capture.connection import Connection, connect, copy_of
from streamer.errors import SourceEnded, SourceUnavailable

WH = (16, 8)


def webcam(url: str, **options: str) -> CameraOptions:
    return CameraOptions(camera="desk", url=url, pace="live", options=options)


def decoded(packet: av.Packet) -> av.VideoFrame:
    decoder = av.CodecContext.create("rawvideo", "r")
    decoder.width, decoder.height = WH
    decoder.pix_fmt = "gray"
    return decoder.decode(packet)[0]


def test_a_picture_stays_as_it_was_after_the_device_took_its_buffer_back():
    seen = np.random.default_rng(3).integers(0, 256, WH[::-1], dtype=np.uint8)
    lent = av.Packet(WH[0] * WH[1])
    lent.update(seen.tobytes())
    lent.time_base = Fraction(1, 1_000_000)
    picture = decoded(copy_of(lent))
    lent.update(bytes(WH[0] * WH[1]))  # the driver writes the next picture
    np.testing.assert_array_equal(picture.to_ndarray(), seen)


def test_a_copied_packet_says_all_that_the_lent_one_said():
    with av.open("testsrc2=size=32x16:rate=25", format="lavfi") as source:
        packets = [packet for packet, _ in zip(source.demux(video=0), range(3), strict=False)]
        for packet in packets:
            copy = copy_of(packet)
            for what in ("pts", "dts", "duration", "time_base", "is_keyframe", "is_corrupt", "size"):
                assert getattr(copy, what) == getattr(packet, what)
            assert bytes(copy) == bytes(packet)
        assert packets[1].pts is not None
        assert packets[1].time_base is not None


class Lent(bytearray):
    """What a packet says, in an object whose end can be observed."""

    size = 8
    pts = dts = 40_000
    duration = 0
    time_base = Fraction(1, 1_000_000)
    is_keyframe, is_corrupt = True, False


class Unplugged:
    """What a container looks like that gives one packet and then finds its device gone."""

    def __init__(self) -> None:
        self.lent: weakref.ref[Lent] | None = None

    def demux(self, stream: object) -> Iterator[Lent]:
        yield self._lend()
        raise OSError(errno.ENODEV, "No such device")

    def _lend(self) -> Lent:
        packet = Lent(Lent.size)
        self.lent = weakref.ref(packet)
        return packet


def test_nothing_lent_is_kept_when_a_webcam_is_pulled_out():
    device = Unplugged()
    with pytest.raises(SourceEnded, match=r"the connection to /dev/video0 broke \(No such device\)") as raised:
        list(Connection(webcam("/dev/video0"), device, stream=None, decoding=None).packets())
    assert device.lent is not None
    assert device.lent() is None  # and so it is given back before close(), although …
    assert raised.tb is not None  # … the traceback, with all that was in the frames' hands, is still there


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux is Linux's")
def test_ffmpeg_understands_what_it_is_told_of_a_webcam_and_looks_for_the_device():
    # An option that it did not understand would be complained about before the device is looked for.
    with pytest.raises(SourceUnavailable, match=r"^camera 'desk': /dev/video977 does not exist; check the path$"):
        connect(webcam("/dev/video977", video_size="640x360", framerate="25"))


@pytest.mark.parametrize(
    ("code", "sentence", "permanent"),
    [
        (errno.EBUSY, "/dev/video0 is in use by another program", False),
        (errno.EINVAL, "/dev/video0 refuses what options ask of it; compare input_format", True),
    ],
)
def test_a_webcam_that_is_busy_or_cannot_do_what_is_asked_says_so(code, sentence, permanent):
    with pytest.raises(av.error.FFmpegError) as raised:
        av.error.err_check(-code)
    told = trouble.unavailable(webcam("/dev/video0"), raised.value)
    assert sentence in str(told)
    assert told.permanent is permanent
