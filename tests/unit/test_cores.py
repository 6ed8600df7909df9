"""A container's limits are what the service counts with, in either version of control groups, wherever they stand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamer.cgroup import cpu_limit, memory_limit_bytes
from streamer.cores import usable_cores

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def a_root(folder: Path, groups: str, **files: str) -> Path:
    """A file system with /proc/self/cgroup and, below /sys/fs/cgroup, these files; `__` stands for a slash."""
    told = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{k.replace('__', '/')}": v for k, v in files.items()}
    for name, text in told.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_without_control_groups_all_cores_are_ours(tmp_path):
    assert cpu_limit(tmp_path) is None
    assert memory_limit_bytes(tmp_path) is None
    assert usable_cores(tmp_path) == ALL


def test_a_quota_of_version_2_is_seen_from_inside_a_container(tmp_path):
    root = a_root(tmp_path, "0::/\n", **{"cpu.max": "150000 100000\n", "memory.max": "2147483648\n"})
    assert cpu_limit(root) == 1.5
    assert memory_limit_bytes(root) == 2**31
    assert usable_cores(root) == 1


def test_no_limit_is_no_limit(tmp_path):
    root = a_root(tmp_path, "0::/\n", **{"cpu.max": "max 100000\n", "memory.max": "max\n", "memory.high": "max\n"})
    assert cpu_limit(root) is None
    assert memory_limit_bytes(root) is None
    assert usable_cores(root) == ALL


def test_the_smallest_limit_between_the_process_and_the_root_counts(tmp_path):
    root = a_root(
        tmp_path,
        "0::/system.slice/streamer.service\n",
        **{
            "system.slice__streamer.service__cpu.max": "400000 100000\n",
            "system.slice__streamer.service__memory.high": "3000000000\n",
            "system.slice__streamer.service__memory.max": "max\n",
            "system.slice__cpu.max": "250000 100000\n",
            "system.slice__memory.max": "4000000000\n",
        },
    )
    assert cpu_limit(root) == 2.5
    assert memory_limit_bytes(root) == 3_000_000_000
    assert usable_cores(root) == min(2, ALL)


def test_a_quota_of_less_than_a_core_leaves_one_thread(tmp_path):
    assert usable_cores(a_root(tmp_path, "0::/\n", **{"cpu.max": "20000 100000\n"})) == 1


def test_version_1_has_a_tree_for_each_controller(tmp_path):
    root = a_root(
        tmp_path,
        "5:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n",
        **{
            "cpu,cpuacct__docker__ab__cpu.cfs_quota_us": "300000\n",
            "cpu,cpuacct__docker__ab__cpu.cfs_period_us": "100000\n",
            "memory__docker__ab__memory.limit_in_bytes": "1073741824\n",
        },
    )
    assert cpu_limit(root) == 3.0
    assert memory_limit_bytes(root) == 2**30


def test_in_a_container_of_version_1_the_path_is_the_hosts_and_the_mount_the_containers(tmp_path):
    root = a_root(
        tmp_path,
        "3:cpu,cpuacct:/docker/ab\n5:memory:/docker/ab\n",
        **{
            "cpu__cpu.cfs_quota_us": "50000\n",
            "cpu__cpu.cfs_period_us": "100000\n",
            "memory__memory.limit_in_bytes": "9223372036854771712\n",  # what the kernel says for "no limit"
        },
    )
    assert cpu_limit(root) == 0.5
    assert memory_limit_bytes(root) is None


def test_version_1_says_no_quota_as_minus_one(tmp_path):
    root = a_root(tmp_path, "3:cpu:/\n", **{"cpu__cpu.cfs_quota_us": "-1\n", "cpu__cpu.cfs_period_us": "100000\n"})
    assert cpu_limit(root) is None
    assert usable_cores(root) == ALL


@pytest.mark.parametrize("said", ["", "nonsense", "100000", "100000 0", "\udcff"])
def test_what_cannot_be_read_limits_nothing(tmp_path, said):
    root = a_root(tmp_path, "0::/\nnonsense\n")
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu.max").write_bytes(said.encode(errors="surrogateescape"))
    assert cpu_limit(root) is None
