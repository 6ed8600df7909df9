"""What people and machines ask of a running service."""
