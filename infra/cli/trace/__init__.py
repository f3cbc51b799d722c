"""Reconstruct the history of one registration from its record and the logs."""
