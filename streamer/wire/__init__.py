"""What leaves the house: the messages on the wire, their names, and the Redis keys under which they lie.

docs/wire.md describes them for integrators, the JSON Schemas in streamer/schemas (`streamer schema NAME`) for programs.
Changes are additive: keys are added, never removed, renamed or retyped. Who reads ignores keys that it does not know.

One clash of words is settled here. On a stream the *field* `type` says opened | updated | closed | evidence, or what
a person did about an alert. In the JSON body the same thing is called `change`, so that a line of a recording can put
"type":"alert" or "type":"frame" in front.
"""

from streamer.wire.alerts import alert_body, alert_fields, alert_schema, decode_alert, encode_alert
from streamer.wire.cameras import camera_body
from streamer.wire.frames import frame_body, frame_fields, frame_objects, scene_of, watched_body
from streamer.wire.handlings import decode_message, encode_message, handling_body
from streamer.wire.json_values import dumps
from streamer.wire.keys import Keys
from streamer.wire.lines import replay_alert_line, replay_frame_line
from streamer.wire.names import (
    CANARY_KIND,
    COMMAND_SCHEMA,
    HANDLING_SCHEMA,
    HANDLING_TYPES,
    SCHEMA_NAMES,
    SchemaName,
    json_schema,
)

__all__ = [
    "CANARY_KIND",
    "COMMAND_SCHEMA",
    "HANDLING_SCHEMA",
    "HANDLING_TYPES",
    "SCHEMA_NAMES",
    "Keys",
    "SchemaName",
    "alert_body",
    "alert_fields",
    "alert_schema",
    "camera_body",
    "decode_alert",
    "decode_message",
    "dumps",
    "encode_alert",
    "encode_message",
    "frame_body",
    "frame_fields",
    "frame_objects",
    "handling_body",
    "json_schema",
    "replay_alert_line",
    "replay_frame_line",
    "scene_of",
    "watched_body",
]
