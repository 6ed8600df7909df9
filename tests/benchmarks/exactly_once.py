"""Is every alert change seen once and in order, whatever dies? Kill -9, again and again, and count.

    python -m tests.benchmarks.exactly_once [--changes 6000] [--kills 25] [--seed 1] [--publisher service|drawn]

Three parties, each a process of its own. The publisher is `streamer run` on four cameras of a busy drawn street; it is
killed with SIGKILL at random moments and started again, whereupon it closes what it had left open. (`--publisher drawn`
is the quick stand-in for tests: the real outbox, couriers and Redis script, fed with drawn alert lives.)
The real redis-server is stopped, killed, frozen, robbed of the end of its append-only file (a power cut) and once
restarted empty. The subscriber uses streamer.client and runs throughout; what its handler saw is the result.

The truth of what was sent is read from the outbox afterwards: what was committed. The drawn publisher also keeps a
journal of every change whose publish() had returned, so that a commit that was promised and lost counts as lost.

Prints one JSON object: sent, lost, doubled, out_of_order, kills, redis_faults.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from streamer.client import subscribe
from streamer.clock import SystemClock
from streamer.demo.clips import prepare_clips
from streamer.sinks.delivery import Delivery
from streamer.sinks.live_feed import LiveFeed
from streamer.sinks.outbox import Outbox, Retention
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.types import AlertChange
from tests.alert_lives import lives, next_change, result
from tests.benchmarks.report import report
from tests.living import write_config
from tests.redis_server import RedisServer

ROOT = Path(__file__).resolve().parents[2]
_MODULE = "tests.benchmarks.exactly_once"
_CHANGES_PER_S = 120  # of the publisher while it lives: an hour's worth in a minute or two
_GIVE_UP_AFTER_S = 480.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run keeps its files."""

    folder: Path

    @property
    def outbox(self) -> Path:
        return self.folder / "data" / "outbox.db"

    @property
    def journal(self) -> Path:
        """One `id:seq` per line for every change whose publish() returned."""
        return self.folder / "journal"

    @property
    def seen(self) -> Path:
        """One `id:seq` per line for every change that the subscriber's handler was given."""
        return self.folder / "seen"


@dataclass(slots=True)
class Verdict:
    """What a run came to."""

    sent: int
    lost: int
    doubled: int
    out_of_order: int
    kills: int
    redis_faults: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Publisher:
    """The process that is killed. ends_itself: with 0, once it has stored enough; else it is asked to by SIGTERM."""

    command: list[str]
    ends_itself: bool


def drawn_publisher(place: Place, redis_url: str, changes: int, seed: int) -> Publisher:
    """Alert lives out of a hat."""
    command = [sys.executable, "-m", _MODULE, "publish", str(place.folder), redis_url, str(changes), str(seed)]
    return Publisher(command, ends_itself=True)


def service_publisher(place: Place, redis_url: str, changes: int, seed: int) -> Publisher:
    """The whole service, on cameras with much to tell."""
    del changes, seed
    whole = [[0, 0], [1, 0], [1, 1], [0, 1]]
    talkative = {"update_every_s": 0.2, "clear_after_s": 0.5}
    rules = [
        {"name": "seen", "kind": "intrusion", "zone": "picture", **talkative},
        {"name": "stays", "kind": "loitering", "zone": "picture", "dwell_s": 1, **talkative},
        {"name": "crowd", "kind": "occupancy", "zone": "picture", "above": 1, **talkative},
    ]
    clips = prepare_clips(place.folder / "clips")
    cameras = {
        f"{name}{i}": {
            "url": str(clip.video),
            "pace": "realtime",
            "loop": True,
            "analyse_fps": "all",
            "zones": {"picture": whole},
            "rules": rules,
        }
        for i, (name, clip) in enumerate([*clips.items(), *clips.items()][:4])
    }
    config = write_config(
        place.folder / "service.yaml", cameras=cameras, redis={"url": redis_url}, data_dir=str(place.outbox.parent)
    )
    return Publisher([sys.executable, "-m", "streamer", "run", str(config), "--log-level", "error"], ends_itself=False)


def subscriber_command(place: Place, redis_url: str) -> list[str]:
    """The command line of the process that looks on."""
    return [sys.executable, "-m", _MODULE, "subscribe", str(place.folder), redis_url]


# --- the processes ----------------------------------------------------------------------------------------------------


def publish(place: Place, redis_url: str, changes: int, seed: int) -> None:
    """Store drawn alert lives until the outbox holds `changes`, delivering as the service does."""
    clock = SystemClock()
    outbox = Outbox(place.outbox, clock, Retention(keep_rows=10**6))
    journal = os.open(place.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    delivery = Delivery(outbox, [RedisAlerts(redis_url)], LiveFeed(redis_url), clock).start()

    def store(some: list[AlertChange], announced: bool = False) -> None:
        delivery.announce(some) if announced else delivery.publish(result(tuple(some)))
        os.write(journal, "".join(f"{change.id}:{change.seq}\n" for change in some).encode())

    store([next_change(change, "closed") for change in outbox.open_alerts()], announced=True)
    rng = random.Random(f"{seed} {os.getpid()}")
    drawn = lives(rng, session=f"{os.getpid()}x{rng.randrange(10**6)}")
    stored = stored_changes(place.outbox)
    while len(stored) + 40 < changes:
        some = [next(drawn) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        store(some)
        stored += [(change.id, change.seq) for change in some]
        time.sleep(rng.uniform(0.5, 1.5) * max(1, len(some)) / _CHANGES_PER_S)  # the world's pace
    store([next_change(change, "closed") for change in outbox.open_alerts()], announced=True)
    while delivery.stats().receivers[0].depth:
        time.sleep(0.1)
    delivery.close()


def look_on(place: Place, redis_url: str) -> None:
    """Handle every change by writing its name down; SIGTERM ends it."""
    seen = os.open(place.seen, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with subscribe(redis_url, group="bench", consumer="one", start="all") as subscription:
        signal.signal(signal.SIGTERM, lambda *_: subscription.close())
        for received in subscription:
            os.write(seen, f"{received.change.id}:{received.change.seq}\n".encode())


# --- the director -----------------------------------------------------------------------------------------------------


def stored_changes(path: Path) -> list[tuple[str, int]]:
    """What an outbox file has committed, in order."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [(str(id_), int(seq)) for id_, seq in db.execute("SELECT id, seq FROM changes ORDER BY row")]


def judge(stored: Iterable[tuple[str, int]], journal: Iterable[str], seen: Iterable[str]) -> Verdict:
    """Compare what was committed and promised with what the subscriber saw. Pure: files in, numbers out."""
    sent = {f"{id_}:{seq}" for id_, seq in stored} | set(journal)
    times = Counter(seen)
    lost = sorted(sent - times.keys())
    doubled = [name for name, count in times.items() if count > 1]
    last: dict[str, int] = {}
    backwards = []
    for name in seen:
        id_, _, seq = name.rpartition(":")
        if int(seq) < last.get(id_, 0):
            backwards.append(name)
        last[id_] = max(int(seq), last.get(id_, 0))
    examples = [f"lost {n}" for n in lost[:3]] + [f"doubled {n}" for n in doubled[:3]]
    invented = sorted(times.keys() - sent)
    if invented:
        raise AssertionError(f"the subscriber saw what nobody sent: {invented[:3]}")
    return Verdict(len(sent), len(lost), len(doubled), len(backwards), 0, {}, examples)


MakePublisher = Callable[[Place, str, int, int], Publisher]


class Vandal:
    """Breaks Redis at random moments, and mends it a little later. look() does what is due; never blocks for long."""

    def __init__(self, server: RedisServer, rng: random.Random, say: Callable[[str], None]) -> None:
        self._server, self._rng, self._say = server, rng, say
        self._due_s = time.monotonic() + rng.uniform(1, 3)
        self._mend: Callable[[], object] | None = None
        self.faults: Counter[str] = Counter()

    def look(self) -> None:
        """Break or mend, if it is time to."""
        if time.monotonic() < self._due_s:
            return
        if self._mend is not None:
            self.mend()
            self._due_s = time.monotonic() + self._rng.uniform(1, 5)
            return
        name, self._mend = _break_redis(self._server, self._rng, empty_allowed=not self.faults["restarted empty"])
        self.faults[name] += 1
        self._due_s = time.monotonic() + self._rng.uniform(0.2, 2.5)
        self._say(f"redis {name}")

    def mend(self) -> bool:
        """Make it well now; false where it was."""
        mend, self._mend = self._mend, None
        if mend is not None:
            mend()
        return mend is not None

    def retire(self) -> None:
        """Mend it, and never break it again."""
        self.mend()
        self._due_s = float("inf")


def run(
    folder: Path,
    *,
    changes: int,
    kills: int,
    seed: int,
    say: Callable[[str], None],
    make_publisher: MakePublisher = drawn_publisher,
) -> Verdict:
    """One run of all three parties; ends when everything that was stored has been seen, or time is up."""
    place, rng = Place(folder), random.Random(seed)
    begun = time.monotonic()
    killed = 0

    def tell(what: str) -> None:
        say(f"{time.monotonic() - begun:6.1f} s  {what}")

    with RedisServer(folder / "redis") as redis_server, contextlib.ExitStack() as stack:
        subscriber = stack.enter_context(_process(subscriber_command(place, redis_server.url)))
        kind = make_publisher(place, redis_server.url, changes, seed)
        vandal = Vandal(redis_server, rng, tell)
        while True:
            publisher = stack.enter_context(_process(kind.command))
            shortest_s = 0.4 if kind.ends_itself else 1.0  # some kills hit the start itself
            kill_s = time.monotonic() + rng.uniform(shortest_s, 2 * _seconds_between(changes, kills))
            if killed < kills:
                _watch(publisher, vandal, lambda at=kill_s: time.monotonic() >= at, begun)
                if publisher.poll() is None:
                    publisher.kill()
                    publisher.wait()
                    killed += 1
                    tell(f"publisher killed ({killed})")
                    continue
            elif kind.ends_itself:
                _watch(publisher, vandal, lambda: False, begun)
            else:
                _watch(publisher, vandal, _HasStored(place, changes), begun)
                vandal.retire()
                _end_in_order(publisher, place)
            if publisher.returncode != 0:
                raise RuntimeError(f"the publisher ended with {publisher.returncode}")
            if not vandal.mend():  # broken in the very moment of its end: a service would be there to tell it again
                break
        _wait_until_seen(place, subscriber)
    verdict = judge(stored_changes(place.outbox), _lines(place.journal), _lines(place.seen))
    verdict.kills, verdict.redis_faults = killed, dict(vandal.faults)
    return verdict


def _watch(publisher: subprocess.Popen[bytes], vandal: Vandal, until: Callable[[], bool], begun_s: float) -> None:
    """Let the vandal work until the publisher has ended or `until` says so."""
    while publisher.poll() is None and not until():
        if time.monotonic() - begun_s > _GIVE_UP_AFTER_S:
            raise TimeoutError(f"not done after {_GIVE_UP_AFTER_S} s")
        vandal.look()
        time.sleep(0.01)


class _HasStored:
    """Whether the outbox holds so many changes; looks once a second."""

    def __init__(self, place: Place, changes: int) -> None:
        self._place, self._changes, self._next_s = place, changes, 0.0

    def __call__(self) -> bool:
        if time.monotonic() < self._next_s:
            return False
        self._next_s = time.monotonic() + 1.0
        return len(stored_changes(self._place.outbox)) >= self._changes


def _end_in_order(publisher: subprocess.Popen[bytes], place: Place) -> None:
    """Redis is well again: let the service deliver what has waited, then ask it to end, as an operator would.

    What an operator did not wait for would wait in the outbox for the next start, and is not to be called lost here.
    """
    waited_for = {f"{id_}:{seq}" for id_, seq in stored_changes(place.outbox)}
    give_up_s = time.monotonic() + 30.0
    while not waited_for <= set(_lines(place.seen)) and time.monotonic() < give_up_s:
        time.sleep(0.2)
    publisher.terminate()
    publisher.wait(30)


def _seconds_between(changes: int, kills: int) -> float:
    return max(0.8, changes / _CHANGES_PER_S / (kills + 1))


def _break_redis(server: RedisServer, rng: random.Random, *, empty_allowed: bool) -> tuple[str, Callable[[], object]]:
    """Break it now; what was done, and how to mend it later."""
    fault = rng.choice(["stopped", "killed", "frozen", "lost its tail"] + ["restarted empty"] * empty_allowed)
    if fault == "frozen":
        server.freeze()
        return fault, server.thaw
    server.stop() if fault == "stopped" else server.kill()
    if fault == "restarted empty":
        return fault, server.restart_empty
    if fault == "lost its tail":
        server.lose_tail(rng.randrange(1, 20_000))
    return fault, server.start


def _wait_until_seen(place: Place, subscriber: subprocess.Popen[bytes]) -> None:
    """The publisher has delivered all: let the subscriber read on until nothing is missing, or nothing comes."""
    sent = {f"{id_}:{seq}" for id_, seq in stored_changes(place.outbox)}
    still_s, before = time.monotonic(), -1
    while time.monotonic() - still_s < 10.0:
        seen = _lines(place.seen)
        if len(seen) != before:
            still_s, before = time.monotonic(), len(seen)
        if sent <= set(seen):
            break
        time.sleep(0.2)
    time.sleep(1.5)  # a doubled one would come now
    subscriber.terminate()
    subscriber.wait(10)


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def main() -> None:
    """Run, and report."""
    if sys.argv[1:2] == ["publish"]:
        publish(Place(Path(sys.argv[2])), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    if sys.argv[1:2] == ["subscribe"]:
        look_on(Place(Path(sys.argv[2])), sys.argv[3])
        return
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=6000, help="alert changes to store (default 6000)")
    parser.add_argument("--kills", type=int, default=25, help="how often the publisher is killed (default 25)")
    parser.add_argument("--seed", type=int, default=1, help="of every random choice of the director (default 1)")
    parser.add_argument("--publisher", choices=("service", "drawn"), default="service", help="what is killed")
    args = parser.parse_args()
    chosen = service_publisher if args.publisher == "service" else drawn_publisher
    with tempfile.TemporaryDirectory(prefix="exactly-once-") as folder:
        verdict = run(
            Path(folder), changes=args.changes, kills=args.kills, seed=args.seed, say=print, make_publisher=chosen
        )
    for example in verdict.examples:
        print(example)
    report(
        "exactly_once",
        {
            "sent": verdict.sent,
            "lost": verdict.lost,
            "doubled": verdict.doubled,
            "out_of_order": verdict.out_of_order,
            "kills": verdict.kills,
            "redis_faults": verdict.redis_faults,
            "publisher": args.publisher,
            "seed": args.seed,
        },
    )


if __name__ == "__main__":
    main()
