"""The ways a caller can be moved."""
