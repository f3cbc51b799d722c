"""The back of the pipeline: decides registrations, one event at a time, and keeps the ledger.

`workers.domain` decides and is pure; `workers.aws` is the only place that knows how ledgers, registrations and messages
are stored. Three Lambda functions use them: `workers.registrar` on the queue, `workers.promoter` on the ledger's
stream, and `workers.auditor` on a schedule. Lambda finds them in `workers.entry`.
"""
