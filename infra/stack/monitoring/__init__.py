"""Metrics, alarms, the dashboard and saved log queries."""
