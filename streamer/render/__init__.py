"""A recording as a video in which everything that was found is drawn."""
