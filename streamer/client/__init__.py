"""The subscriber: alert changes from Redis, each handled once and in order."""

from streamer.client.asubscription import AsyncSubscription, asubscribe
from streamer.client.messages import Gap, Lag, Received, Start
from streamer.client.subscription import Subscription, run, subscribe

__all__ = ["AsyncSubscription", "Gap", "Lag", "Received", "Start", "Subscription", "asubscribe", "run", "subscribe"]
