"""What FFmpeg and the system report, as one sentence that says what to do. Nothing here ever shows a password."""

from __future__ import annotations

import errno

import av
import av.error

from streamer.capture.address import is_rtsp, is_webcam
from streamer.capture.options import CameraOptions
from streamer.errors import SourceCorrupt, SourceEnded, SourceError, SourceStalled, SourceUnavailable, redact


def unavailable(options: CameraOptions, error: Exception) -> SourceUnavailable:
    """Why the source could not be opened."""
    hide_secrets(options, error)
    what, permanent = _why(options, error)
    return SourceUnavailable(f"camera {options.camera!r}: {what}", permanent=permanent)


def no_video(options: CameraOptions) -> SourceUnavailable:
    """It opened, but shows nothing."""
    return SourceUnavailable(
        f"camera {options.camera!r}: {options.label} has no video track; choose a stream that has one", permanent=True
    )


def unknown_codec(options: CameraOptions, codec: str) -> SourceUnavailable:
    """There is video that this build of FFmpeg has no decoder for."""
    return SourceUnavailable(
        f"camera {options.camera!r}: {options.label} sends video that cannot be decoded here ({codec}); "
        "set the camera to H.264, H.265 or MJPEG",
        permanent=True,
    )


def interrupted(options: CameraOptions, error: Exception) -> SourceError:
    """Why a running session is over."""
    hide_secrets(options, error)
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return stalled(options, options.stall_after_s)
    return SourceEnded(f"camera {options.camera!r}: the connection to {options.label} broke ({_plain(error)})")


def ended(options: CameraOptions) -> SourceEnded:
    """A live source that came to an end."""
    return SourceEnded(f"camera {options.camera!r}: {options.label} closed the connection")


def stalled(options: CameraOptions, silent_s: float) -> SourceStalled:
    """The connection is up and nothing comes."""
    return SourceStalled(
        f"camera {options.camera!r}: {options.label} is connected but sent no picture for {silent_s:.1f} s"
    )


def corrupt(options: CameraOptions, broken: int) -> SourceCorrupt:
    """What comes cannot be read any more."""
    return SourceCorrupt(
        f"camera {options.camera!r}: {broken} broken packets from {options.label} and not one picture; "
        "check network and camera, or the file"
    )


def hide_secrets(options: CameraOptions, error: BaseException) -> None:
    """Take addresses out of a foreign error: it stays the cause of ours, and a traceback shows its words."""
    error.args = tuple(_without_secrets(options, a) for a in error.args)
    if error.__context__ is not None:
        hide_secrets(options, error.__context__)


def _without_secrets(options: CameraOptions, value: object) -> object:
    if isinstance(value, str):
        return redact(value.replace(options.url, options.label))
    if isinstance(value, tuple):
        return tuple(_without_secrets(options, v) for v in value)
    return value


def _plain(error: Exception) -> str:
    text = getattr(error, "strerror", None) or (str(error.args[0]) if error.args else type(error).__name__)
    return redact(str(text))


def _why(options: CameraOptions, error: Exception) -> tuple[str, bool]:
    """A sentence, and whether waiting alone will not mend it."""
    where = options.label
    code = getattr(error, "errno", None)
    if is_webcam(options.url, options.format):
        if code == errno.EBUSY:
            return f"{where} is in use by another program; close that one, or choose another device", False
        if code == errno.EINVAL:
            return (
                f"{where} refuses what options ask of it; compare input_format, video_size and framerate with "
                "what `v4l2-ctl --list-formats-ext` shows",
                True,
            )
    match error:
        case av.error.HTTPUnauthorizedError():
            return f"{where} refuses this user name or password; check both in the configuration", True
        case av.error.HTTPForbiddenError():
            return f"{where} forbids this user to watch; give the user the right, or choose another", True
        case av.error.HTTPNotFoundError():
            return f"{where} has no such stream; check the path after the host name", True
        case av.error.HTTPClientError():
            return f"{where} answers with an error; check address and transport ({options.transport})", False
        case av.error.HTTPServerError():
            return f"{where} reports an internal error; restart the camera if it stays", False
        case ConnectionRefusedError():
            return f"{where} refuses the connection; check port, and that the camera's server is on", False
        case FileNotFoundError() | av.error.DemuxerNotFoundError() | av.error.ProtocolNotFoundError():
            if isinstance(error, av.error.ProtocolNotFoundError):
                return f"{where} begins with a protocol that is not known here; use rtsp:// or a path", True
            return f"{where} does not exist; check the path", True
        case IsADirectoryError() | PermissionError() if not is_rtsp(options.url):  # FFmpeg's word for a garbled answer
            return f"{where} may not be read ({_plain(error)}); check path and rights", True
        case av.error.ExitError() | TimeoutError():
            return f"{where} did not answer within {options.connect_timeout_s:g} s; check that it is on", False
        case av.error.InvalidDataError() if options.pace == "live":
            # RTSP says this too when it was interrupted while it waited for the answer to its first request.
            return (
                f"{where} did not answer as a camera does within {options.connect_timeout_s:g} s; "
                "check that it is on, and that address and port are its video stream",
                False,
            )
        case av.error.InvalidDataError():
            return f"{where} is not a video that can be read; check the file", True
        case OSError() if code == errno.EIO and options.pace == "live":
            return f"{where} cannot be reached; check host name and network", False
        case _:
            return f"{where} cannot be opened ({_plain(error)})", False
