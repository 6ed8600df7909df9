"""Disks that fill up or fail: small ones of our own, so that nothing else on the machine is touched.

| disk | needs | how it fails |
| --- | --- | --- |
| SmallDisk | the right to mount (root) | a tmpfs of some megabytes, filled to its last byte |
| FailingDisk | root, loop devices, ext4 | its file system meets an error and turns read-only while files are open |

Where they are not to be had, `problem_with_mounting()` says why, and a limit on the size of files does: see
process.limit_files.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from streamer.chaos.errors import ChaosError

_FILLER = "filler"
_AT_ONCE = 65536


def problem_with_mounting() -> str | None:
    """Why no disk of our own can be mounted here, or None: tried, for a container's root may not."""
    if sys.platform != "linux":
        return "mounting a small disk is tried on Linux only"
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with SmallDisk(Path(folder) / "tried", size_mb=1):
                return None
        except ChaosError as error:
            return str(error)


def problem_with_failing() -> str | None:
    """Why no FailingDisk can be had here, or None."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with FailingDisk(Path(folder) / "tried"):
                return None
        except ChaosError as error:
            return str(error)


class SmallDisk:
    """A folder with room for so much; full() and free() while it is mounted."""

    def __init__(self, folder: Path, size_mb: int = 128) -> None:
        self.folder, self._size_mb = folder, size_mb

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size_mb}m,mode=0777", "tmpfs", str(self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("umount", "--lazy", str(self.folder))

    def fill(self, but_bytes: int = 0) -> None:
        """Not one byte more fits; or only so many."""
        with (self.folder / _FILLER).open("ab", buffering=0) as filler:
            size = _AT_ONCE
            while size:
                if self._free_bytes() - size < but_bytes:
                    size //= 2
                    continue
                try:
                    filler.write(bytes(size))
                except OSError:
                    size //= 2

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def free(self) -> None:
        """There is room again."""
        (self.folder / _FILLER).unlink(missing_ok=True)


class FailingDisk:
    """A folder on a file system of its own that can be made to fail as a dying disk does, and be repaired.

    After fail() it is read-only for whoever uses it. repair() needs nobody to have files open there.
    """

    def __init__(self, folder: Path, size_mb: int = 32) -> None:
        self.folder, self._size_mb = folder, size_mb
        self._image = folder.with_name(folder.name + ".img")

    def __enter__(self) -> Self:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise ChaosError("a failing disk needs root on Linux")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(self._size_mb * 2**20)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self._mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ChaosError):
            _run("umount", "--lazy", str(self.folder))
        self._image.unlink(missing_ok=True)

    def fail(self) -> None:
        """The file system meets an error."""
        device = os.stat(self.folder).st_dev
        name = Path(os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")).name
        try:
            Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("drill")
        except OSError as error:
            raise ChaosError(f"{self.folder} cannot be made to fail: {error.strerror}") from error

    def repair(self) -> None:
        """Unmount, check, mount."""
        _run("umount", str(self.folder))
        subprocess.run(["fsck.ext4", "-p", "-f", str(self._image)], capture_output=True, check=False)
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ChaosError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise ChaosError(f"'{' '.join(command)}' failed: {done.stderr.strip() or done.returncode}")
