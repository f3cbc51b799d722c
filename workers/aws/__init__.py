"""The only place that knows table and queue formats: load, commit, send."""
