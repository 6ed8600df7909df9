"""The doctor at work: real cameras, a real Redis, a real disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer import cli
from streamer.demo.servers import free_port
from tests.living import write_config
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server


def examined(capsys: pytest.CaptureFixture[str], config: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    code = cli.main(["doctor", str(config), "--watch", "3", "--json"])
    return code, {each["what"]: each for each in json.loads(capsys.readouterr().out)["findings"]}


def test_all_that_a_service_needs_is_measured(
    tmp_path: Path, street: Path, server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with aio_rtsp_server(street.parent) as rtsp:
        config = write_config(
            tmp_path / "c.yaml",
            redis={"url": server.url},
            data_dir=str(tmp_path / "data"),
            keep={"snapshots_mb": 1, "clips_mb": 1},
            cameras={
                "gate": {"url": rtsp.url(street.name)},
                "file": {"url": str(street)},
                "off": {"url": f"rtsp://user:secret@127.0.0.1:{free_port()}/main", "connect_timeout_s": 1},
            },
        )
        code, found = examined(capsys, config)
    assert code == 1  # one camera is not there
    gate = found["camera gate"]
    assert gate["ok"] is True
    assert (gate["measured"]["codec"], gate["measured"]["width"]) == ("h264", found["camera file"]["measured"]["width"])
    assert gate["measured"]["fps"] == pytest.approx(found["camera file"]["measured"]["fps"], rel=0.2)
    assert found["camera off"]["ok"] is False
    assert "refuses the connection" in found["camera off"]["said"]
    assert "secret" not in json.dumps(found)
    assert found["redis"]["ok"] is True
    assert found["redis"]["measured"]["answer_ms"] > 0
    assert abs(found["redis clock"]["measured"]["skew_s"]) < 2
    assert found["redis memory"]["measured"]["maxmemory_policy"]
    assert found["disk"]["measured"]["free_mb"] > 0
    assert found["disk writes"]["measured"]["sync_ms"] >= 0
    assert not list(tmp_path.glob(".streamer-doctor*"))
    assert "switched off" in found["console"]["said"]
    assert found["model"]["ok"] is True


def test_a_redis_that_is_not_there_and_a_capacity_file_that_is_none_are_wrong(
    tmp_path: Path, street: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "capacity.json").write_text("{}")
    config = write_config(
        tmp_path / "c.yaml",
        redis={"url": f"redis://127.0.0.1:{free_port()}"},
        data_dir=str(tmp_path / "data"),
        inference={"capacity": str(tmp_path / "capacity.json")},
        cameras={"file": {"url": str(street)}},
    )
    code, found = examined(capsys, config)
    assert code == 1
    assert found["redis"]["ok"] is False
    assert found["capacity file"]["ok"] is False
    assert "streamer bench --json" in found["capacity file"]["said"]


def test_a_console_is_told_with_its_people_and_what_is_read_on_the_way(
    tmp_path: Path, street: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_hash = "scrypt$32768$8$1$mMkGAocbNkuns6joAB7dEA==$Rtbp77XFBvMKeTU5FBSbi4Q23Xkevwa698Jgg+o8h7Q="
    config = write_config(
        tmp_path / "c.yaml",
        data_dir=str(tmp_path / "data"),
        web={"host": "0.0.0.0", "users": {"anna": {"role": "operator", "password": a_hash}}},
        cameras={"file": {"url": str(street)}},
    )
    _, found = examined(capsys, config)
    said = found["console"]["said"]
    assert "1 operator" in said
    assert "nobody is admin" in said
    assert "without TLS" in said
    assert a_hash not in json.dumps(found)
