"""What all dashboards share: what is chosen at the top of a page, how it is asked for in PromQL, and colours."""

from __future__ import annotations

from deploy.grafana.panels import Step, Variable

SERVICE = 'job="streamer", instance=~"$instance"'
CAMERA = f'{SERVICE}, camera=~"$camera"'
PER_S = "$__rate_interval"

INSTANCE_CHOICE = Variable("instance", "Service", "streamer_model_info", 'job="streamer"')
CAMERA_CHOICE = Variable("camera", "Camera", "streamer_camera_up", SERVICE)

BAD_ABOVE_0 = (Step("green"), Step("red", 1))
WARN_ABOVE_0 = (Step("green"), Step("orange", 1))
GOOD_ABOVE_0 = (Step("red"), Step("green", 1))
OF_ALL = (Step("red"), Step("orange", 0.9), Step("green", 0.98))


def quantile(q: float, metric: str, by: str, where: str) -> str:
    """The q-th quantile of a histogram, per label set `by` (empty: of all together)."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q:g}, sum by ({labels}) (rate({metric}_bucket{{{where}}}[{PER_S}])))"


def mean(metric: str, by: str, where: str) -> str:
    """What was observed on average, per label `by`."""
    return (
        f"sum by ({by}) (rate({metric}_sum{{{where}}}[{PER_S}]))"
        f" / sum by ({by}) (rate({metric}_count{{{where}}}[{PER_S}]))"
    )
