"""Decoding on a chip that may fail: nothing is lost by asking for it, and what decodes is said.

No chip is at hand where these run: a device that no machine has stands for one that cannot be opened, and chips that
open are played by a second software decoder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec import Codec, CodecContext
from av.video.codeccontext import VideoCodecContext

from streamer.assembly.decoding import check_decoding
from streamer.capture import CameraOptions
from streamer.capture.connection import connect
from streamer.capture.convert import Converter, DecodedPicture
from streamer.capture.decoding import Decoding
from streamer.capture.hardware import DeviceUnfit, Hardware, devices, open_on, problem_with, set_up_like
from streamer.cli import main
from streamer.config import parse_config
from streamer.errors import ConfigError
from streamer.fit import InputFit
from tests.cameras import Camera
from tests.clips import write_clip
from tests.integration.test_capture_key_frames import STRUCTURES, encoded

NO_SUCH_CARD = "cuda:97"


class Chip:
    """A device's decoder that works until it is told otherwise: it fails at one packet, or makes no pictures."""

    def __init__(
        self, model: VideoCodecContext, *, fails_at: int | None = None, silent: bool = False, pix_fmt: str = "cuda"
    ) -> None:
        self._context = like(model)
        self._left, self._silent = fails_at, silent
        self.pix_fmt, self.flags, self.has_b_frames = pix_fmt, 0, False
        self.packets = 0

    @property
    def codec(self) -> Codec:
        return Codec("h264", "r")

    @property
    def extradata(self) -> bytes | None:
        return self._context.extradata

    def decode(self, packet: Any = None) -> list[av.VideoFrame]:
        self.packets += packet is not None
        if self._left is not None and self.packets > self._left:
            raise av.error.ExternalError(-542398533, "Generic error in an external library")
        return [] if self._silent else self._context.decode(packet)

    def flush_buffers(self) -> None:
        self._context.flush_buffers()


def like(model: VideoCodecContext) -> VideoCodecContext:
    context = CodecContext.create(model.codec, "r")
    set_up_like(model, context)
    return context


def read(clip: Path, decoder: Callable[[VideoCodecContext], Any]) -> list[tuple[int | None, np.ndarray]]:
    """Times and pixels of a whole clip."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
        decoding = decoder(stream.codec_context)
        frames = []
        for packet in container.demux(stream):
            frames += decoding.decode(packet if packet.size else None)
        return [(frame.pts, frame.to_ndarray()) for frame in frames]


def assert_same(some: list[tuple[int | None, np.ndarray]], others: list[tuple[int | None, np.ndarray]]) -> None:
    assert [pts for pts, _ in some] == [pts for pts, _ in others]
    for (_, one), (_, other) in zip(some, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=60, gop=20, b_frames=3)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_decoder_set_up_beside_the_streams_own_makes_the_very_same_pictures(tmp_path, structure):
    codec, options = STRUCTURES[structure]
    clip = encoded(tmp_path / "clip.mp4", codec, 70, options)
    own = read(clip, lambda context: context)
    assert len(own) == 70
    assert_same(read(clip, like), own)


@pytest.mark.parametrize("fails_at", [0, 1, 2])  # this stream's first picture comes with its fourth packet
def test_wherever_a_chip_fails_before_its_first_picture_none_is_lost(clip, fails_at):
    told: list[str] = []
    kept: list[Decoding] = []

    def failing(software: VideoCodecContext) -> Decoding:
        kept.append(Decoding(software, Chip(software, fails_at=fails_at), "cuda", told.append))
        return kept[0]

    assert_same(read(clip, failing), read(clip, lambda context: context))
    assert told == ["cuda failed: Generic error in an external library"]
    assert kept[0].where == f"h264 (cpu; {told[0]})"


@pytest.mark.parametrize("frames", [5, 60])
def test_a_chip_that_says_nothing_at_all_is_given_up_after_a_while_or_at_the_end(tmp_path, frames):
    clip = write_clip(tmp_path / "clip.mp4", frames=frames)
    told: list[str] = []
    silent = read(clip, lambda software: Decoding(software, Chip(software, silent=True), "qsv", told.append))
    assert_same(silent, read(clip, lambda context: context))
    assert told == ["qsv made no picture"]


def test_a_chip_that_works_is_used_for_everything_and_said(clip):
    chips: list[Chip] = []
    kept: list[Decoding] = []

    def working(software: VideoCodecContext) -> Decoding:
        chips.append(Chip(software))
        kept.append(Decoding(software, chips[0], "cuda:1", pytest.fail))
        return kept[0]

    assert_same(read(clip, working), read(clip, lambda context: context))
    assert chips[0].packets == 60
    assert kept[0].where == "h264 (cuda:1)"


def test_a_stream_that_ffmpeg_itself_decodes_in_software_after_all_is_not_called_a_chips(clip):
    told: list[str] = []
    kept: list[Decoding] = []

    def pretending(software: VideoCodecContext) -> Decoding:
        kept.append(Decoding(software, Chip(software, pix_fmt="yuv420p"), "cuda", told.append))
        return kept[0]

    read(clip, pretending)
    assert told == ["cuda does not decode this stream"]
    assert kept[0].where == "h264 (cpu; cuda does not decode this stream)"


def test_a_chip_that_fails_later_is_the_connections_trouble(clip):
    with pytest.raises(av.error.ExternalError):
        read(clip, lambda software: Decoding(software, Chip(software, fails_at=30), "cuda"))


def test_what_neither_can_decode_is_the_streams_fault(clip):
    with av.open(str(clip)) as container:
        software = container.streams.video[0].codec_context
        decoding = Decoding(software, Chip(software, fails_at=0), "cuda")
        with pytest.raises(av.error.InvalidDataError):
            decoding.decode(av.Packet(b"\x00\x00\x00\x02\xff\xff" * 50))


def test_both_decoders_are_told_the_flags_and_the_software_one_knows_of_reordering(clip):
    with av.open(str(clip)) as container:
        software = container.streams.video[0].codec_context
        chip = Chip(software)
        decoding = Decoding(software, chip, "cuda")
        assert decoding.has_b_frames
        decoding.flags |= 8
        assert chip.flags & software.flags & 8


@pytest.fixture
def options(clip: Path) -> CameraOptions:
    return CameraOptions(camera="gate", url=str(clip), pace="demand", decode_on=NO_SUCH_CARD)


def test_a_card_that_is_not_there_is_told_once_and_the_camera_decoded_all_the_same(options, caplog):
    hardware = Hardware("gate", NO_SUCH_CARD)
    for _ in range(3):
        connection = connect(options, hardware)
        packets = (packet for packet in connection.packets() if packet is not None)
        assert sum(len(connection.decoding.decode(packet)) for packet in packets) > 50
        assert connection.decoding.where.startswith(f"h264 (cpu; {NO_SUCH_CARD} could not be opened")
        connection.close()
    [told] = caplog.records
    assert told.levelno == logging.WARNING
    assert told.getMessage().startswith(f"camera 'gate' is decoded on the CPU: {NO_SUCH_CARD} could not be opened")


@pytest.mark.parametrize("kind", devices())
def test_every_device_of_this_build_opens_or_says_why_not(clip, kind):
    with av.open(str(clip)) as container:
        software = container.streams.video[0].codec_context
        try:
            opened = open_on(kind, software).is_hwaccel
        except DeviceUnfit as error:
            opened = str(error)
    assert opened is True or opened.startswith("could not be opened: ")


def test_a_codec_that_no_chip_knows_is_decoded_in_software(tmp_path, caplog):
    clip = write_clip(tmp_path / "clip.avi", frames=5, codec="ffv1")
    connection = connect(CameraOptions(camera="gate", url=str(clip), pace="demand", decode_on="cuda"))
    assert connection.decoding.where == "ffv1 (cpu; cuda does not decode ffv1 in this build of FFmpeg)"
    connection.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_who_leaves_the_choice_to_us_is_not_warned(clip, caplog):
    caplog.set_level(logging.DEBUG, "streamer.capture")
    connection = connect(CameraOptions(camera="gate", url=str(clip), pace="demand", decode_on="auto"))
    where = connection.decoding.where
    connection.close()
    assert all(record.levelno == logging.INFO for record in caplog.records)
    assert where[6:-1] in devices() or all(f"{kind} could not be opened" in where for kind in devices())


def test_without_a_wish_the_cpu_decodes_and_nothing_is_said(clip, caplog):
    connection = connect(CameraOptions(camera="gate", url=str(clip), pace="demand"))
    assert connection.decoding.where == "h264 (cpu)"
    connection.close()
    assert not caplog.records


def test_a_device_that_the_build_does_not_know_is_refused_with_what_it_knows(tmp_path, capsys):
    for device in ("nonsense", "cpu:1", "auto:0"):
        assert problem_with(device).startswith(f"this build of FFmpeg cannot decode on '{device}'; it can on cpu")
        with pytest.raises(ValueError, match="camera 'gate'"):
            Hardware("gate", device)
    text = "cameras:\n  gate: {url: rtsp://x/, decode_on: toaster}\n  yard: {url: rtsp://y/, decode_on: auto}\n"
    with pytest.raises(ConfigError) as refused:
        check_decoding(parse_config(text, "c.yaml", {}), "c.yaml")
    assert len(refused.value.problems) == 1
    assert all(name in refused.value.problems[0] for name in ("cameras.gate.decode_on", "toaster", *devices()))
    config = tmp_path / "c.yaml"
    config.write_text(text)
    assert main(["validate", "--no-model", str(config)]) == 2
    assert "toaster" in capsys.readouterr().err


@pytest.mark.parametrize("downloaded", ["nv12", "p010le"])
def test_pictures_as_chips_leave_them_become_the_same_rgb(clip, downloaded):
    with av.open(str(clip)) as container:
        frame = next(container.decode(video=0))
    from_chip = frame.reformat(format=downloaded)
    converter = Converter(InputFit((160, 160)), (frame.width, frame.height))
    small, small_from_chip = converter.image(frame).astype(int), converter.image(from_chip).astype(int)
    assert np.abs(small - small_from_chip).max() <= 3
    whole, whole_from_chip = DecodedPicture(frame).rgb().astype(int), DecodedPicture(from_chip).rgb().astype(int)
    assert np.abs(whole - whole_from_chip).max() <= 3
    if downloaded == "nv12":
        assert np.abs(small - small_from_chip).mean() < 0.1


def test_the_cameras_state_says_what_decodes_and_why_not_what_was_asked_for(clip):
    camera = Camera(clip, decode_on=NO_SUCH_CARD)
    assert len(camera.read()) > 5
    state = camera.status.state()
    assert state.codec == "h264"
    assert state.decoder.startswith(f"h264 (cpu; {NO_SUCH_CARD} could not be opened: ")
