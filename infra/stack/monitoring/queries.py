"""Saved queries for CloudWatch Logs Insights: what an operator asks the logs, over all functions at once.

They name the fields of the log lines (`workers.telemetry`). Words in capitals are for the operator to replace.
"""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.stack.functions import Functions
from infra.stack.stage import Stage

QUERIES = {
    "why-was-she-not-promoted": """\
# All that happened to one registration; of her event all that could move the line, and every warning and error: they
# say why it does not move. In order. Replace both ids.
fields @timestamp, level, message, registration_id, command, outcome, reason, waited_ms,
  ledger_after.status, ledger_after.capacity, ledger_after.confirmed, ledger_after.waiting, request_id
| filter registration_id = "REGISTRATION_ID" or (event_id = "EVENT_ID" and (
  level in ["WARNING", "ERROR"] or
  command in ["Cancel", "Promote", "Configure", "Recount"] or
  message in ["promoted", "promotion asked for"]))
| sort @timestamp asc
| limit 10000
""",
    "one-command": """\
# One command through all functions: accepted, decided, parked, replayed. Replace the id.
fields @timestamp, level, message, command, outcome, reason, latency_ms, receives, replay_of, dead_letter_id,
  request_id, event_id, registration_id
| filter command_id = "COMMAND_ID"
| sort @timestamp asc
| limit 10000
""",
    "one-request": """\
# Everything that was logged for one request. Its id is in the body of a 500, and in every line. Replace the id.
fields @timestamp, @log, level, message, event_id, registration_id, command_id, @message
| filter request_id = "REQUEST_ID"
| sort @timestamp asc
| limit 10000
""",
    "decisions-by-outcome": """\
# How many commands of each kind got which outcome, and why.
filter message = "decided"
| stats count(*) as decisions, pct(latency_ms, 50) as p50_ms, pct(latency_ms, 99) as p99_ms by command, outcome, reason
| sort decisions desc
""",
    "slowest-decisions": """\
# Which decisions took longest from acceptance to commit. More than one receive: it was tried again.
fields @timestamp, latency_ms, receives, command, outcome, reason, event_id, registration_id, command_id, request_id
| filter message = "decided"
| sort latency_ms desc
| limit 100
""",
    "parked": """\
# What went to the dead-letter queue, and why. The dead_letter_id is what `turnstile dlq` takes.
fields @timestamp, reason, receives, command, event_id, registration_id, command_id, dead_letter_id, message_id, `group`
| filter message = "a message was parked in the dead-letter queue"
| sort @timestamp desc
| limit 1000
""",
    "errors": """\
# Everything that went wrong, the newest first: the functions' own errors, and those of Lambda about them.
fields @timestamp, @log, level, message, reason, event_id, command_id, request_id, @message
| filter level in ["ERROR", "CRITICAL"] or @message like /Task timed out|Runtime exited|Traceback/
| sort @timestamp desc
| limit 1000
""",
}
"""Name → query."""


class Queries(Construct):
    """The queries `turnstile-{stage}/{name}`, on the log groups of all functions."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, functions: Functions) -> None:
        super().__init__(scope, construct_id)
        for name, query in QUERIES.items():
            logs.CfnQueryDefinition(
                self,
                name,
                name=f"{stage.service}/{name}",
                query_string=query,
                log_group_names=functions.log_groups,
            )
