"""An RTSP camera that plays a clip and misbehaves on command."""
