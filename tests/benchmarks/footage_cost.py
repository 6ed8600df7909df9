"""What footage costs: a packet on the capture thread, a recorded camera, a clip.

    python -m tests.benchmarks.footage_cost [--cameras 20] [--seconds 60]

Each camera is the same 720p25 H.264 stream, with so much noise that it sends about as much as cameras do, its
packets shown from memory as fast as they are taken. CPU is of this process, per camera and second of video.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import av

from streamer.footage.camera_footage import CameraFootage, ClipLimits
from tests.benchmarks.report import report
from tests.clips import write_clip
from tests.footage import EPOCH, alert

FPS, GOP_S, NOISE = 25, 2, 10


def main() -> int:
    """Show packets, once to a ring alone, once with everything recorded, once with a clip; report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0, help="of video")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    frames = int(args.seconds * FPS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = write_clip(
            folder / "v.mp4", frames=frames, gop=GOP_S * FPS, strict_gop=True, size_wh=(1280, 720), noise=NOISE
        )
        mbit_s = video.stat().st_size * 8 / 1e6 / args.seconds
        rings = [CameraFootage(f"ring{i}", folder, clips=ClipLimits(5, 10, 120)) for i in range(args.cameras)]
        ring_s = shown_s(video, rings, writes=False)
        ring_mb = max(camera.ring_bytes for camera in rings) / 1e6
        recorders = [CameraFootage(f"rec{i}", folder, clips=None, segment_s=60.0) for i in range(args.cameras)]
        record_s = shown_s(video, recorders, writes=True)
        clip_s = clip_cpu_s(rings[0], args.seconds)
    camera_s = args.cameras * args.seconds
    report(
        "footage_cost",
        {
            "stream": f"1280x720, {FPS} a second, {mbit_s:.1f} Mbit/s, a key frame every {GOP_S} s",
            "cameras": args.cameras,
            "packet_us": round(ring_s / (args.cameras * frames) * 1e6, 2),
            "ring_mb": round(ring_mb, 2),
            "recording_cpu_ms_per_camera_s": round((record_s - ring_s) / camera_s * 1000, 3),
            "clip_cpu_ms": round(clip_s * 1000, 1),
        },
        keep=args.keep,
    )
    return 0


def shown_s(video: Path, cameras: list[CameraFootage], *, writes: bool) -> float:
    """CPU seconds of showing every packet to every camera; with writes, brought to disk twice a second."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        for camera in cameras:
            camera.opened(stream)
            camera.timed(EPOCH)
        packets = [(packet, float(packet.pts * packet.time_base)) for packet in container.demux(stream) if packet.size]
    began_s = time.process_time()
    for i, (packet, stream_s) in enumerate(packets):
        for camera in cameras:
            camera.packet(packet, stream_s)
            if writes and i % (FPS // 2) == 0:
                camera.write()
    for camera in cameras:
        camera.closed()
        if writes:
            camera.finish()
    return time.process_time() - began_s


def clip_cpu_s(camera: CameraFootage, at_s: float) -> float:
    """CPU seconds of one clip of what the ring holds."""
    clips: list[object] = []
    began_s = time.process_time()
    camera.begin(alert("a", at_s - 1.0, camera=camera.camera), clips.append)
    camera.finish()
    if clips == [None]:
        raise SystemExit("the clip could not be made: see the log")
    return time.process_time() - began_s


if __name__ == "__main__":
    raise SystemExit(main())
