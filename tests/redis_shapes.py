"""Redis in the shapes in which large installations run it, on free ports of 127.0.0.1: a cluster, sentinels, TLS.

with RedisCluster(tmp_path) as cluster:      # three primaries, all slots
    broker.connect(cluster.url)
with Sentinel(tmp_path) as sentinel:         # a primary, a replica, and one sentinel that fails over by itself
    sentinel.primary.kill()
with tls_server(tmp_path) as server: ...     # an authority of its own
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import redis

from tests.redis_server import RedisServer, free_port, redis_binary

_SLOTS = 16384
_WITHIN_S = 60.0
_NAME = "streamer"


class RedisCluster:
    """Three primaries that share the slots; no replicas. members: their servers, to be killed and started again."""

    def __init__(self, directory: Path, size: int = 3) -> None:
        self.members = [_member(directory / f"member-{n}") for n in range(size)]

    @property
    def url(self) -> str:
        """redis+cluster://…"""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{member.port}" for member in self.members)

    def start(self) -> RedisCluster:
        """Start all, share the slots, and wait until every member says that all is well."""
        for member in self.members:
            member.start()
        clients = [redis.Redis(port=member.port) for member in self.members]
        for n, client in enumerate(clients):
            begin, end = n * _SLOTS // len(clients), (n + 1) * _SLOTS // len(clients)
            client.execute_command("CLUSTER ADDSLOTS", *range(begin, end))
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
        for client in clients:
            for other in self.members:
                client.execute_command("CLUSTER MEET", "127.0.0.1", other.port)
        for client in clients:
            eventually(lambda client=client: client.cluster("info")["cluster_state"] == "ok", "the cluster came up")  # type: ignore[misc]
            eventually(
                lambda client=client: int(client.cluster("info")["cluster_known_nodes"]) == len(clients),  # type: ignore[misc]
                "the cluster's members knew each other",
            )
            client.close()
        return self

    def __enter__(self) -> RedisCluster:
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for member in self.members:
            if member.pid is not None:
                member.kill()


def _member(directory: Path) -> RedisServer:
    # Members speak to each other on their port + 10000, which must be a port too.
    while True:
        server = RedisServer(
            directory, options=("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--loglevel", "warning")
        )
        if server.port + 10_000 < 65_536:
            return server


class Sentinel:
    """A primary, its replica, and a sentinel that makes the replica primary where the primary is gone for a second."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self.primary = RedisServer(directory / "primary")
        self.replica = RedisServer(directory / "replica", options=("--replicaof", "127.0.0.1", str(self.primary.port)))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """redis+sentinel://…"""
        return f"redis+sentinel://127.0.0.1:{self.port}/{_NAME}"

    def __enter__(self) -> Sentinel:
        self.primary.start()
        self.replica.start()
        with redis.Redis(port=self.replica.port) as replica:
            eventually(lambda: replica.info("replication")["master_link_status"] == "up", "the replica followed")
        settings = self.directory / "sentinel.conf"
        settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
            f"sentinel monitor {_NAME} 127.0.0.1 {self.primary.port} 1\n"
            f"sentinel down-after-milliseconds {_NAME} 1000\nsentinel failover-timeout {_NAME} 3000\n"
        )
        with (self.directory / "sentinel.log").open("ab") as log:
            self._process = subprocess.Popen([redis_binary(), str(settings), "--sentinel"], stdout=log, stderr=log)
        with redis.Redis(port=self.port) as sentinel:
            eventually(lambda: _knows_a_replica(sentinel), "the sentinel knew the replica")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for server in (self.primary, self.replica):
            if server.pid is not None:
                server.kill()


def _knows_a_replica(sentinel: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError, OSError):
        return int(sentinel.sentinel_master(_NAME)["num-slaves"]) == 1
    return False


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A server that speaks TLS only, with a certificate for 127.0.0.1; ca: the file of who signed it."""

    url: str
    ca: Path


@contextlib.contextmanager
def tls_server(directory: Path) -> Iterator[TlsServer]:
    """Such a server; needs openssl."""
    ca, key, certificate = directory / "ca.pem", directory / "key.pem", directory / "cert.pem"
    extensions = directory / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    request, ca_key = directory / "request", directory / "ca.key"
    for command in (
        f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout {ca_key} -out {ca}",
        f"req -newkey rsa:2048 -nodes -subj /CN=redis -keyout {key} -out {request}",
        f"x509 -req -in {request} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 2 -out {certificate}"
        f" -extfile {extensions}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    port = free_port()
    options = f"--port 0 --tls-port {port} --bind 127.0.0.1 --tls-auth-clients no --dir {directory}"
    files = f"--tls-cert-file {certificate} --tls-key-file {key} --tls-ca-cert-file {ca}"
    with (directory / "redis.log").open("ab") as log:
        process = subprocess.Popen([redis_binary(), *options.split(), *files.split()], stdout=log, stderr=log)
    try:
        client = redis.Redis(host="127.0.0.1", port=port, ssl=True, ssl_ca_certs=str(ca))
        eventually(lambda: _answers(client), "the server answered")
        client.close()
        yield TlsServer(f"rediss://127.0.0.1:{port}/0", ca)
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError, OSError):
        return bool(client.ping())
    return False


def eventually(condition: Callable[[], bool], what: str, within_s: float = _WITHIN_S) -> None:
    """Wait for what another process will bring about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
