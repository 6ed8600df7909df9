"""Drills: a scratch copy of a service, faults done to all around it and to itself, and how well it took them."""
