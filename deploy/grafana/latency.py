"""The page of latency: where the time goes between a frame's arrival and its result."""

from __future__ import annotations

from deploy.grafana.asking import CAMERA, CAMERA_CHOICE, INSTANCE_CHOICE, PER_S, SERVICE, mean, quantile
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step

PROMISED = f"max(instance:streamer_promised_latency_seconds:max{{{SERVICE}}})"

LATENCY = Dashboard(
    "streamer-latency",
    "Streamer: latency",
    "Where the time goes between a frame's arrival and its result.",
    (INSTANCE_CHOICE, CAMERA_CHOICE),
    (
        Row(
            "Capture to publish",
            (
                Panel(
                    "All cameras",
                    "`promised` is inference.max_age_s of the service; rules/recording.yml may say something else.",
                    (
                        *(
                            Query(quantile(q, "streamer_capture_to_publish_seconds", "", CAMERA), f"p{100 * q:g}")
                            for q in (0.5, 0.95, 0.99)
                        ),
                        Query(PROMISED, "promised"),
                    ),
                    unit="s",
                    columns=12,
                ),
                Panel(
                    "Where most frames lie",
                    "Every cell counts frames; a second band above the first is a queue or a slow receiver.",
                    (
                        Query(
                            f"sum by (le) (increase(streamer_capture_to_publish_seconds_bucket{{{CAMERA}}}[{PER_S}]))",
                            "{{le}}",
                        ),
                    ),
                    kind="heatmap",
                    unit="s",
                    columns=12,
                ),
                Panel(
                    "p99 by camera",
                    "Over five minutes; recorded by a rule.",
                    (
                        Query(f"camera:streamer_capture_to_publish_seconds:p99_5m{{{CAMERA}}}", "{{camera}}"),
                        Query(PROMISED, "promised"),
                    ),
                    unit="s",
                    columns=12,
                ),
                Panel(
                    "Frames that came too late for the model",
                    "Share of those that were meant for it: docs/operations.md#streameroverload.",
                    (Query(f"camera:streamer_frames_late:ratio_5m{{{CAMERA}}}", "{{camera}}", quiet=True),),
                    unit="percentunit",
                    columns=12,
                ),
            ),
        ),
        Row(
            "Stages",
            (
                Panel(
                    "Time in a stage, p99",
                    "Per call: infer and analyse take a batch, publish what it brought.",
                    (Query(quantile(0.99, "streamer_stage_seconds", "stage", SERVICE), "{{stage}}"),),
                    unit="s",
                ),
                Panel(
                    "Time in a stage, mean",
                    "Per call.",
                    (Query(mean("streamer_stage_seconds", "stage", SERVICE), "{{stage}}"),),
                    unit="s",
                ),
                Panel(
                    "Stages at work",
                    "Share of the time. A stage near 1 (infer: near the number of lanes) is what everything waits for.",
                    (Query(f"sum by (stage) (rate(streamer_stage_seconds_sum{{{SERVICE}}}[{PER_S}]))", "{{stage}}"),),
                    unit="percentunit",
                ),
                Panel(
                    "Frames waiting for the model",
                    "A steady height near depth × cameras is overload.",
                    (Query(f"streamer_inbox_waiting_frames{{{SERVICE}}}", "{{instance}}"),),
                ),
                Panel(
                    "Frames in one model call",
                    "Mean size of a batch.",
                    (Query(mean("streamer_batch_frames", "instance", SERVICE), "{{instance}}"),),
                ),
                Panel(
                    "Slowness of the model",
                    "Times as long as when it was measured: docs/operations.md#streamermodelslow.",
                    (Query(f"streamer_model_slowness{{{SERVICE}}}", "{{instance}}"),),
                    steps=(Step("green"), Step("orange", 2)),
                ),
            ),
        ),
        Row(
            "A model on other nodes",
            (
                Panel(
                    "Inference nodes that answer",
                    "As each node with cameras sees them; none: docs/operations.md#streamermodelunreachable.",
                    (Query(f"streamer_inference_nodes{{{SERVICE}}}", "{{instance}}", quiet=True),),
                    columns=6,
                ),
                Panel(
                    "There and back",
                    "A batch's way to an inference node and its answer's way back, with the model between.",
                    tuple(
                        Query(quantile(q, "streamer_question_seconds", "", SERVICE), f"p{100 * q:g}", quiet=True)
                        for q in (0.5, 0.99)
                    ),
                    unit="s",
                    columns=6,
                ),
                Panel(
                    "Batches by answer",
                    "gone, silent: nobody answered; late, full: no time; refused: another model.",
                    (
                        Query(
                            f"sum by (outcome) (rate(streamer_questions_total{{{SERVICE}}}[{PER_S}]))",
                            "{{outcome}}",
                            quiet=True,
                        ),
                    ),
                    unit="ops",
                    columns=6,
                ),
                Panel(
                    "Bytes on the way",
                    "Pictures that go there, and answers that come back.",
                    (
                        Query(
                            f"sum by (kind) (rate(streamer_question_bytes_total{{{SERVICE}}}[{PER_S}]))",
                            "{{kind}}",
                            quiet=True,
                        ),
                    ),
                    unit="Bps",
                    columns=6,
                ),
            ),
        ),
    ),
)
