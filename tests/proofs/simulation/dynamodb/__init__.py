"""DynamoDB in memory, as far as Turnstile uses it; `fake` is the client.

That it answers what AWS's own answers, `tests.proofs.fakes` proves.
"""
