"""Messages go out as documented, come back as they were, and nonsense is refused with a sentence."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from streamer.types import AlertChange, BehaviourScores, Clip, Detections, SceneScores, Tracks
from streamer.wire import (
    SCHEMA_NAMES,
    Keys,
    alert_body,
    alert_fields,
    camera_body,
    decode_alert,
    dumps,
    encode_alert,
    frame_body,
    frame_objects,
    json_schema,
    replay_alert_line,
    replay_frame_line,
    scene_of,
)
from tests.alert_lives import change, result

VALID = {name: Draft202012Validator(json_schema(name)) for name in SCHEMA_NAMES}

texts = st.text(max_size=12)
finite = st.floats(-1e6, 1e6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
clips = st.builds(
    Clip,
    path=st.text(min_size=1, max_size=20),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    bytes=st.integers(1, 2**40),
    from_at=st.floats(0, 4e9),
    to_at=st.floats(0, 4e9),
    codec=st.sampled_from(["h264", "hevc", "mjpeg"]),
)
changes = st.builds(
    AlertChange,
    id=st.text(min_size=1, max_size=20),
    seq=st.integers(1, 10**9),
    type=st.sampled_from(["opened", "updated", "closed"]),
    clip=st.none() | clips,
    camera=st.text(min_size=1, max_size=10),
    session=texts,
    rule=texts,
    kind=st.text(min_size=1, max_size=10),
    severity=st.sampled_from(["info", "warning", "critical"]),
    started_at=st.floats(0, 4e9),
    at=st.floats(0, 4e9),
    media_s=finite,
    score=st.floats(0, 1),
    label=st.none() | texts,
    place=st.none() | texts,
    track_ids=st.lists(st.integers(0, 10**6), max_size=3).map(tuple),
    box=st.none() | st.tuples(*[st.floats(0, 1)] * 4),
    reason=st.dictionaries(texts, json_values, max_size=3),
    snapshot=st.none() | texts,
)


@given(changes)
@settings(deadline=None, max_examples=80)
def test_every_alert_comes_back_as_it_was_written_and_fits_the_schema(sent: AlertChange) -> None:
    text = encode_alert(sent)
    VALID["alert"].validate(json.loads(text))
    received = decode_alert(text)
    assert encode_alert(received) == text  # what was rounded once stays
    assert (received.id, received.seq, received.type, received.camera) == (sent.id, sent.seq, sent.type, sent.camera)
    assert received.at == pytest.approx(sent.at, abs=0.0006)
    assert (received.label, received.place, received.track_ids) == (sent.label, sent.place, sent.track_ids)


@given(changes, clips)
@settings(deadline=None, max_examples=40)
def test_evidence_travels_under_a_schema_of_its_own_and_comes_back(sent: AlertChange, clip: Clip) -> None:
    evidence = replace(sent, type="evidence", clip=clip)
    text = encode_alert(evidence)
    message = json.loads(text)
    VALID["evidence"].validate(message)
    with pytest.raises(ValidationError):  # who was promised three kinds of change never meets a fourth
        VALID["alert"].validate(message)
    received = decode_alert(text)
    assert encode_alert(received) == text
    assert (received.type, received.is_open) == ("evidence", False)
    assert received.clip is not None
    assert (received.clip.path, received.clip.sha256, received.clip.bytes) == (clip.path, clip.sha256, clip.bytes)
    assert alert_fields(text, evidence)["schema"] == message["schema"] == "streamer.evidence/1"


def test_the_schema_of_evidence_is_that_of_an_alert_but_for_what_makes_it_one() -> None:
    alert, evidence = json_schema("alert"), json_schema("evidence")
    assert list(alert["properties"]) == list(evidence["properties"])
    different = {key for key, value in alert["properties"].items() if evidence["properties"][key] != value}
    assert different == {"schema", "change", "seq", "clip"}
    assert {*evidence["required"]} - {*alert["required"]} == {"clip"}


def test_the_order_of_keys_is_that_of_the_documentation_and_the_text_is_compact() -> None:
    text = encode_alert(change())
    assert text.startswith('{"schema":"streamer.alert/1","id":"a1","change":"opened","seq":1,"camera":"gate"')
    assert list(json.loads(text)) == list(json_schema("alert")["properties"])


def test_the_schema_names_every_attribute_of_an_alert() -> None:
    attributes = set(AlertChange.__dataclass_fields__) - {"type", "strip"} | {"change", "schema"}  # a strip is drawn
    assert attributes == set(json_schema("alert")["properties"])


def test_a_stream_entry_says_type_where_its_body_says_change() -> None:
    closing = change(seq=3, type="closed")
    fields = alert_fields(encode_alert(closing), closing)
    assert list(fields) == ["schema", "id", "type", "seq", "camera", "kind", "severity", "data"]
    assert fields["type"] == json.loads(fields["data"])["change"] == "closed"


def test_numpy_numbers_and_numbers_that_json_lacks_do_not_break_a_reason() -> None:
    reason = {"a": np.float32(0.1), "b": np.int64(3), "c": np.array([1.5, np.nan]), "d": math.inf, "e": {1: (2,)}}
    assert alert_body(replace(change(), reason=reason))["reason"] == {
        "a": 0.1,
        "b": 3,
        "c": [1.5, None],
        "d": None,
        "e": {"1": [2]},
    }


def test_half_a_character_in_a_text_still_makes_a_message_that_can_be_encoded() -> None:
    text = encode_alert(replace(change(), reason={"text": "bad \udcff name"}))
    assert text.isascii()
    assert decode_alert(text.encode()).reason["text"] == "bad \udcff name"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("{", "not JSON"),
        ("[]", "a JSON list where an object is expected"),
        ("{}", "schema is None"),
        ('{"schema":"streamer.alert/2"}', "this reader understands 'streamer.alert/1'"),
        ('{"schema":"streamer.alert/1"}', "key 'change' is missing"),
        (dumps(alert_body(change()) | {"change": "gone"}), "change is 'gone', expected one of opened"),
        (dumps(alert_body(change()) | {"severity": 3}), "severity is 3"),
        (dumps(alert_body(change()) | {"seq": 0}), "seq is 0"),
        (dumps(alert_body(change()) | {"seq": True}), "seq is True"),
        (dumps(alert_body(change()) | {"id": 5}), "id is 5, expected text"),
        (dumps(alert_body(change()) | {"box": [1]}), "box has 1 numbers"),
        (dumps(alert_body(change()) | {"at": None}), "not an alert message"),
        (dumps(alert_body(change()) | {"change": "evidence"}), "change is 'evidence', expected one of opened"),
        (dumps(alert_body(change()) | {"schema": "streamer.evidence/1"}), "change is 'opened', expected one of evid"),
        (dumps(alert_body(change()) | {"clip": {"path": "a"}}), "key 'sha256' is missing"),
        (dumps(alert_body(change()) | {"clip": "a.mp4"}), "not an alert message"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_alert_is_refused_with_a_sentence(wrong: str, says: str) -> None:
    with pytest.raises(ValueError, match="not an alert message") as refused:
        decode_alert(wrong)
    assert says in str(refused.value)


@given(st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()))
@settings(deadline=None, max_examples=150)
def test_no_bytes_whatever_raise_anything_but_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode_alert(body)


def test_a_reader_of_today_reads_a_message_of_tomorrow() -> None:
    body = alert_body(change()) | {"colour": "blue", "reason": {"text": "x", "new": [1]}}
    assert decode_alert(dumps(body)).reason["new"] == [1]


def test_a_frame_message_names_the_track_that_took_each_object() -> None:
    seen = result(objects=3, tracked=2)
    objects = frame_objects(seen.detections, seen.tracks)
    body = frame_body(
        camera="gate", session="s1", index=4, media_s=0.8, captured_at=1e9, source_wh=(640, 360), objects=objects
    )
    VALID["frame"].validate(json.loads(dumps(body)))
    assert [o["track_id"] for o in objects] == [100, 101, None]
    assert objects[1] == {"box": [10.12, 20.0, 40.46, 90.0], "label": "car", "score": 0.7, "track_id": 101}


def test_lines_of_a_replay_have_exactly_the_keys_that_were_promised() -> None:
    line = json.loads(replay_frame_line(result(index=2)))
    assert list(line) == ["type", "camera", "index", "media_s", "objects"]
    assert line["type"] == "frame"
    assert set(line["objects"][0]) == {"box", "label", "score", "track_id"}
    alert = json.loads(replay_alert_line(change()))
    assert alert.pop("type") == "alert"
    assert alert == json.loads(encode_alert(change()))


def test_a_camera_message_fits_its_schema() -> None:
    state = {"link": "online", "for_s": 1.5, "trouble": None, "size": (640, 360), "frames": {"skipped": {"rate": 3}}}
    VALID["camera"].validate(json.loads(dumps(camera_body("gate", 1e9, state))))


def test_a_score_that_is_no_number_is_refused_before_it_is_stored() -> None:
    with pytest.raises(ValueError, match="finite"):
        encode_alert(replace(change(), score=math.nan))


def test_a_prefix_in_braces_keeps_all_keys_in_one_slot_of_a_cluster() -> None:
    keys = Keys("{streamer}")
    names = (keys.alerts, keys.open_alerts, keys.outbox("x"), keys.recent, keys.recent_before)
    assert all(name.startswith("{streamer}:") for name in names)
    assert Keys().detections("gate") == "streamer:detections:gate"


def test_behaviour_and_scene_are_told_where_a_model_can_say() -> None:
    detections = Detections(
        np.array([[0, 0, 10, 20], [30, 0, 40, 20], [50, 0, 60, 20]], np.float32),
        np.array([0.9, 0.8, 0.7], np.float32),
        np.zeros(3, np.int64),
        ("person",),
    )
    floats = np.zeros(2, np.float32)
    tracks = Tracks(
        np.array([7, 8]),
        detections.boxes_xyxy[:2],
        np.zeros((2, 2), np.float32),
        floats,
        floats,
        np.zeros(2, np.int64),
        np.array([0, 1]),
        ("person",),
        behaviour=BehaviourScores(
            labels=("walking", "fallen"),
            probs=np.array([[0.25, 0.75], [np.nan, np.nan]], np.float32),
            anomaly=np.array([np.nan, np.nan], np.float32),
            attention=np.zeros((2, 4), np.float32),
            step_s=0.2,
            unusual=((), ()),
            scene=SceneScores(0.125, 0.5, np.zeros(4, np.float32), 0.2),
        ),
    )
    first, young, loose = frame_objects(detections, tracks)
    assert first["behaviour"] == {"label": "fallen", "probs": {"walking": 0.25, "fallen": 0.75}, "anomaly": None}
    assert "behaviour" not in young
    assert "behaviour" not in loose
    assert scene_of(tracks) == {"scene": {"fight": 0.125, "anomaly": 0.5}}
    assert scene_of(Tracks.none(("person",))) == {}
    body = frame_body(
        camera="gate",
        session="s",
        index=0,
        media_s=0.0,
        captured_at=0.0,
        source_wh=(64, 48),
        objects=[first, young, loose],
        scene=scene_of(tracks),
    )
    VALID["frame"].validate(body)
    with pytest.raises(ValidationError):
        VALID["frame"].validate({**body, "scene": {"fight": 2.0, "anomaly": None}})
