"""The HTTP API: its routes, stage, domain, CORS and throttling."""
