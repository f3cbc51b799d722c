"""Collect and show queues, decisions and the fullest events of a deployment."""
