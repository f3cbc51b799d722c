"""The `turnstile` command line: brings the stack up locally, and looks after a deployment."""
