"""The data folder's disk: is there room for all that `keep` allows, is it a local one, and how fast does it sync."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from streamer.assembly.camera import camera_options
from streamer.commands.doctor.finding import Finding
from streamer.config import Config

LEAST_FREE_MB = 1000.0
_SLOW_SYNC_S = 0.1
_SYNCS = 12
_FAR_AWAY = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "fuse.glusterfs"}


def examined_disk(config: Config) -> Iterator[Finding]:
    """Of the data folder, or of the folder above it that there is."""
    folder = config.data_dir
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free_mb = shutil.disk_usage(there).free / 1e6
    stored_mb = _stored_mb(folder)
    allowed_mb = kept_mb(config)
    measured = {"free_mb": round(free_mb), "stored_mb": round(stored_mb), "keep_mb": allowed_mb}
    said = (
        f"{folder}: {free_mb / 1e3:.1f} GB free, {stored_mb / 1e3:.1f} GB in use, keep allows {allowed_mb / 1e3:.1f} GB"
    )
    if free_mb < LEAST_FREE_MB:
        said += f"; alerts and pictures want at least {LEAST_FREE_MB / 1e3:g} GB"
        yield Finding("disk", False, said, measured)
    elif free_mb + stored_mb < allowed_mb + LEAST_FREE_MB:
        yield Finding(
            "disk", False, f"{said}: more than there is room for; lower keep, or take a larger disk", measured
        )
    else:
        yield Finding("disk", True, said, measured)
    yield _synced(there)
    if (kind := file_system(there, _mounts())) in _FAR_AWAY:
        said = f"{there} is on {kind}: the outbox is SQLite, which is not safe over a network; use a local disk"
        yield Finding("file system", False, said, {"kind": kind})


def kept_mb(config: Config) -> float:
    """What `keep` allows of that which these cameras make."""
    keep = config.keep
    live = [camera for name, camera in config.cameras.items() if camera_options(name, camera).pace != "demand"]
    allowed = keep.snapshots_mb
    if any(camera.clips is not None for camera in live):
        allowed += keep.clips_mb
    if any(camera.record is not None for camera in live):
        allowed += keep.recordings_mb
    return allowed


def file_system(folder: Path, mounts: str) -> str | None:
    """Its kind, by the lines of /proc/self/mountinfo (proc(5)); None where they do not tell."""
    best, kind = "", None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after.split():
            continue
        mounted = fields[4].encode().decode("unicode_escape")  # a space in a name is \040
        if folder.is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, after.split()[0]
    return kind


def _synced(folder: Path) -> Finding:
    """How long a commit of the outbox takes: 4 KiB, written and synced."""
    probe = folder / f".streamer-doctor-{os.getpid()}-{time.monotonic_ns()}"
    took_s = []
    try:
        with probe.open("wb", buffering=0) as file:
            for _ in range(_SYNCS):
                began_s = time.perf_counter()
                file.write(bytes(4096))
                os.fsync(file.fileno())
                took_s.append(time.perf_counter() - began_s)
    except OSError as error:
        said = f"{folder} cannot be written: {error.strerror or error}; change its owner, or data_dir"
        return Finding("disk writes", False, said)
    finally:
        probe.unlink(missing_ok=True)
    middle_s, worst_s = statistics.median(took_s), max(took_s)
    measured = {"sync_ms": round(middle_s * 1e3, 2), "sync_worst_ms": round(worst_s * 1e3, 2)}
    said = f"a synced write takes {middle_s * 1e3:.1f} ms, at most {worst_s * 1e3:.1f} ms of {_SYNCS}"
    if middle_s > _SLOW_SYNC_S:
        said += "; every alert waits for one: is the disk busy, or far away?"
    return Finding("disk writes", middle_s <= _SLOW_SYNC_S or None, said, measured)


def _stored_mb(folder: Path) -> float:
    stored = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                stored += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue  # gone meanwhile
    return stored / 1e6


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return ""
