"""What of a picture may leave the process: masks, redaction, and the only encoders of it (docs/privacy.md)."""
