"""The HTTP API: validate requests, enqueue commands, wait for their outcome, read.

There is one Lambda function per resource (`users`, `events`, `registrations`) and one for the reference page (`docs`).
Nothing here decides who gets a seat: `workers` does, in the event's own turn.
"""
