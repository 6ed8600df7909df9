"""The doctor tells what is wrong and what to do about it, and has no word against what is right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from streamer import cli
from streamer.commands.doctor.camera import SeenPacket, judged_sleep, stream_figures
from streamer.commands.doctor.disk import file_system, kept_mb
from streamer.commands.doctor.finding import Finding, checked
from streamer.commands.doctor.machine import judged_gpu
from streamer.commands.doctor.record import judged_capacity
from streamer.commands.doctor.redis_server import judged_redis
from streamer.config import parse_config
from streamer.errors import ConfigError

CUDA = ["CUDAExecutionProvider", "CPUExecutionProvider"]
WELL = {
    "redis_version": "7.2.4", "role": "master", "maxmemory": 0, "maxmemory_policy": "noeviction", "used_memory": 10**6,
    "aof_enabled": 1, "rdb_last_bgsave_status": "ok", "aof_last_write_status": "ok",
}  # fmt: skip


def packets(*, fps: float = 25.0, seconds: float = 8.0, key_every: int = 50, size: int | None = None):
    return [
        SeenPacket(n / fps, size or (20_000 if n % key_every == 0 else 1500 + n % 7), n % key_every == 0)
        for n in range(int(seconds * fps))
    ]


# the GPU


def gpu(wanted, providers=("CPUExecutionProvider",), gpus=(), *, both=False, torch=False, tensorrt=None) -> Finding:
    return judged_gpu(wanted, providers, gpus, both_installed=both, torch_installed=torch, tensorrt=tensorrt)


def test_a_machine_without_a_gpu_is_fine_for_a_configuration_without_one():
    assert gpu("cpu").ok is None
    assert "no NVIDIA GPU" in gpu(None).said


@pytest.mark.parametrize(
    ("wanted", "providers", "gpus", "torch", "tensorrt", "lacks"),
    [
        ("cuda", CUDA, (), False, None, "driver"),
        ("torch", CUDA, (), True, None, "driver"),
        ("cuda", ["CPUExecutionProvider"], ("NVIDIA L4",), False, None, "onnxruntime with CUDA"),
        ("tensorrt", CUDA, ("NVIDIA L4",), False, None, "TensorRT"),
        ("torch", CUDA, ("NVIDIA L4",), False, None, "lacks torch"),
    ],
)
def test_what_lacks_for_the_gpu_that_the_configuration_wants_is_named(wanted, providers, gpus, torch, tensorrt, lacks):
    found = gpu(wanted, providers, gpus, torch=torch, tensorrt=tensorrt)
    assert found.ok is False
    assert lacks in found.said


def test_a_gpu_that_can_be_used_is_no_trouble():
    assert gpu("tensorrt", CUDA, ["NVIDIA L4"], tensorrt="101300").ok is None
    assert gpu("cuda", CUDA, ["NVIDIA L4"]).ok is None
    assert gpu("torch", ["CPUExecutionProvider"], ["NVIDIA L4"], torch=True).ok is None


def test_two_builds_of_the_runtime_beside_each_other_are_wrong():
    assert gpu("cpu", both=True).ok is False


def test_a_gpu_that_lies_idle_is_pointed_out():
    assert "pip install 'streamer[gpu]'" in gpu(None, gpus=["NVIDIA L4"]).said


# Redis


def redis(**differs) -> dict[str, Finding]:
    return {each.what: each for each in judged_redis("", {**WELL, **differs})}


def test_a_redis_as_it_should_be_is_well():
    assert {what: each.ok for what, each in redis().items()} == {"redis memory": True, "redis persistence": True}


@pytest.mark.parametrize(
    ("differs", "what", "said"),
    [
        ({"redis_version": "6.0.16"}, "redis", "too old"),
        ({"role": "slave"}, "redis", "primary"),
        ({"maxmemory_policy": "allkeys-lru"}, "redis memory", "noeviction"),
        ({"maxmemory": 10**6, "used_memory": 950_000}, "redis memory", "nearly full"),
        ({"rdb_last_bgsave_status": "err"}, "redis persistence", "cannot save"),
        ({"aof_last_write_status": "err"}, "redis persistence", "cannot save"),
    ],
)
def test_what_would_cost_alerts_in_redis_is_wrong(differs, what, said):
    found = redis(**differs)[what]
    assert found.ok is False
    assert said in found.said


def test_a_redis_that_keeps_nothing_is_worth_knowing_and_a_policy_that_spares_our_keys_is_fine():
    assert redis(aof_enabled=0)["redis persistence"].ok is None
    assert redis(maxmemory_policy="volatile-lru")["redis memory"].ok is True


# cameras


def test_rate_bits_and_key_frames_are_worked_out_from_packets():
    seen = packets(fps=20, key_every=40)
    figures = stream_figures(seen)
    assert figures["fps"] == 20.0
    assert figures["key_frame_s"] == 2.0
    bits = sum(each.size for each in seen[:-1]) * 8
    assert figures["mbit_s"] == pytest.approx(bits / (len(seen) - 1) * 20 / 1e6, abs=0.01)


def test_packets_in_decoding_order_have_the_same_rate():
    seen = packets()
    swapped = [seen[n ^ 1] for n in range(len(seen))]
    assert stream_figures(swapped)["fps"] == stream_figures(seen)["fps"]


def test_too_few_packets_tell_nothing():
    assert set(stream_figures(packets(seconds=0.04)).values()) == {None}
    assert set(stream_figures([]).values()) == {None}


@pytest.mark.parametrize(
    ("seen", "ok", "said"),
    [
        (packets(), True, "key frame every 2 s"),
        (packets(key_every=1), True, "every picture stands alone"),
        (packets(seconds=30, key_every=10_000), False, "decoded whole"),
        (packets(seconds=4, key_every=10_000), None, "--watch"),
        (packets(size=1400), False, "one size"),
    ],
)
def test_whether_a_camera_can_sleep_is_judged_by_its_packets(seen, ok, said):
    [found] = judged_sleep("gate", "motion", seen)
    assert found.ok is ok
    assert said in found.said


def test_of_a_camera_that_shall_not_sleep_nothing_is_said():
    assert [*judged_sleep("gate", "always", packets())] == []


# disk and capacity


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /srv/my\\040data rw,relatime - nfs4 filer:/data rw
41 22 0:36 / /srv/my\\040data/local rw - xfs /dev/sdb1 rw
nonsense
"""


def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount():
    assert file_system(Path("/var/lib/streamer"), MOUNTS) == "ext4"
    assert file_system(Path("/srv/my data/streamer"), MOUNTS) == "nfs4"
    assert file_system(Path("/srv/my data/local/x"), MOUNTS) == "xfs"
    assert file_system(Path("/srv/my database"), MOUNTS) == "ext4"
    assert file_system(Path("/x"), "") is None


def config(**changes):
    camera = {"url": "rtsp://10.0.0.5/main"}
    return parse_config(yaml.safe_dump({"cameras": {"gate": camera | changes}}), "c.yaml")


def test_only_what_the_cameras_make_counts_against_the_disk():
    keep = config().keep
    assert kept_mb(config()) == keep.snapshots_mb + keep.clips_mb
    assert kept_mb(config(clips=None)) == keep.snapshots_mb
    assert kept_mb(config(record={})) == keep.snapshots_mb + keep.clips_mb + keep.recordings_mb
    assert kept_mb(config(url="walk.mp4")) == keep.snapshots_mb


NOW = datetime(2026, 11, 22, tzinfo=UTC)
HERE = {"cpu": "EPYC", "cores": 2}


@pytest.mark.parametrize(
    ("days", "machine", "ok"),
    [(3, HERE, True), (200, HERE, None), (3, {"cpu": "EPYC", "cores": 8}, False), (3, {}, True)],
)
def test_a_capacity_file_is_for_this_machine_and_not_too_old(days, machine, ok):
    record = {"at": (NOW - timedelta(days=days)).isoformat(), "machine": machine}
    assert judged_capacity(record, HERE, NOW).ok is ok


# the command


def test_what_is_raised_is_a_finding():
    def fail() -> str:
        raise ConfigError(["model: there is no such folder"])

    assert checked("model", fail) == Finding("model", False, "model: there is no such folder")


def test_without_a_configuration_the_machine_is_told_as_json(capsys):
    code = cli.main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["ok"] else 1)
    what = [each["what"] for each in told["findings"]]
    assert what == ["streamer", "packages", "ffmpeg", "cores", "providers", "clock"]
    assert all(set(each) == {"what", "ok", "said", "measured"} for each in told["findings"])


def test_a_configuration_that_is_wrong_is_another_exit_code(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("cameras: {gate: {urll: x}}\n")
    assert cli.main(["doctor", str(tmp_path / "c.yaml")]) == 2
    assert "did you mean 'url'" in capsys.readouterr().err
