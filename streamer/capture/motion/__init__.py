"""Did anything move? On decoded brightness at low resolution; see docs/capture.md."""
