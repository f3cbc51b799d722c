"""The back of the pipeline: decides registrations, one event at a time, and keeps the ledger.

`workers.domain` decides and is pure; `workers.aws` is the only place that knows table and queue formats;
`workers.registrar` and `workers.promoter` are the Lambda entries for the queue and for the ledger's stream.
"""
