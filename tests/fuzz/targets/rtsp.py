"""RTSP cameras that answer wrongly: status lines, headers, descriptions, interleaved RTP and RTCP of real clips."""

# ruff: noqa: E501 - tables of odd values
from __future__ import annotations

import base64
import contextlib
import random
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streamer.capture.options import CameraOptions
from streamer.chaos.camera.coded_clip import CodedClip, read_clip
from streamer.chaos.camera.description import description
from streamer.chaos.camera.rtp import RtpStream, interleaved
from tests.clips import write_clip
from tests.fuzz.mutations import mutated_bytes, mutated_text
from tests.fuzz.targets.video import taken

AT_ONCE = 16
"""Conversations that make one input: each waits for the other side more than it computes."""
_ANSWERED_WITHIN_S = 0.6
_OPENINGS = ("options", "describe", "setup", "play", "media", "media", "media", "everything")
_STATUS = (b"RTSP/1.0 301 Moved", b"RTSP/1.0 401 Unauthorized", b"RTSP/1.0 404 Not Found", b"RTSP/1.0 454 Session",
           b"RTSP/1.0 461 Unsupported Transport", b"RTSP/1.0 503 Busy", b"RTSP/2.0 200 OK", b"RTSP/1.0 99999999999 OK",
           b"RTSP/1.0", b"HTTP/1.1 200 OK", b"RTSP/1.0 -1 OK", b"", b"\x00" * 40, b"RTSP/1.0 200 " + b"K" * 9000)  # fmt: skip
_HEADERS = (b"Content-Length: -1", b"Content-Length: 99999999999", b"Content-Length: 0", b"Content-Length: 70000",
            b"CSeq: 99999999999999999999", b"CSeq: -1", b"Session: " + b"s" * 6000, b"Session: ;timeout=-5",
            b"Session: 1;timeout=999999999999", b"Transport: RTP/AVP/TCP;interleaved=250-999", b"Transport: RTP/AVP;unicast",
            b"Transport: RTP/AVP/UDP;client_port=0-1;server_port=0-0;source=127.0.0.1", b"Transport: ;;;=,,",
            b"Transport: RAW/RAW/UDP;destination=224.0.0.1;port=1-2;ttl=999", b"Content-Type: text/html", b"Public: ,,,,",
            b"Location: rtsp://127.0.0.1:1/other", b"Location: file:///etc/passwd", b"Location: ", b"RTP-Info: url=;seq=x",
            b"WWW-Authenticate: Digest realm=" + b'"a' * 2000, b"WWW-Authenticate: Basic", b"Range: npt=9e99-", b":", b"x" * 9000,
            b"Content-Base: rtsp://[::1", b"Content-Base: file:///etc/", b"RealChallenge1: " + b"0" * 64)  # fmt: skip
_LINES = ("m=video 0 RTP/AVP 96 97 98 " + "99 " * 500, "m=audio 0 RTP/AVP 0", "m=video 99999 RTP/AVP 33", "m=", "a=rtpmap:96 H264/0",
          "a=rtpmap:96 H265/90000", "a=rtpmap:96 H264/-1", "a=rtpmap:96 " + "X" * 5000, "a=rtpmap:96 JPEG/90000",
          "a=rtpmap:96 MP4V-ES/90000", "a=rtpmap:96 VP8/90000", "a=rtpmap:96 X-QT/90000", "a=rtpmap:96 MPEG4-GENERIC/90000",
          "a=fmtp:96 sprop-parameter-sets=" + "!" * 300, "a=fmtp:96 sprop-parameter-sets=" + "," * 900,
          "a=fmtp:96 sprop-vps=" + "A" * 9000, "a=fmtp:96 packetization-mode=99; profile-level-id=zz", "a=fmtp:96 ; ; =;",
          "a=control:", "a=control:file:///etc/passwd", "a=control:rtsp://127.0.0.1:1/x", "a=control:" + "t" * 5000,
          "a=range:npt=9e999-", "a=framesize:96 99999-99999", "a=x-dimensions:-1,-1", "a=framerate:0", "c=IN IP4 224.0.0.1/999",
          "c=IN IP6 ::", "b=AS:-1", "t=-1 99999999999", "a=rtcp-mux", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA")  # fmt: skip


class RtspAnswers:
    """CameraSource over servers with something wrong in what they say: frames or SourceError, in time."""

    def __init__(self, folder: Path) -> None:
        made = (("libx264", "a.mp4", 0), ("libx265", "b.mp4", 0), ("libx264", "c.mp4", 2))
        self._clips = [
            read_clip(write_clip(folder / name, frames=8, size_wh=(64, 48), gop=4, codec=codec))
            for codec, name, _ in made
        ]
        self._scripts: dict[str, random.Random] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2 * AT_ONCE)
        self.port = self._listener.getsockname()[1]
        self._clients = ThreadPoolExecutor(AT_ONCE, "rtsp:client")
        self._servers = ThreadPoolExecutor(2 * AT_ONCE, "rtsp:server")
        self._thread = threading.Thread(target=self._accept, name="rtsp:wrong", daemon=True)
        self._thread.start()

    def try_one(self, rng: random.Random) -> bool:
        """Several conversations at once, each its own; taken where one of them brought pictures."""
        self._scripts = {f"n{rng.getrandbits(48)}": random.Random(rng.getrandbits(64)) for _ in range(AT_ONCE)}
        asked = [
            CameraOptions(
                camera="gate",
                url=f"rtsp://127.0.0.1:{self.port}/{name}",
                pace="demand",
                connect_timeout_s=2.0,
                stall_after_s=2.0,
            )
            for name in self._scripts
        ]
        return any(list(self._clients.map(taken, asked)))

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self._clients.shutdown()
        self._servers.shutdown()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._servers.submit(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_ANSWERED_WITHIN_S)
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        rng, waiting = None, b""
        for _ in range(12):
            while b"\r\n\r\n" not in waiting:
                content = connection.recv(4096)
                if not content:
                    return
                waiting += content
            request, _, waiting = waiting.partition(b"\r\n\r\n")
            method, url = [*request.split(b" ", 2), b"", b""][:2]
            if rng is None:
                name = url.decode("latin-1").rpartition(f":{self.port}/")[2].partition("/")[0]
                rng = self._scripts.get(name) or random.Random(0)
                clip, wrong = rng.choice(self._clips), rng.choice(_OPENINGS)
            right = _answer(method, url, request, clip)
            if method == b"DESCRIBE" and wrong in ("describe", "everything"):
                right = _answer(method, url, request, clip, _described(rng, clip))
            if wrong in (method.decode("latin-1").lower(), "everything") and rng.random() < 0.8:
                right = _misanswered(rng, right)
            connection.sendall(right)
            if method == b"PLAY":
                connection.sendall(_media(rng, clip, wrong in ("media", "everything")))
                return


def _answer(method: bytes, url: bytes, request: bytes, clip: CodedClip, body: bytes = b"") -> bytes:
    sequence = next((line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq")), b"CSeq: 1")
    more = b"Session: 12345678;timeout=60\r\n"
    if method == b"DESCRIBE":
        body = body or description(clip).encode()
        more = b"Content-Type: application/sdp\r\nContent-Base: %s/\r\n" % url
    elif method == b"SETUP":
        more += b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
    elif method == b"OPTIONS":
        more = b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
    elif method == b"PLAY":
        more += b"Range: npt=0.000-\r\nRTP-Info: url=%s;seq=1;rtptime=0\r\n" % url
    return b"RTSP/1.0 200 OK\r\n%s\r\n%sContent-Length: %d\r\n\r\n%s" % (sequence, more, len(body), body)


def _misanswered(rng: random.Random, right: bytes) -> bytes:
    head, _, body = right.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for _ in range(rng.choice((1, 1, 3))):
        match rng.randrange(6):
            case 0:
                lines[0] = rng.choice(_STATUS)
            case 1 | 2:
                lines.insert(rng.randint(1, len(lines)), rng.choice(_HEADERS))
            case 3:
                lines[rng.randrange(len(lines))] = rng.choice(_HEADERS)
            case 4:
                del lines[rng.randrange(len(lines))]
                lines = lines or [b""]
            case _:
                return mutated_bytes(rng, b"\r\n".join(lines) + b"\r\n\r\n" + body, 6)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _described(rng: random.Random, clip: CodedClip) -> bytes:
    lines = description(clip).split("\r\n")
    for _ in range(rng.choice((1, 2, 5))):
        lines.insert(rng.randint(0, len(lines)), rng.choice(_LINES))
    if rng.random() < 0.3:
        at = next(i for i, line in enumerate(lines) if "sprop" in line)
        sets = base64.b64encode(mutated_bytes(rng, b"".join(clip.parameters), 4)).decode()
        lines[at] = f"a=fmtp:96 packetization-mode=1; sprop-parameter-sets={sets},{sets}"
    text = "\r\n".join(lines)
    return (mutated_text(rng, text, 3) if rng.random() < 0.3 else text).encode("utf-8", "replace")


def _media(rng: random.Random, clip: CodedClip, wrong: bool) -> bytes:
    """The clip's packets and reports; where it is wrong, in headers, payloads, framing or order."""
    stream = RtpStream(rng)
    sent: list[bytes] = []
    for picture in clip.pictures:
        sent.append(interleaved(1, stream.sender_report(picture.shown_s, 1.7e9 + picture.shown_s)))
        sent += [interleaved(0, packet) for packet in stream.packets(clip.codec, picture.nals, picture.shown_s)]
    if not wrong:
        return b"".join(sent)
    for _ in range(rng.choice((1, 4, 12))):
        at = rng.randrange(len(sent))
        match rng.randrange(9):
            case 0:
                sent[at] = mutated_bytes(rng, sent[at], 4)
            case 1:  # framing stays, what is in it does not
                packet = mutated_bytes(rng, sent[at][4:], 8)[:65000]
                sent[at] = interleaved(rng.choice((0, 0, 1, 7, 255)), packet)
            case 2:  # version, padding, extension, sources
                packet = bytes([rng.randrange(256)]) + sent[at][5:]
                sent[at] = interleaved(sent[at][1], packet)
            case 3:  # timestamps that jump
                packet = sent[at][4:8] + rng.choice((b"\x00" * 4, b"\xff" * 4, rng.randbytes(4))) + sent[at][12:]
                sent[at] = interleaved(sent[at][1], packet)
            case 4:
                other = rng.randrange(len(sent))
                sent[at], sent[other] = sent[other], sent[at]
            case 5:
                sent.insert(at, sent[at])
            case 6:  # a report: none, a goodbye, lengths that are no lengths, a clock of any time
                kind, words = rng.choice((200, 201, 202, 203, 204, 207)), rng.choice((0, 1, 6, 0xFFFF))
                sent.insert(
                    at,
                    interleaved(1, struct.pack(">BBH", rng.choice((0x80, 0x9F, 0)), kind, words) + rng.randbytes(24)),
                )
            case 7:  # the server asks, between pictures
                asks = rng.choice((b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"REDIRECT x RTSP/1.0\r\nLocation: file:///\r\n\r\n",
                                   b"ANNOUNCE * RTSP/1.0\r\nContent-Length: 99999\r\n\r\n", b"RTSP/1.0 200 OK\r\n\r\n"))  # fmt: skip
                sent.insert(at, asks)
            case _:
                del sent[at]
                sent = sent or [b""]
    return b"".join(sent)
