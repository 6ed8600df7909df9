"""Who saw and did what: an append-only log in the data folder, whose every line names the one before it."""
