"""What a camera says of its stream: SDP (RFC 4566) with the parameters of RFC 6184 or RFC 7798."""

from __future__ import annotations

import base64

from streamer.chaos.camera.coded_clip import CodedClip, nal_type
from streamer.chaos.camera.rtp import CLOCK_HZ, PAYLOAD_TYPE

_HEVC_NAMES = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}


def description(clip: CodedClip) -> str:
    """The answer to DESCRIBE: one track of video, its control address 'track1'."""
    encoding = "H264" if clip.codec == "h264" else "H265"
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=camera",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} {encoding}/{CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} {_parameters(clip)}",
        f"a=framerate:{1 / clip.interval_s:.3f}",
        "a=control:track1",
    ]
    return "\r\n".join(lines) + "\r\n"


def _parameters(clip: CodedClip) -> str:
    coded = [(nal_type(clip.codec, nal), base64.b64encode(nal).decode()) for nal in clip.parameters]
    if clip.codec == "hevc":
        return "; ".join(f"{_HEVC_NAMES[kind]}={text}" for kind, text in coded)
    profile = next((nal[1:4].hex() for nal in clip.parameters if nal_type("h264", nal) == 7), "42001f")
    return f"packetization-mode=1; profile-level-id={profile}; sprop-parameter-sets={','.join(t for _, t in coded)}"
