"""The first page: is everything all right, and which camera is not."""

from __future__ import annotations

from deploy.grafana.asking import BAD_ABOVE_0, GOOD_ABOVE_0, INSTANCE_CHOICE, OF_ALL, PER_S, SERVICE
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step

P99 = f"instance:streamer_capture_to_publish_seconds:p99_5m{{{SERVICE}}}"
PROMISED = f"instance:streamer_promised_latency_seconds:max{{{SERVICE}}}"

OVERVIEW = Dashboard(
    "streamer-overview",
    "Streamer: overview",
    "Is everything all right, and which camera is not.",
    (INSTANCE_CHOICE,),
    (
        Row(
            "Now",
            (
                Panel(
                    "Services that answer",
                    "While a service is down nothing is watched: docs/operations.md#streamerdown.",
                    (Query('sum(up{job="streamer"})'),),
                    kind="stat",
                    columns=4,
                    height=4,
                    steps=GOOD_ABOVE_0,
                ),
                Panel(
                    "Cameras online",
                    "Cameras that deliver frames.",
                    (Query(f"sum(streamer_camera_up{{{SERVICE}}})"),),
                    kind="stat",
                    columns=4,
                    height=4,
                    steps=GOOD_ABOVE_0,
                ),
                Panel(
                    "Cameras offline",
                    "They deliver nothing: docs/operations.md#streamercameraoffline. An ended recording counts too.",
                    (Query(f"count(streamer_camera_up{{{SERVICE}}} == 0) or vector(0)"),),
                    kind="stat",
                    columns=4,
                    height=4,
                    steps=BAD_ABOVE_0,
                ),
                Panel(
                    "Least coverage",
                    "Of the camera that was watched least in the last hour: silence is not safety.",
                    (Query(f"min(streamer_camera_coverage_ratio{{{SERVICE}}})"),),
                    kind="stat",
                    unit="percentunit",
                    columns=4,
                    height=4,
                    steps=OF_ALL,
                    most=1.0,
                ),
                Panel(
                    "Alerts on their way",
                    "Alert changes that a receiver has not got yet. They are safe in the outbox.",
                    (Query(f"sum(streamer_outbox_pending{{{SERVICE}}})"),),
                    kind="stat",
                    columns=4,
                    height=4,
                    steps=(Step("green"), Step("orange", 100), Step("red", 1000)),
                ),
                Panel(
                    "Capture to publish, p99",
                    "As a share of the promise, inference.max_age_s; over five minutes, of the slowest service.",
                    (Query(f"max({P99} / on (job, instance) {PROMISED})"),),
                    kind="stat",
                    unit="percentunit",
                    columns=4,
                    height=4,
                    steps=(Step("green"), Step("orange", 0.7), Step("red", 1)),
                ),
            ),
        ),
        Row(
            "Alerts",
            (
                Panel(
                    "Alerts opened",
                    "By kind, in the last five minutes.",
                    (
                        Query(
                            f'sum by (kind) (increase(streamer_alerts_total{{{SERVICE}, type="opened"}}[5m]))',
                            "{{kind}}",
                        ),
                    ),
                    columns=12,
                    stacked=True,
                ),
                Panel(
                    "Oldest alert not delivered",
                    "Per receiver. Above a minute somebody is woken: docs/operations.md#streameralertsnotdelivered.",
                    (Query(f"max by (sink) (streamer_outbox_oldest_seconds{{{SERVICE}}})", "{{sink}}"),),
                    unit="s",
                    columns=6,
                    steps=(Step("green"), Step("red", 60)),
                ),
                Panel(
                    "Delivered and not",
                    "A second, by receiver. `failed` is tried again, `rejected` set aside, `let_go` is the live feed.",
                    (
                        Query(
                            f"sum by (sink, kind) (rate(streamer_delivered_total{{{SERVICE}}}[{PER_S}]))",
                            "{{sink}} {{kind}}",
                        ),
                        Query(
                            f"sum by (sink, reason) (rate(streamer_undelivered_total{{{SERVICE}}}[{PER_S}]))",
                            "{{sink}} {{reason}}",
                        ),
                    ),
                    unit="ops",
                    columns=6,
                ),
            ),
        ),
        Row(
            "Cameras",
            (
                Panel(
                    "Online",
                    "When each camera delivered frames.",
                    (Query(f"streamer_camera_up{{{SERVICE}}}", "{{camera}}"),),
                    kind="state-timeline",
                    unit="bool_yes_no",
                    columns=12,
                    steps=GOOD_ABOVE_0,
                ),
                Panel(
                    "Coverage of the last hour",
                    "Share of the last hour that analysed frames stand for.",
                    (Query(f"streamer_camera_coverage_ratio{{{SERVICE}}}", "{{camera}}"),),
                    unit="percentunit",
                    columns=12,
                    most=1.0,
                    steps=OF_ALL,
                ),
            ),
        ),
        Row(
            "The machine",
            (
                Panel(
                    "What the cameras ask of the model",
                    "As a share of what it can do. Near 1 the service looks at cameras less often, or refuses them.",
                    (Query(f"streamer_admission_load{{{SERVICE}}}", "{{instance}}"),),
                    unit="percentunit",
                    steps=(Step("green"), Step("orange", 0.9), Step("red", 1)),
                ),
                Panel(
                    "Processor",
                    "Cores in use by the service's own process; capture processes are not in it.",
                    (Query(f"rate(process_cpu_seconds_total{{{SERVICE}}}[{PER_S}])", "{{instance}}"),),
                ),
                Panel(
                    "Memory",
                    "Of the service's own process.",
                    (Query(f"process_resident_memory_bytes{{{SERVICE}}}", "{{instance}}"),),
                    unit="bytes",
                ),
                Panel(
                    "Footage",
                    "Clips and recordings on disk, packets in memory. `keep` in the configuration sets limits.",
                    (Query(f"sum by (kind) (streamer_footage_bytes{{{SERVICE}}})", "{{kind}}"),),
                    unit="bytes",
                    stacked=True,
                ),
                Panel(
                    "Disk of the data folder",
                    "Free, and of which size. All that is kept lies there: docs/operations.md#streamerdiskfillingup.",
                    (
                        Query(f'streamer_disk_bytes{{{SERVICE}, kind="free"}}', "{{instance}} free"),
                        Query(f'streamer_disk_bytes{{{SERVICE}, kind="size"}}', "{{instance}} size"),
                    ),
                    unit="bytes",
                ),
                Panel(
                    "Evidence lost",
                    "Clips, recordings and pictures that could not be kept: docs/operations.md#streamerevidencelost.",
                    (
                        Query(
                            f"sum by (reason) (increase(streamer_footage_failures_total{{{SERVICE}}}[5m]))",
                            "footage: {{reason}}",
                            quiet=True,
                        ),
                        Query(f"sum(increase(streamer_snapshot_failures_total{{{SERVICE}}}[5m]))", "pictures"),
                    ),
                ),
                Panel(
                    "Audit log",
                    "Entries in five minutes, and those that the disk refused: nobody will know who did that.",
                    (
                        Query(f"sum(increase(streamer_audit_entries_total{{{SERVICE}}}[5m]))", "written"),
                        Query(f"sum(increase(streamer_audit_failures_total{{{SERVICE}}}[5m]))", "refused"),
                    ),
                ),
                Panel(
                    "Capture processes",
                    "That run, and were replaced in five minutes. None: cameras are read in the service's own.",
                    (
                        Query(f"streamer_capture_processes{{{SERVICE}}}", "running"),
                        Query(f"increase(streamer_capture_restarts_total{{{SERVICE}}}[5m])", "replaced"),
                    ),
                ),
            ),
        ),
    ),
)
