"""The parts of the fault kit that decide: scripts, conduct, what is due when, who may watch, what is lost."""

from __future__ import annotations

import base64
import hashlib
import re
import threading

import pytest
import yaml

from streamer.chaos.camera.coded_clip import CodedClip, CodedPicture
from streamer.chaos.camera.conduct import COMMANDS, Conduct, told
from streamer.chaos.camera.login import REALM, Login
from streamer.chaos.camera.playback import Playback
from streamer.chaos.drill.audit import audit
from streamer.chaos.drill.faults import MATRIX
from streamer.chaos.drill.scratch import RULE, scratch_of
from streamer.chaos.drill.signs import AlertSign, Evidence, ExitSign, LogSign, MetricSign
from streamer.chaos.errors import ChaosError
from streamer.chaos.script import Step, check, parse_script, play
from streamer.config import parse_config
from tests.conftest import ROOT

# --- scripts ----------------------------------------------------------------------------------------------------------


def test_a_script_is_read_in_the_order_of_its_times():
    steps = parse_script("go@1m, stall@10s,trickle=2.5@500ms,reset@20")
    assert steps == (Step(0.5, "trickle=2.5"), Step(10.0, "stall"), Step(20.0, "reset"), Step(60.0, "go"))
    assert parse_script("") == ()


@pytest.mark.parametrize("text", ["stall", "stall@", "stall@x", "@3s", "stall@3h", "stall=@3s", "stall@-1s"])
def test_what_is_no_script_is_refused_with_what_is_expected(text):
    with pytest.raises(ChaosError, match="COMMAND@TIME is expected"):
        parse_script(text)


def test_a_script_with_an_unknown_fault_is_refused_before_anything_happens():
    with pytest.raises(ChaosError, match="a camera knows no 'explode'; it knows stall, mute"):
        check(parse_script("stall@1s,explode@2s"), list(COMMANDS), "a camera")


def test_a_script_that_is_played_again_and_again_does_every_step_each_time():
    done: list[str] = []
    stop = threading.Event()

    def do(command: str) -> None:
        done.append(command)
        if len(done) == 6:
            stop.set()

    play(parse_script("a@0s,b@1ms"), do, stop, every_s=0.002)
    assert done == ["a", "b"] * 3


# --- conduct ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_with_its_usual_argument_is_understood_and_go_takes_it_back(command):
    changed = told(Conduct(), command, None, clip=1)
    back = told(changed, "go", None, clip=0)
    assert back == Conduct(jumped_s=changed.jumped_s, clip=changed.clip)


def test_jumps_add_up():
    once = told(Conduct(), "jump", "5", 0)
    assert told(once, "jump", "-7.5", 0).jumped_s == -2.5


@pytest.mark.parametrize(
    ("command", "argument", "why"),
    [
        ("explode", None, "knows no 'explode'"),
        ("stall", "3", "takes no '=3'"),
        ("flood", "many", "a number is expected"),
        ("trickle", "0", "a number from 1 on is expected"),
        ("jump", "nan", "a number from"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(command, argument, why):
    with pytest.raises(ChaosError, match=why):
        told(Conduct(), command, argument, 0)


# --- what is due when -------------------------------------------------------------------------------------------------


def a_clip(pictures: int = 10, interval_s: float = 0.1, key_every: int = 5) -> CodedClip:
    units = tuple(
        CodedPicture((bytes([i]),), i * interval_s, i * interval_s, i % key_every == 0) for i in range(pictures)
    )
    return CodedClip("h264", (64, 48), (b"sps", b"pps"), units, pictures * interval_s)


def shown(playback: Playback, count: int) -> list[tuple[int, float]]:
    taken = [playback.take() for _ in range(count)]
    return [(picture.nals[0][0], round(at_s, 6)) for picture, at_s in taken]


def test_a_clip_goes_round_with_times_that_rise_evenly():
    playback = Playback(a_clip(), now_s=100.0)
    assert shown(playback, 25) == [(i % 10, round(100.0 + i / 10, 6)) for i in range(25)]


def test_a_flood_brings_more_pictures_in_the_same_time():
    playback = Playback(a_clip(), now_s=0.0)
    shown(playback, 5)
    playback.set_speed(10.0, now_s=0.5)
    assert shown(playback, 5) == [(5, 0.5), (6, 0.51), (7, 0.52), (8, 0.53), (9, 0.54)]


def test_who_is_late_goes_on_at_a_key_picture_that_is_still_to_come():
    playback = Playback(a_clip(), now_s=0.0)
    assert playback.keep_up(now_s=0.9) == 0  # that is nothing yet
    let_go = playback.keep_up(now_s=3600.0 + 0.12)
    [(number, at_s)] = shown(playback, 1)
    assert number == 5
    assert at_s == pytest.approx(3600.5)
    assert let_go == 36005


# --- who may watch ----------------------------------------------------------------------------------------------------


def test_basic_lets_in_whoever_knows_the_password():
    login = Login("me", "a:b")
    proof = base64.b64encode(b"me:a:b").decode()
    assert login.lets_in("DESCRIBE", f"Basic {proof}")
    assert not login.lets_in("DESCRIBE", "Basic " + base64.b64encode(b"me:x").decode())
    assert not login.lets_in("DESCRIBE", None)


def test_digest_is_that_of_the_specification():
    login = Login("Mufasa", "Circle Of Life", digest=True)
    nonce = login.challenge.split('nonce="')[1].rstrip('"')

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def proof(password: str, method: str) -> str:
        response = md5(f"{md5(f'Mufasa:{REALM}:{password}')}:{nonce}:{md5(f'{method}:rtsp://x/live')}")
        said = f'username="Mufasa", realm="{REALM}", nonce="{nonce}", uri="rtsp://x/live", response="{response}"'
        return f"Digest {said}"

    assert login.lets_in("SETUP", proof("Circle Of Life", "SETUP"))
    assert not login.lets_in("PLAY", proof("Circle Of Life", "SETUP"))
    assert not login.lets_in("SETUP", proof("circle of life", "SETUP"))


# --- what is lost -----------------------------------------------------------------------------------------------------


def test_the_audit_sees_every_kind_of_failure():
    stored = [("a", 1), ("a", 2), ("b", 1)]
    assert audit(stored, [("a", 1), ("b", 1), ("a", 2)]).clean
    assert audit(stored, [("a", 1), ("a", 2)]).lost == 1
    assert audit([], [("a", 1), ("a", 3)]).lost == 1  # the outbox itself has forgotten it
    assert audit(stored, [("a", 1), ("a", 2), ("b", 1), ("b", 1)]).doubled == 1
    found = audit(stored, [("a", 2), ("a", 1), ("b", 1)])
    assert (found.out_of_order, found.examples) == (1, ("late a:1",))


# --- signs ------------------------------------------------------------------------------------------------------------


def evidence(
    log: str = "", before: dict | None = None, now: dict | None = None, exits: tuple[int, ...] = ()
) -> Evidence:
    def samples(values: dict | None) -> dict:
        return {(name, (("camera", "gate"),)): value for name, value in (values or {}).items()}

    return Evidence("gate", [], samples(before), samples(now), log, exits)


def test_a_metric_has_risen_only_against_what_it_was():
    sign = MetricSign("m", {"camera": "{camera}"}, rises_by=2)
    assert not sign.is_seen(evidence(before={"m": 5}, now={"m": 6}))
    assert sign.is_seen(evidence(before={"m": 5}, now={"m": 7}))
    assert sign.is_seen(evidence(now={"m": 2}))
    assert not sign.is_seen(evidence(now={"other": 2}))
    assert MetricSign("m", at_most=0).is_seen(evidence(now={"m": 0}))
    assert not MetricSign("m", at_least=1).is_seen(evidence(now={}))


def test_a_line_of_another_camera_is_no_sign():
    sign = LogSign("camera '{camera}': .*refuses")
    assert sign.is_seen(evidence(log="12:00 camera 'gate': it refuses"))
    assert not sign.is_seen(evidence(log="12:00 camera 'yard': it refuses"))
    assert ExitSign(-9).is_seen(evidence(exits=(0, -9)))
    assert not AlertSign("camera.offline").is_seen(evidence())


# --- the matrix and its scratch copy ----------------------------------------------------------------------------------


def test_every_fault_has_a_name_of_its_own_and_an_answer_or_a_time():
    assert len({fault.name for fault in MATRIX}) == len(MATRIX) >= 35
    for fault in MATRIX:
        assert fault.signs or fault.holds_s, fault.name
        assert fault.recover_within_s <= 5 or not fault.quick, fault.name
        assert all(len(sign.told()) > 5 for sign in (*fault.signs, *fault.after))


def test_a_scratch_copy_keeps_rules_and_limits_and_leaves_out_addresses_and_receivers():
    config = parse_config(
        """
        redis: {url: "redis://:secret@prod:6379/0"}
        webhooks: {pager: {url: "https://pager.example/x", secret: "0123456789abcdef"}}
        data_dir: /var/lib/streamer
        inference: {max_batch: 4}
        cameras:
          gate:
            url: rtsp://user:hidden@10.0.0.7/main
            footage_url: rtsp://user:hidden@10.0.0.7/sub
            stall_after_s: 20
            analyse_fps: all
            zones: {yard: [[0, 0], [1, 0], [1, 1]]}
            rules: [{name: dwell, kind: loitering, zone: yard, dwell_s: 30}]
        """,
        "c.yaml",
        {},
    )
    cameras, settings = scratch_of(config)
    text = str((cameras, settings))
    assert not any(word in text for word in ("hidden", "secret", "prod", "10.0.0.7", "pager", "/var/lib"))
    [camera] = cameras
    assert [rule["name"] for rule in camera["rules"]] == ["dwell", RULE]
    assert camera["analyse_fps"] == "all"
    assert (camera["stall_after_s"], settings["inference"]["max_batch"]) == (5.0, 4)


def test_a_scratch_copy_of_the_readmes_configuration_is_a_configuration():
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    config = parse_config(example, "README.md", {"REDIS_PASSWORD": "r", "GATE_PASSWORD": "g"})
    cameras, settings = scratch_of(config)
    made = {f"c{i}": {**camera, "url": "rtsp://127.0.0.1/live"} for i, camera in enumerate(cameras)}
    again = parse_config(yaml.safe_dump({**settings, "cameras": made}), "scratch.yaml", {})
    for name, camera in zip(made, config.cameras.values(), strict=True):
        assert again.cameras[name].rules[: len(camera.rules)] == camera.rules
