"""The workers behind the queue: they decide registrations, event by event, and keep each event's ledger.

`workers.domain` decides and is pure. `workers.aws` is the only package that knows how ledgers, registrations and
messages are stored. Three Lambda functions use both: `workers.registrar` on the queue, `workers.promoter` on the
ledger table's stream, and `workers.auditor` on a schedule. Lambda loads them through `workers.entry`.
"""
