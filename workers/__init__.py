"""The back of the pipeline: decides registrations, one event at a time, and keeps the ledger.

`workers.domain` decides and is pure; `workers.aws` is the only place that knows how ledgers, registrations and messages
are written down. Three Lambda functions work with them: `workers.registrar` on the queue (with `batch`, `plan` and
`reports`), `workers.promoter` on the ledger's stream, `workers.auditor` by the clock. `workers.entry` is where Lambda
finds them.
"""
