"""Capture in worker processes: cameras read by members of a crew, their frames handed over in shared memory."""
