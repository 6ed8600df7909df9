"""The Redis of the fault kit, where tests look for it."""

from streamer.chaos.redis_server import RedisServer, redis_binary
from streamer.demo.servers import free_port

__all__ = ["RedisServer", "free_port", "redis_binary"]
