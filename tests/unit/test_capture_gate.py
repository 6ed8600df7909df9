"""When a camera sleeps and what wakes it: the gate on made-up packets, a group of 50 every two seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamer.capture.gate import Gate, GateSettings, Step
from streamer.capture.packet_sizes import PacketSizes
from streamer.sleep_book import WakeCause


@dataclass
class Packet:
    size: int
    is_keyframe: bool


def packets(seconds: float, from_s: float = 0.0, size: float = 900.0, spread: float = 0.1) -> Iterator[tuple]:
    rng = np.random.default_rng(round(from_s * 25) + 1)
    for i in range(round(from_s * 25), round((from_s + seconds) * 25)):
        key = i % 50 == 0
        yield Packet(20_000 if key else round(size * np.exp(rng.normal(0, spread))), key), i / 25


def fed(gate: Gate, stream: Iterator[tuple], moved: bool = False) -> list[tuple[float, Step]]:
    """Steps of a stretch, told five times a second what pictures show where it is awake, and at looks."""
    steps = []
    for packet, at_s in stream:
        step = gate.step(packet, at_s)
        steps.append((at_s, step))
        if step in (Step.LOOK, Step.SLEEP):
            gate.looked(moved, at_s)
        elif not gate.asleep and round(at_s * 25) % 5 == 0:
            gate.saw(moved, at_s)
    return steps


def asleep_gate(**settings: object) -> Gate:
    gate = Gate(GateSettings("motion", quiet_s=3.0, **settings))
    steps = fed(gate, packets(8.0))
    assert [at_s for at_s, step in steps if step is Step.SLEEP] == [4.0]
    assert gate.asleep
    return gate


def test_it_sleeps_at_a_key_frame_once_all_was_quiet_and_looks_at_each_after_it():
    gate = asleep_gate()
    steps = fed(gate, packets(6.0, 8.0))
    assert [at_s for at_s, step in steps if step is Step.LOOK] == [8.0, 10.0, 12.0]
    assert {step for _, step in steps} == {Step.LOOK, Step.HOLD}


def test_two_larger_packets_wake_it_and_one_does_not():
    gate = asleep_gate()
    fed(gate, packets(0.48, 8.0))
    once = [(Packet(1900, False), 8.48)]
    assert fed(gate, iter(once)) == [(8.48, Step.HOLD)]
    assert Step.WAKE not in {step for _, step in fed(gate, packets(1.0, 8.52))}
    assert [step for _, step in fed(gate, iter([(Packet(1900, False), 9.6), (Packet(1900, False), 9.64)]))] == [
        Step.HOLD,
        Step.WAKE,
    ]
    assert gate.cause is WakeCause.PACKETS


def test_a_much_larger_packet_wakes_it_alone():
    assert fed(asleep_gate(), iter([(Packet(6000, False), 8.48)])) == [(8.48, Step.WAKE)]


def test_a_false_wake_is_over_at_the_next_key_frame_and_its_packets_are_quiet_from_then_on():
    gate = asleep_gate()
    restless = packets(12.0, 8.0, size=2200.0)
    steps = fed(gate, restless)
    wakes = [at_s for at_s, step in steps if step is Step.WAKE]
    sleeps = [at_s for at_s, step in steps if step is Step.SLEEP]
    assert len(wakes) == 1
    assert sleeps == [10.0]


def test_while_pictures_move_it_stays_awake_and_sleeps_after_the_quiet_time():
    gate = asleep_gate()
    fed(gate, iter([(Packet(6000, False), 8.48)]))
    assert {step for _, step in fed(gate, packets(11.0, 8.52, size=3000.0), moved=True)} == {Step.DECODE}
    steps = fed(gate, packets(8.0, 19.52))
    assert [at_s for at_s, step in steps if step is Step.SLEEP] == [24.0]


def test_packets_of_a_time_in_which_analysis_saw_somebody_move_are_not_learned_as_quiet():
    for told in (True, False):
        gate = Gate(GateSettings("motion", quiet_s=3.0))
        fed(gate, packets(2.0), moved=True)
        for packet, at_s in packets(2.0, 2.0, size=4000.0):
            gate.step(packet, at_s)
            if told:
                gate.puts_off(at_s)
        fed(gate, packets(8.0, 4.0))
        assert gate.asleep
        steps = fed(gate, iter([(Packet(4000, False), 12.04), (Packet(4000, False), 12.08)]))
        assert (steps[-1][1] is Step.WAKE or steps[0][1] is Step.WAKE) == told


def test_a_look_that_shows_motion_wakes_it():
    gate = asleep_gate()
    assert gate.looked(True, 8.0)
    assert not gate.asleep
    assert gate.cause is WakeCause.PICTURE


def test_where_packets_are_padded_to_one_size_it_never_sleeps_and_says_why():
    gate = Gate(GateSettings("motion", quiet_s=3.0))
    steps = fed(gate, packets(8.0, spread=0.0))
    assert {step for _, step in steps} == {Step.DECODE}
    assert "one size" in (gate.why_not or "")


def test_where_pictures_move_again_and_again_without_a_word_from_packets_it_gives_up_sleeping():
    gate = Gate(GateSettings("motion", quiet_s=3.0))
    at_s = 0.0
    for _ in range(Gate.MOST_UNANNOUNCED):
        fed(gate, packets(6.0, at_s))
        assert gate.asleep
        gate.looked(True, at_s + 6.0)
        at_s += 6.0
    fed(gate, packets(8.0, at_s))
    assert not gate.asleep
    assert "does not show in the size" in (gate.why_not or "")


def test_an_exposed_noise_that_grows_slowly_is_learned():
    gate = asleep_gate()
    for n in range(40):
        steps = fed(gate, packets(2.0, 8.0 + 2 * n, size=900 * 1.02**n))
        assert Step.WAKE not in {step for _, step in steps}, n


def test_who_asks_gets_pictures_and_only_so_long():
    wanted = False
    gate = Gate(GateSettings("on_trigger", look_every_s=10.0), lambda: wanted)
    assert [at_s for at_s, step in fed(gate, packets(25.0)) if step is Step.LOOK] == [0.0, 10.0, 20.0]
    wanted = True
    steps = fed(gate, packets(3.0, 25.0))
    assert steps[0][1] is Step.WAKE
    assert {step for _, step in steps[1:]} == {Step.DECODE}
    assert gate.cause is WakeCause.REQUEST
    wanted = False
    assert [at_s for at_s, step in fed(gate, packets(4.0, 28.0)) if step is Step.SLEEP] == [28.0]


def test_key_frames_that_come_more_often_than_they_are_looked_at_are_kept():
    gate = asleep_gate(look_every_s=5.0)
    steps = dict(fed(gate, packets(10.0, 8.0)))
    assert [at_s for at_s, step in steps.items() if step is Step.LOOK] == [10.0, 16.0]
    assert steps[8.0] is Step.HOLD


def test_pictures_in_between_and_late_in_their_group_have_sizes_of_their_own():
    sizes, rng = PacketSizes(), np.random.default_rng(0)

    def usual(place: int) -> float:
        return (2000 if place % 3 == 0 else 300) * 0.99**place

    for _ in range(6):
        for place in range(1, 50):
            sizes.learn(round(usual(place) * np.exp(rng.normal(0, 0.05))), place)
    assert not any(sizes.stand_out(round(usual(place) * 1.1), place) for place in range(1, 50))
    for place in (3, 4, 45, 46):
        sizes.forget_recent()
        assert not sizes.stand_out(round(usual(place) * 1.5), place)
        assert sizes.stand_out(round(usual(place) * 1.5), place)


def test_a_group_that_is_longer_than_those_before_is_judged_by_its_neighbours():
    sizes = PacketSizes()
    for _ in range(3):
        for place in range(1, 25):
            sizes.learn(900, place)
    sizes.settle()
    assert not sizes.stand_out(950, 26)
    assert sizes.stand_out(3000, 27)


def test_without_times_it_never_sleeps():
    gate = Gate(GateSettings("motion", quiet_s=1.0))
    assert {gate.step(packet, None) for packet, _ in packets(10.0)} == {Step.DECODE}
