"""Broken on purpose: cameras, networks, brokers, disks and processes that fail on command, and drills with them."""
