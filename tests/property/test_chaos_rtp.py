"""RTP as the scripted camera sends it, put together again by a depacketiser written from the RFCs for this test."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.chaos.camera.requests import RequestReader
from streamer.chaos.camera.rtp import MOST_BYTES, RtpStream, interleaved

H264_TYPES = st.integers(1, 23)
HEVC_TYPES = st.integers(0, 47)


@st.composite
def nals(draw, codec):
    size = draw(st.one_of(st.integers(2, 60), st.integers(MOST_BYTES - 4, MOST_BYTES + 6), st.integers(1500, 9000)))
    body = draw(st.integers(0, 2**32).map(lambda seed: random.Random(seed).randbytes(size)))
    if codec == "h264":
        return bytes([draw(st.integers(0, 3)) << 5 | draw(H264_TYPES)]) + body
    return bytes([draw(HEVC_TYPES) << 1 | draw(st.integers(0, 1)), draw(st.integers(1, 255))]) + body


def put_together(codec, payloads):
    """RFC 6184 5.6 and 5.8; RFC 7798 4.4.1 and 4.4.3."""
    found, pieces = [], None
    for payload in payloads:
        if codec == "h264":
            kind, head = payload[0] & 0x1F, 1
            whole = kind not in (28,)
        else:
            kind, head = payload[0] >> 1 & 0x3F, 2
            whole = kind not in (49,)
        if whole:
            assert pieces is None
            found.append(payload)
            continue
        about = payload[head]
        if about & 0x80:
            assert pieces is None
            if codec == "h264":
                pieces = bytes([payload[0] & 0xE0 | about & 0x1F])
            else:
                pieces = bytes([payload[0] & 0x81 | (about & 0x3F) << 1, payload[1]])
        assert pieces is not None
        pieces += payload[head + 1 :]
        if about & 0x40:
            found.append(pieces)
            pieces = None
    assert pieces is None
    return found


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@given(data=st.data(), pictures=st.integers(1, 3), at_s=st.floats(-1e5, 1e5))
def test_whatever_is_sent_arrives_bit_for_bit(codec, data, pictures, at_s):
    stream, before = RtpStream(random.Random(1)), None
    for number in range(pictures):
        sent = data.draw(st.lists(nals(codec), min_size=1, max_size=3))
        packets = list(stream.packets(codec, sent, at_s + number))
        assert all(len(packet) <= 12 + MOST_BYTES for packet in packets)
        assert put_together(codec, [packet[12:] for packet in packets]) == sent
        heads = [struct.unpack(">BBHII", packet[:12]) for packet in packets]
        assert {head[0] for head in heads} == {0x80}
        assert [head[1] >> 7 for head in heads] == [0] * (len(heads) - 1) + [1]  # the marker ends the picture
        assert {head[3] for head in heads} == {stream.ticks(at_s + number)}
        for head in heads:
            assert before is None or head[2] == (before + 1) % 65536
            before = head[2]


def test_a_sender_report_ties_the_stream_to_the_camera_s_clock():
    stream = RtpStream(random.Random(1))
    list(stream.packets("h264", [b"\x65abc", b"\x41" + bytes(2000)], 3.0))
    version, kind, words, _, seconds, fraction, ticks, packets, octets = struct.unpack(
        ">BBHIIIIII", stream.sender_report(3.5, 1_700_000_000.25)
    )
    assert (version, kind, words) == (0x80, 200, 6)  # RFC 3550 6.4.1
    assert seconds - 2_208_988_800 == 1_700_000_000
    assert fraction / 2**32 == pytest.approx(0.25)
    assert ticks == stream.ticks(3.5)
    assert (packets, octets) == (3, 4 + (2 + 1398) + (2 + 2000 - 1398))


@given(
    methods=st.lists(st.sampled_from(["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 400), max_size=20),
    body=st.binary(max_size=30).filter(lambda b: b"\r\n\r\n" not in b),
    report=st.binary(max_size=30),
)
def test_requests_are_found_however_the_bytes_arrive(methods, cuts, body, report):
    text = b""
    for number, method in enumerate(methods):
        text += (
            f"{method} rtsp://h/live RTSP/1.0\r\nCSeq: {number}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        text += interleaved(1, report)  # the client's own RTCP, in between
    reader, found = RequestReader(), []
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    for begin, end in pairwise(places):
        found += list(reader.take(text[begin:end]))
    assert [(request.method, request.headers["cseq"]) for request in found] == [
        (method, str(number)) for number, method in enumerate(methods)
    ]


def test_what_is_no_rtsp_is_refused():
    with pytest.raises(ValueError):
        list(RequestReader().take(b"GET / HTTP/1.1\r\n\r\n"))
    with pytest.raises(ValueError, match="without an end"):
        list(RequestReader().take(b"x" * 70_000))
