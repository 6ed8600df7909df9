"""One client of a camera: its requests answered, and once it plays, pictures sent when they are due."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence

from streamer.chaos.camera.coded_clip import CodedClip
from streamer.chaos.camera.conduct import Conduct
from streamer.chaos.camera.description import description
from streamer.chaos.camera.login import Login
from streamer.chaos.camera.playback import Playback
from streamer.chaos.camera.requests import RequestReader, RtspRequest, answer
from streamer.chaos.camera.rtp import RtpStream, interleaved

LOOK_S = 0.02
"""Nobody stays in a call for longer: a reset goes out only when nobody is inside one."""
_REPORT_EVERY_S = 1.0
_ASLEEP_S = 30.0  # of a client that takes nothing any more
_NOISE_BYTES = 4096


class HungUp(Exception):
    """The conversation is over."""


class Conversation:
    """Everything happens on the thread that calls run(); end() may be called from any.

    conduct: how the camera behaves at this moment; login: who may watch at this moment; sent: called for every whole
    picture that went out undamaged.
    """

    def __init__(
        self,
        connection: socket.socket,
        path: str,
        clips: Sequence[CodedClip],
        conduct: Callable[[], Conduct],
        login: Callable[[], Login | None],
        sent: Callable[[], None],
        rng: random.Random,
    ) -> None:
        self._connection, self._path, self._clips = connection, path, clips
        self._conduct, self._login, self._sent, self._rng = conduct, login, sent, rng
        self._requests, self._session = RequestReader(), f"{rng.getrandbits(32):08x}"
        self._channel = 0
        self._stream: RtpStream | None = None
        self._playback: Playback | None = None
        self._began_s = self._reported_s = 0.0
        self._ending: bool | None = None

    def end(self, *, reset: bool) -> None:
        """End soon: by a TCP reset, or in order."""
        self._ending = reset

    def run(self) -> None:
        """Talk until the client leaves or the camera hangs up."""
        self._connection.setblocking(False)
        with contextlib.suppress(HungUp, OSError, ValueError):
            while True:
                self._look()
                conduct = self._conduct()
                if conduct.mute:
                    continue
                self._listen()
                self._play(conduct)
        if self._ending:
            linger = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()

    def _look(self) -> None:
        wait_s = LOOK_S
        if self._playback is not None:
            wait_s = min(wait_s, max(0.0, self._playback.due_s - time.monotonic()))
        if self._conduct().mute:  # what the client says stays unread: it must not wake us again and again
            time.sleep(LOOK_S)
        else:
            select.select([self._connection], [], [], wait_s)
        if self._ending is not None:
            raise HungUp

    # --- what the client asks ---------------------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            content = self._connection.recv(65536)
        except BlockingIOError:
            return
        if not content:
            raise HungUp
        for request in self._requests.take(content):
            self._send(self._answer(request))
            if request.method == "PLAY" and self._stream is not None:
                self._began_s = time.monotonic()
                self._playback = Playback(self._clips[self._conduct().clip], self._began_s)
                self._reported_s = float("-inf")
            if request.method == "TEARDOWN":
                raise HungUp

    def _answer(self, request: RtspRequest) -> bytes:
        login = self._login()
        if request.method == "OPTIONS":
            return answer(request, headers={"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"})
        if login is not None and not login.lets_in(request.method, request.headers.get("authorization")):
            return answer(request, 401, {"WWW-Authenticate": login.challenge})
        session = {"Session": f"{self._session};timeout=60"}
        match request.method:
            case "DESCRIBE":
                if not request.url.split("?")[0].rstrip("/").endswith(self._path):
                    return answer(request, 404)
                about = {"Content-Type": "application/sdp", "Content-Base": request.url.rstrip("/") + "/"}
                return answer(request, headers=about, body=description(self._clips[self._conduct().clip]))
            case "SETUP":
                transport = request.headers.get("transport", "")
                if "TCP" not in transport:
                    return answer(request, 461)
                self._channel = _channel(transport)
                self._stream = RtpStream(self._rng)
                pair = f"{self._channel}-{self._channel + 1}"
                return answer(request, headers={**session, "Transport": f"RTP/AVP/TCP;unicast;interleaved={pair}"})
            case "PLAY":
                if self._stream is None:
                    return answer(request, 455)
                info = f"url={request.url};seq={self._stream.next_sequence};rtptime={self._stream.ticks(0.0)}"
                return answer(request, headers={**session, "Range": "npt=0.000-", "RTP-Info": info})
            case "TEARDOWN" | "GET_PARAMETER" | "SET_PARAMETER":
                return answer(request, headers=session)
            case _:
                return answer(request, 455)

    # --- what the client gets ---------------------------------------------------------------------------------------

    def _play(self, conduct: Conduct) -> None:
        playback, stream, now_s = self._playback, self._stream, time.monotonic()
        if playback is None or stream is None or conduct.stalled:
            return
        if playback.codec_clip is not self._clips[conduct.clip]:
            playback = self._playback = Playback(self._clips[conduct.clip], now_s)
        playback.set_speed(conduct.speed, now_s)
        playback.keep_up(now_s)
        if playback.due_s > now_s:
            return
        if conduct.noise:
            playback.take()
            self._send(self._rng.randbytes(_NOISE_BYTES))
            return
        picture, shown_s = playback.take()
        stream_s = shown_s - self._began_s + conduct.jumped_s
        if now_s - self._reported_s >= _REPORT_EVERY_S:
            self._reported_s = now_s
            epoch_s = time.time() + (shown_s - now_s) + conduct.clock_ahead_s + conduct.clock_set_s
            self._send(interleaved(self._channel + 1, stream.sender_report(stream_s, epoch_s)))
        damaged = False
        for packet in stream.packets(playback.codec_clip.codec, picture.nals, stream_s):
            if conduct.garbage and self._rng.random() < conduct.garbage:
                packet, damaged = packet[:12] + self._rng.randbytes(len(packet) - 12), True
            self._send(interleaved(self._channel, packet))
        if not damaged:
            self._sent()

    def _send(self, content: bytes) -> None:
        """All of it, as slowly as the camera or the client wants. Raises HungUp."""
        left, gave_s = memoryview(content), time.monotonic()
        while left:
            if self._ending is not None:
                raise HungUp
            per_s = self._conduct().bytes_per_s
            if per_s is not None and self._playback is not None:
                time.sleep(LOOK_S)
            if not select.select([], [self._connection], [], LOOK_S)[1]:
                if time.monotonic() - gave_s > _ASLEEP_S:
                    raise HungUp
                continue
            most = len(left) if per_s is None or self._playback is None else max(1, int(per_s * LOOK_S))
            left = left[self._connection.send(left[:most]) :]
            gave_s = time.monotonic()


def _channel(transport: str) -> int:
    """The first interleaved channel that the client proposes."""
    for part in transport.split(";"):
        name, _, value = part.partition("=")
        if name.strip() == "interleaved":
            return int(value.split("-")[0])
    return 0
