"""DynamoDB in memory, as far as Turnstile uses it, and the proof that it is true.

`fake` is the client. `compare` does the same operations here and on AWS's DynamoDB Local: those that `requests` draws
from `material`, those of `edges`, and what the real handlers ask for when `use` plays their users.
"""
