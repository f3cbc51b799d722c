"""Proves that no function may do more than it does: `make prove-iam`."""
