"""Draws the demo's street into a folder, one clip per camera: `draw_street.py FOLDER`. What is there is kept."""

from __future__ import annotations

import sys
from pathlib import Path

from streamer.demo.clips import prepare_clips


def main(folder: Path) -> None:
    """Draw what is missing. Clips get the name of their camera: FOLDER/gate.mp4 …"""
    for camera, clip in (prepare_clips(folder / "drawn") or {}).items():
        link = folder / f"{camera}.mp4"
        fresh = link.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(clip.video.relative_to(folder))  # relative: the folder is elsewhere for who reads it
        fresh.replace(link)
        print(f"{link}: {link.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
