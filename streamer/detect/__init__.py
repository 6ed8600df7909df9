"""Detection: one ONNX model for all cameras, read through an adapter that its manifest chooses."""

from streamer.detect.detector import OnnxDetector, Timings, load_detector
from streamer.sessions import Provider

__all__ = ["OnnxDetector", "Provider", "Timings", "load_detector"]
