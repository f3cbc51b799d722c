"""The registrar: the function on the queue. It parses a batch of messages, plans, commits and reports."""
