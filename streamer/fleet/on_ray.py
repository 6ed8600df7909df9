"""Ray, which starts a host on every node and one placement, and starts them again.

    cluster run ─▶ placement (one actor, on the head node) ─▶ a host actor on every node that has CPUs
                   └─ every half second: who is in the cluster? ─▶ Placing.turn ─▶ shares in Redis ─▶ hosts

Actors are detached: they outlive the command that started them. What Ray is not asked: who watches what, who may speak,
who is dead (it is believed when it says so, and never waited for). Usage statistics and the dashboard are off.
The other file that knows Ray is inference_on_ray.py, which carries pictures to nodes that have the model.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from streamer.clock import SystemClock
from streamer.errors import ConfigError, SinkUnavailable, StreamerError, redact
from streamer.fleet import inference_on_ray
from streamer.fleet.apart_places import has_the_model
from streamer.fleet.host import Host, NodeFacts
from streamer.fleet.placing import Placing
from streamer.telemetry import logs

_log = logging.getLogger("streamer.fleet")

NAMESPACE = "streamer"
PLACEMENT = "streamer-placement"
HOST = "streamer-host-"
OBJECT_STORE_BYTES = 200_000_000
"""Of a cluster of one machine. Pictures go through Ray only where the model is on nodes of its own: some 10 MB then."""
_OF_THE_HEAD = {"node:__internal_head__": 0.001}
"""What only the head of a cluster has. An actor that merely prefers a node, and takes nothing of it, is put anywhere:
placement died with a worker node, and Ray needs up to twenty seconds to see such a death."""
_TURN_EVERY_S = 0.5
_HEARD_WITHIN_S = 10.0
_STOPPED_WITHIN_S = 60.0
_OFF = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_DOCKER_CPU_WARNING": "1", "RAY_DEDUP_LOGS": "0"}

# It keeps to 127.0.0.1: nobody else is to reach it. Watching is no spare-time work, for which Ray takes its workers.
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}


@dataclass(frozen=True, slots=True)
class Member:
    """One living node of Ray. id: of this life of it; name: what a person calls it, the same after a restart."""

    id: str
    facts: NodeFacts


@contextlib.contextmanager
def joined(address: str) -> Iterator[Any]:
    """The `ray` module, connected, while inside. address: 'auto', 'local' (a cluster of this machine alone, which ends
    with it), or HOST:PORT. Raises ConfigError."""
    off = {**_OFF, **(_ALONE if address == "local" else {})}
    os.environ.update({name: os.environ.get(name, value) for name, value in off.items()})
    try:
        import ray
    except ImportError as error:
        raise ConfigError(["cluster: Ray is not installed (pip install 'streamer[cluster]')"]) from error
    options: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {
            "address": "local",
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
        }
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(
            [f"--address {address}: no Ray cluster answers there ({error}); start one: ray start"]
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def start(ray: Any, url: str) -> None:
    """Placement, where it does not run yet; it starts everything else."""
    placement = ray.remote(PlacementActor).options(
        name=PLACEMENT,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_restarts=-1,
        max_concurrency=4,
        resources=_OF_THE_HEAD,
    )
    ray.get(placement.remote(url).ping.remote())


def stop(ray: Any) -> None:
    """Everything, in order: hosts hand over what they can and end."""
    try:
        placement = ray.get_actor(PLACEMENT, namespace=NAMESPACE)
    except ValueError:
        return
    ray.get(placement.stop.remote(), timeout=_STOPPED_WITHIN_S)
    ray.kill(placement, no_restart=True)


class PlacementActor:
    """Placing on one thread, and the hosts that it starts on another: placement is not to wait for a slow Ray."""

    def __init__(self, url: str) -> None:
        import ray

        logs.set_up("json", "info")
        self._ray, self._url = ray, url
        self._placing = Placing(url, SystemClock())
        self._hosts: dict[str, Any] = {}
        self._known: dict[str, str] = {}
        self._expected: frozenset[str] = frozenset()
        self._dead: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(turn,), name=name, daemon=True)
            for name, turn in (("cluster:members", self._look_after_hosts), ("cluster:placing", self._place))
        ]
        for thread in self._threads:
            thread.start()

    def ping(self) -> int:
        """Its process."""
        return os.getpid()

    def stop(self) -> None:
        """End the hosts in order; they hand over to nobody."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_HEARD_WITHIN_S)
        waiting = [host.stop.remote() for host in self._hosts.values()]
        self._ray.wait(waiting, num_returns=len(waiting), timeout=_STOPPED_WITHIN_S / 2) if waiting else None
        for host in self._hosts.values():
            self._ray.kill(host, no_restart=True)

    def _run(self, turn: Callable[[], None]) -> None:
        in_trouble = False
        while not self._stopping.is_set():
            try:
                turn()
                in_trouble = False
            except SinkUnavailable as error:
                if not in_trouble:
                    _log.warning("nothing can be placed while Redis is away: %s", error)
                in_trouble = True
            except Exception:  # noqa: BLE001 - one turn that fails must not end them all
                _log.exception("a turn of placement failed")
            self._stopping.wait(_TURN_EVERY_S)

    def _place(self) -> None:
        self._placing.turn(self._expected, self._dead)

    def _look_after_hosts(self) -> None:
        members = {member.id: member for member in members_of(self._ray)}
        self._known.update({member.facts.name: member.id for member in members.values()})
        self._dead = frozenset(name for name, id_ in self._known.items() if id_ not in members)
        self._expected = frozenset(member.facts.name for member in members.values())
        for id_ in self._hosts.keys() - members.keys():
            self._ray.kill(self._hosts.pop(id_), no_restart=True)
        config = self._placing.config
        for id_, member in members.items():
            if id_ not in self._hosts and config is not None:
                self._hosts[id_] = self._host(member, has_the_model(config, member.facts.labels, member.facts.gpus))

    def _host(self, member: Member, answers: bool) -> Any:
        """Of a node that reads cameras, or of one that answers those that do."""
        kind = inference_on_ray.remote_class(self._ray) if answers else self._ray.remote(HostActor)
        return kind.options(
            name=f"{inference_on_ray.INFERENCE if answers else HOST}{member.id}",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,  # the cameras' tasks are no tasks of Ray's: placement counts what they take
            num_gpus=member.facts.gpus,  # or Ray would hide them
            max_restarts=-1,
            max_concurrency=4,
            scheduling_strategy=_on(member.id),
        ).remote(self._url, member.facts)


class HostActor:
    """A host on a thread, in its own process: where the house ends by itself, that ends too, and Ray begins anew."""

    def __init__(self, url: str, facts: NodeFacts) -> None:
        logs.set_up("json", "info")
        opens = partial(inference_on_ray.model_of, node=facts.name, namespace=NAMESPACE)
        self._host = Host(url, facts, SystemClock(), model_of=opens)
        self._told_to_stop = False
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="cluster:host", daemon=True).start()

    def ping(self) -> int:
        """Its process."""
        return os.getpid()

    def stop(self) -> None:
        """Returns when everything is handed over."""
        self._told_to_stop = True
        self._host.stop()
        self._ended.wait(_STOPPED_WITHIN_S / 2)

    def _run(self) -> None:
        try:
            report = self._host.run()
            for name, error in report.failed.items() if report else ():
                _log.error("stage %s failed: %s", name, redact(f"{type(error).__name__}: {error}"))
        except StreamerError as error:
            _log.error("this node cannot run: %s", redact(str(error)))
        except Exception:  # noqa: BLE001 - a bug: it is told, and a new process tries again
            _log.exception("the host of this node failed")
        self._ended.set()
        if not self._told_to_stop:
            self._stopped_by_itself()

    def _stopped_by_itself(self) -> None:
        threading.Event().wait(_TURN_EVERY_S)  # a house that fails at once is not begun again a hundred times a second
        os._exit(1)


def members_of(ray: Any) -> list[Member]:
    """The nodes that Ray says are alive and have processors; a head node with --num-cpus=0 watches nothing."""
    members: dict[str, Member] = {}
    for node in sorted(ray.nodes(), key=lambda each: str(each["NodeID"])):
        resources: Mapping[str, float] = node["Resources"]
        if not node["Alive"] or not resources.get("CPU"):
            continue
        facts = _facts(node, resources)
        if facts.name in members:
            _log.error("two nodes are called %r: the second watches nothing; give it another --node-name", facts.name)
            continue
        members[facts.name] = Member(str(node["NodeID"]), facts)
    return list(members.values())


def _facts(node: Mapping[str, Any], resources: Mapping[str, float]) -> NodeFacts:
    own = {key: value for key, value in (node.get("Labels") or {}).items() if not key.startswith("ray.io/")}
    name = str(own.pop("streamer-node", None) or node.get("NodeName") or node["NodeManagerAddress"])
    labels = tuple(sorted(f"{key}={value}" for key, value in own.items()))
    return NodeFacts(
        name.replace("/", "-").replace(":", "-"), float(resources["CPU"]), int(resources.get("GPU", 0)), labels
    )


def _on(node_id: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)
