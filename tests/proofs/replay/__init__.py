"""Proves that `turnstile dlq replay` loses, doubles and reorders nothing: `make prove-replay`."""
