"""Recorded packets: evidence clips, continuous recordings; nothing here decodes or encodes."""
