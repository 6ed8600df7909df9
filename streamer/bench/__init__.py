"""What this machine holds: how many cameras at which latency, and what each stage costs (`streamer bench`)."""
