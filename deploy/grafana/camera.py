"""The page of cameras: where their frames go, and why."""

from __future__ import annotations

from deploy.grafana.asking import (
    CAMERA,
    CAMERA_CHOICE,
    GOOD_ABOVE_0,
    INSTANCE_CHOICE,
    OF_ALL,
    PER_S,
    WARN_ABOVE_0,
    quantile,
)
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step

CAMERA_PAGE = Dashboard(
    "streamer-camera",
    "Streamer: camera",
    "Where a camera's frames go, and why.",
    (INSTANCE_CHOICE, CAMERA_CHOICE),
    (
        Row(
            "Link",
            (
                Panel(
                    "Online",
                    "When the camera delivered frames.",
                    (Query(f"streamer_camera_up{{{CAMERA}}}", "{{camera}}"),),
                    kind="state-timeline",
                    unit="bool_yes_no",
                    steps=GOOD_ABOVE_0,
                ),
                Panel(
                    "Age of the newest frame",
                    "A saw-tooth below the frame interval is healthy; a rising line is a stalled camera.",
                    (Query(f"streamer_camera_frame_age_seconds{{{CAMERA}}}", "{{camera}}"),),
                    unit="s",
                ),
                Panel(
                    "Connections",
                    "New sessions in ten minutes. More than one or two: the camera or its network is unstable.",
                    (Query(f"increase(streamer_camera_sessions_total{{{CAMERA}}}[10m])", "{{camera}}"),),
                    steps=WARN_ABOVE_0,
                ),
            ),
        ),
        Row(
            "Frames",
            (
                Panel(
                    "By what became of them",
                    "received = analysed + skipped + dropped + waiting.",
                    (
                        Query(
                            f"sum by (outcome, reason) (rate(streamer_frames_total{{{CAMERA}}}[{PER_S}]))",
                            "{{outcome}} {{reason}}",
                        ),
                    ),
                    unit="ops",
                    columns=12,
                ),
                Panel(
                    "Dropped, by reason",
                    "full, stale, overload: the machine has no time. unanswered: no inference node. "
                    "corrupt, repeated, timestamp: the camera.",
                    (
                        Query(
                            "sum by (camera, reason) "
                            f'(rate(streamer_frames_total{{{CAMERA}, outcome="dropped"}}[{PER_S}]))',
                            "{{camera}} {{reason}}",
                            quiet=True,
                        ),
                    ),
                    unit="ops",
                    columns=12,
                ),
                Panel(
                    "Analysed",
                    "Pictures a second that reached the rules, and what was asked and given at the start.",
                    (
                        Query(
                            f'sum by (camera) (rate(streamer_frames_total{{{CAMERA}, outcome="analysed"}}[{PER_S}]))',
                            "{{camera}}",
                        ),
                        Query(f"streamer_camera_analyse_fps{{{CAMERA}}}", "{{camera}} {{kind}}"),
                    ),
                    unit="ops",
                ),
                Panel(
                    "Coverage of the last hour",
                    "Share of the last hour that analysed frames stand for.",
                    (Query(f"streamer_camera_coverage_ratio{{{CAMERA}}}", "{{camera}}"),),
                    unit="percentunit",
                    most=1.0,
                    steps=OF_ALL,
                ),
                Panel(
                    "Decoder",
                    "Cores in use by decoding.",
                    (Query(f"rate(streamer_decode_seconds_total{{{CAMERA}}}[{PER_S}])", "{{camera}}"),),
                ),
            ),
        ),
        Row(
            "Sleep",
            (
                Panel(
                    "Asleep",
                    "When only key frames were decoded, because nothing moved.",
                    (Query(f"streamer_asleep{{{CAMERA}}}", "{{camera}}"),),
                    kind="state-timeline",
                    unit="bool_yes_no",
                    steps=(Step("green"), Step("blue", 1)),
                ),
                Panel(
                    "Asleep, share of the time",
                    "Near 0 at a quiet camera: leaves, water or noise keep it awake; draw motion_masks.",
                    (Query(f"rate(streamer_asleep_seconds_total{{{CAMERA}}}[{PER_S}])", "{{camera}}"),),
                    unit="percentunit",
                    most=1.0,
                ),
                Panel(
                    "What ended sleep",
                    "packets, picture: something moved; request: somebody asked; unsafe: it could not be judged.",
                    (
                        Query(
                            f"sum by (camera, reason) (increase(streamer_wakes_total{{{CAMERA}}}[5m]))",
                            "{{camera}} {{reason}}",
                            quiet=True,
                        ),
                    ),
                ),
                Panel(
                    "From the waking packet to the first frame, p99",
                    "What led up to a wake is decoded from memory.",
                    (Query(quantile(0.99, "streamer_wake_seconds", "camera", CAMERA), "{{camera}}", quiet=True),),
                    unit="s",
                ),
                Panel(
                    "Packets kept in memory",
                    "To begin from when the camera wakes, and for clips.",
                    (Query(f"streamer_ring_bytes{{{CAMERA}}}", "{{camera}}"),),
                    unit="bytes",
                ),
                Panel(
                    "Clips",
                    "Completed in an hour.",
                    (Query(f"increase(streamer_clips_total{{{CAMERA}}}[1h])", "{{camera}}"),),
                ),
            ),
        ),
    ),
)
