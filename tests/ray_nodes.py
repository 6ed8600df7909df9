"""Three machines on one: Ray nodes of this machine, each with its own raylet and its own host process.

A node is killed as a machine is that loses its power (SIGKILL to its raylet and everything that it started), cut off as
one whose network hangs (SIGSTOP to its host), and joins as a new one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import psutil

from streamer.cluster.state import ClusterState
from streamer.fleet import applying, on_ray

_SMALL = {"num_cpus": 2, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.1"}
# Ray runs its workers at niceness 15, and these hosts are no spare-time work (docs/cluster.md).
_SYSTEM = {"enable_worker_prestart": False, "prestart_worker_first_driver": False, "worker_niceness": 0}


class RayNodes:
    """A Ray cluster of simulated machines on 127.0.0.1; the head node has no processors and watches nothing."""

    def __init__(self, redis_url: str) -> None:
        # The second: Ray keeps to 127.0.0.1, and does not look for an address of this machine that others could reach.
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
        from ray.cluster_utils import Cluster

        self.state = ClusterState(redis_url)
        self._url = redis_url
        head = {**_SMALL, "num_cpus": 0, "include_dashboard": False, "_system_config": _SYSTEM}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address
        self._nodes: dict[str, Any] = {}
        self._frozen: dict[str, int] = {}
        self._ends = contextlib.ExitStack()

    def begin(self, config: Path, *names: str) -> None:
        """Nodes, and what `streamer cluster run` does but for its waiting for Ctrl-C."""
        for name in names:
            self.join(name)
        ray = self._ends.enter_context(on_ray.joined(self.address))
        applying.begin(self.state, config)
        on_ray.start(ray, self._url)
        self._ends.callback(on_ray.stop, ray)

    def join(self, said: str) -> None:
        """One more machine: its name, or NAME=KEY=VALUE with a label."""
        name, _, label = said.partition("=")
        labels = dict([label.split("=")]) if label else {}
        self._nodes[name] = self._cluster.add_node(wait=False, **_SMALL, node_name=name, labels=labels)

    def kill(self, name: str) -> None:
        """Power off."""
        node = self._nodes.pop(name)
        doomed = {each.process.pid for kind in node.all_processes.values() for each in kind}
        doomed |= {child.pid for pid in doomed for child in _children(pid)}
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._cluster.worker_nodes.discard(node)

    def placement_pid(self) -> int:
        """Its process."""
        import ray

        placement = ray.get_actor(on_ray.PLACEMENT, namespace=on_ray.NAMESPACE)
        return int(ray.get(placement.ping.remote()))

    def pids_of_head(self) -> set[int]:
        """All processes of the head node."""
        own = {each.process.pid for kind in self._cluster.head_node.all_processes.values() for each in kind}
        return own | {child.pid for pid in own for child in _children(pid)}

    def kill_placement(self) -> None:
        """Ray is to start it again."""
        os.kill(self.placement_pid(), signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """Cut its host off from everything."""
        self._frozen[name] = self.state.read().beats[name].pid
        os.kill(self._frozen[name], signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """It is back, and does not know that it was away."""
        os.kill(self._frozen.pop(name), signal.SIGCONT)

    def close(self) -> None:
        """End everything that was started."""
        for name in list(self._frozen):
            self.thaw(name)
        with contextlib.suppress(Exception):  # what cannot end in order is ended by the next line
            self._ends.close()
        self._cluster.shutdown()
        self.state.close()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
