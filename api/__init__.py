"""The front door: validates requests, enqueues commands, waits for the outcome, reads.

One Lambda function per resource family (`users`, `events`, `registrations`), each with one thin handler, and one for
the page that shows the API (`docs`). Nothing here decides about seats: that is done by `workers`, in the event's turn.
"""
