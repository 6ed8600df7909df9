"""Detection: one ONNX model for all cameras, read through an adapter that its manifest chooses."""

from streamer.detect.detector import OnnxDetector, Timings, load_detector
from streamer.onnx_session import Provider

__all__ = ["OnnxDetector", "Provider", "Timings", "load_detector"]
